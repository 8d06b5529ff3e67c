"""llama.cpp's own server, with its defaults: `python benchmarks/systems/llama.py FILE PLACES TOKENS THREADS PORT`.

Nothing of this project is imported, so that the package alone is measured. TOKENS is the context window of a place.
"""

import sys
from threading import Event

import xllamacpp

file, *numbers = sys.argv[1:]
places, tokens, threads, port = map(int, numbers)
params = xllamacpp.CommonParams()
params.model.path, params.hostnames, params.port = file, ["127.0.0.1"], port
params.n_parallel, params.n_ctx = places, places * tokens
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
server = xllamacpp.Server(params)
Event().wait()
