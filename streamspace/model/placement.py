"""Chooses the device and the number format from the machine and the config, and gives the reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from streamspace.errors import DeviceError

NVIDIA = Path("/dev/nvidiactl")
BITSANDBYTES = "bitsandbytes>=0.48"  # from then on, a model in int8 may be sent to the device that it is on


@dataclass(frozen=True)
class Machine:
    """What `probe` found. On ZeroGPU torch's own answers are emulated, so `zero` decides before `cuda` is looked at."""

    zero: bool = False
    cuda: bool = False
    cuda_bf16: bool = False
    mps: bool = False
    cpu_bf16: bool = False


@dataclass(frozen=True)
class Placement:
    """Where the model runs and in which number format, with the reason for both in one sentence."""

    device: Literal["cpu", "cuda", "mps"]
    dtype: Literal["float32", "bfloat16", "float16"]
    reason: str


def probe(zero: bool) -> Machine:
    """The machine, by torch's answers. On ZeroGPU (`zero`) those about a GPU are emulated and not asked for."""
    import torch  # not at the top: `check` chooses without it

    from streamspace.model.torch_internals import computes_bfloat16

    cuda = not zero and torch.cuda.is_available()
    return Machine(
        zero=zero,
        cuda=cuda,
        cuda_bf16=cuda and torch.cuda.is_bf16_supported(including_emulation=False),
        mps=torch.backends.mps.is_available(),
        cpu_bf16=computes_bfloat16(),
    )


def has_cuda() -> bool:
    """Whether there is a CUDA GPU; torch, which takes seconds to import, is asked only where a driver is."""
    return NVIDIA.exists() and probe(zero=False).cuda


def choose(machine: Machine, device: str = "auto", dtype: str = "auto", quantization: str = "none") -> Placement:
    """The placement for the config. Raises DeviceError when the machine can't provide it: no silent fallback."""
    where, because = _device(machine, device)
    _check_kernels(machine, where, quantization)
    dynamic = where == "cpu" and quantization == "int8"
    if dtype == "auto":
        dtype, fits = _dtype(machine, where, dynamic)
        because = f"{because}; {fits}"
    elif dtype != "float32" and dynamic:
        raise DeviceError(f"model.dtype: expected 'float32' or 'auto' with quantization: int8 on a CPU, got {dtype!r}")
    else:
        because = f"{because}; {dtype} because the config asks for it"
    return Placement(where, dtype, because)  # type: ignore[arg-type]


def check_gguf(machine: Machine, device: str, file: str) -> None:
    """Raises DeviceError where a GGUF file can't be used."""
    if machine.zero and device != "cpu":
        raise DeviceError(
            f"model.file: expected a model in safetensors on ZeroGPU, got {file!r}: llama.cpp runs it on a CPU, and "
            "leaves the GPU unused. Set card.hardware: cpu-basic, or name the original model, with file: null"
        )


def needs_bitsandbytes(quantization: str, device: str) -> bool:
    """Whether bitsandbytes quantizes the weights; int8 on a CPU is torch's."""
    return quantization == "int4" or (quantization == "int8" and device != "cpu")


def _check_kernels(machine: Machine, device: str, quantization: str) -> None:
    if quantization != "none" and device == "mps":
        raise DeviceError(
            f"model.quantization: expected 'none' on mps, got {quantization!r}, which needs a CUDA GPU or a CPU. "
            "Set quantization: none, or device: cpu with int8"
        )
    if quantization == "int4" and device == "cpu" and not machine.cpu_bf16:
        raise DeviceError(
            "model.quantization: expected 'none' or 'int8' on this CPU, got 'int4', slow without AVX-512 BF16. "
            "Set quantization: int8, or give the Space a GPU"
        )


def _device(machine: Machine, asked: str) -> tuple[str, str]:
    have = {"cpu": True, "cuda": machine.cuda or machine.zero, "mps": machine.mps}
    if asked != "auto":
        if not have[asked]:
            raise DeviceError(
                f"device: expected one that this machine has ({', '.join(name for name in have if have[name])}), "
                f"got {asked!r}. Set device: auto, or give the Space a GPU"
            )
        zero = asked == "cuda" and machine.zero
        return asked, f"{asked} because the config asks for it" + (" and this is ZeroGPU" if zero else "")
    if machine.zero:
        return "cuda", "cuda because this is ZeroGPU"
    if machine.cuda:
        return "cuda", "cuda because torch finds a CUDA GPU"
    if machine.mps:
        return "mps", "mps because torch finds Apple's GPU"
    return "cpu", "cpu because no GPU was found"


def _dtype(machine: Machine, device: str, dynamic: bool) -> tuple[str, str]:
    if dynamic:
        return "float32", "float32 because int8 is made from it"
    if device == "cuda":
        if machine.zero or machine.cuda_bf16:
            return "bfloat16", "bfloat16 because the GPU has it"
        return "float16", "float16 because the GPU has no bfloat16"
    if device == "mps":
        return "float16", "float16 because it is the fast format there"
    if machine.cpu_bf16:
        return "bfloat16", "bfloat16 because the CPU computes in it"
    return "float32", "float32 because the CPU has no fast bfloat16"
