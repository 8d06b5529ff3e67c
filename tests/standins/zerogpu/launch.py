"""Run an app as `python app.py` would, with the five shims that let `spaces` work on a CPU build of torch.

    python tests/standins/zerogpu/launch.py app.py

Only the app's process (and the workers it forks) is changed; `spaces` itself stays the released package. The shims,
and what is different from a GPU because of them:

1. `torch.version.cuda = "13.0"`        `spaces` reads it at import; it is None in a CPU build.
2. `torch._C._cuda_init = <raises>`     `spaces` saves and replaces it; absent in a CPU build.
3. `torch.cuda._is_in_bad_fork = bool`  asked in a forked process at import; absent in a CPU build.
4. `spaces.zero.torch.init`             sets CUDA_VISIBLE_DEVICES; does not touch the card.
5. `spaces.zero.torch.move`             loads the packed weights into CPU memory, not onto a card.

On the host nothing differs: `model.to("cuda")` on the main thread is emulated by `spaces`, and the weights are packed
to disk at launch. The emulation is per thread: `model.device` is `cuda:0` on the main thread and `cpu` in a handler's.
In the worker it is `cpu` here and `cuda:0` on a GPU. So code that runs in the worker must ask the model there,
`input_ids.to(model.device)`. A literal "cuda" works on a GPU and fails here ("Torch not compiled with CUDA enabled"),
and `torch.cuda.is_available()` is False here.
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

Progress = Callable[[int], Any]


def prepare_torch() -> None:
    """Shims 1-3: what `spaces` expects of torch when it is imported."""
    import torch

    def cuda_init() -> None:
        raise RuntimeError("Torch not compiled with CUDA enabled")

    torch.version.cuda = "13.0"
    torch._C._cuda_init = cuda_init
    torch.cuda._is_in_bad_fork = bool  # a callable that pickles and returns False


def prepare_spaces() -> None:
    """Shims 4-5: what a new worker does with its card. Imports `spaces`, so SPACES_ZERO_GPU must be set."""
    from spaces.zero import torch as zero_torch

    zero_torch.init = init
    zero_torch.move = move


def init(nvidia_uuid: str) -> None:
    """In place of `spaces.zero.torch.patching.init`."""
    os.environ["CUDA_VISIBLE_DEVICES"] = nvidia_uuid


def move(callback: Progress | None = None) -> None:
    """In place of `spaces.zero.torch.patching.move`, in a thread of its own as there: the fork left torch's pools."""
    with ThreadPoolExecutor(1) as executor:
        executor.submit(_move, callback or (lambda n: None)).result()


def _move(callback: Progress) -> None:
    from spaces.zero.torch.patching import cuda_aliases, tensor_packs

    for fake, original in cuda_aliases.items():
        if original is not None:  # made on the host after the pack
            fake.data = original
    for pack in tensor_packs:
        _unpack(pack, callback)


def _unpack(pack: Any, callback: Progress) -> None:
    """Read a pack file back: small tensors in batches, then the big ones, each padded to a multiple of a page."""
    import torch

    with open(pack.path(), "rb") as file:
        for tensor, size, aligned_size in [item for batch in (*pack.batches, pack.big_tensors) for item in batch]:
            content = bytearray(file.read(aligned_size))
            loaded = torch.tensor([], dtype=tensor.dtype)
            if size:
                storage = torch.frombuffer(content, dtype=torch.uint8).untyped_storage()
                loaded.set_(storage, 0, tensor.shape, tensor.stride())
            for fake in pack.fakes[tensor]:  # tied weights share one packed tensor
                fake.data = loaded
            callback(size)


def main(app: str, *args: str) -> None:
    prepare_torch()
    prepare_spaces()
    path = Path(app).resolve()
    sys.argv = [str(path), *args]
    sys.path[0] = str(path.parent)  # as for `python app.py`; it was this file's folder
    runpy.run_path(str(path), run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
