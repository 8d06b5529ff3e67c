"""Writes the text of the PDF on stdin to stdout, a little more than the given number of characters at most.

`pdf` runs it by its path, so that nothing else of the package is imported.
"""

import contextlib
import io
import sys

MEMORY = 1 << 30  # bytes of address space
SECONDS = 15  # of processor time

with contextlib.suppress(ImportError, ValueError):  # Windows has no such limits; `pdf` ends it there too
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))

import pypdf  # noqa: E402  within the limits

left = int(sys.argv[1]) + 1
texts = []
for page in pypdf.PdfReader(io.BytesIO(sys.stdin.buffer.read())).pages:
    texts.append(page.extract_text()[:left])
    left -= len(texts[-1]) + 2
    if left <= 0:
        break
sys.stdout.buffer.write("\n\n".join(texts).encode("utf-8", "replace"))
