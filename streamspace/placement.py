"""Chooses the device and the number format from what the machine has and what the config asks for, and says why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from streamspace.errors import DeviceError


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


def choose(machine: Machine, device: str = "auto", dtype: str = "auto", quantization: str = "none") -> Placement:
    """The placement for what the config asks. Raises DeviceError where the machine can't: no silent fallback."""
    where, because = _device(machine, device)
    if quantization == "int8" and where != "cpu":
        raise DeviceError(
            f"model.quantization: expected 'none' on {where}, got 'int8', which runs on a CPU only. "
            "Set quantization: none, or device: cpu"
        )
    if dtype == "auto":
        dtype, fits = _dtype(machine, where, quantization)
        because = f"{because}; {fits}"
    elif dtype != "float32" and quantization == "int8":
        raise DeviceError(f"model.dtype: expected 'float32' or 'auto' with quantization: int8, got {dtype!r}")
    else:
        because = f"{because}; {dtype} because the config asks for it"
    return Placement(where, dtype, because)  # type: ignore[arg-type]


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


def _dtype(machine: Machine, device: str, quantization: str) -> tuple[str, str]:
    if quantization == "int8":
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
