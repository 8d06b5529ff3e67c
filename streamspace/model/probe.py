"""Reads the machine's properties from torch and the environment, for `placement`."""

from __future__ import annotations

import torch

from streamspace.model.placement import Machine


def probe(zero: bool) -> Machine:
    """The machine. On ZeroGPU (`zero`) torch's answers about a GPU are emulated and not asked for."""
    cuda = not zero and torch.cuda.is_available()
    return Machine(
        zero=zero,
        cuda=cuda,
        cuda_bf16=cuda and torch.cuda.is_bf16_supported(including_emulation=False),
        mps=torch.backends.mps.is_available(),
        cpu_bf16=torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported(),
    )
