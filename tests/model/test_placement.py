"""The device is chosen from what was probed and asked, with a reason, and never silently replaced."""

from __future__ import annotations

import pytest

from streamspace.errors import DeviceError
from streamspace.model.placement import Machine, Placement, choose


@pytest.mark.parametrize(
    ("machine", "asked", "expected"),
    [
        (Machine(), {}, Placement("cpu", "float32", "cpu because no GPU was found; float32 because the CPU has no fast bfloat16")),
        (Machine(cpu_bf16=True), {},
         Placement("cpu", "bfloat16", "cpu because no GPU was found; bfloat16 because the CPU computes in it")),
        (Machine(cuda=True, cuda_bf16=True), {},
         Placement("cuda", "bfloat16", "cuda because torch finds a CUDA GPU; bfloat16 because the GPU has it")),
        (Machine(cuda=True), {},
         Placement("cuda", "float16", "cuda because torch finds a CUDA GPU; float16 because the GPU has no bfloat16")),
        (Machine(mps=True), {},
         Placement("mps", "float16", "mps because torch finds Apple's GPU; float16 because it is the fast format there")),
        (Machine(zero=True), {},
         Placement("cuda", "bfloat16", "cuda because this is ZeroGPU; bfloat16 because the GPU has it")),
        (Machine(zero=True), {"device": "cuda"},
         Placement("cuda", "bfloat16", "cuda because the config asks for it and this is ZeroGPU; bfloat16 because the GPU has it")),
        (Machine(cuda=True), {"device": "cpu", "dtype": "float32"},
         Placement("cpu", "float32", "cpu because the config asks for it; float32 because the config asks for it")),
        (Machine(cpu_bf16=True), {"quantization": "int8"},
         Placement("cpu", "float32", "cpu because no GPU was found; float32 because int8 is made from it")),
        (Machine(cpu_bf16=True), {"quantization": "int4"},
         Placement("cpu", "bfloat16", "cpu because no GPU was found; bfloat16 because the CPU computes in it")),
        (Machine(cuda=True), {"quantization": "int8"},
         Placement("cuda", "float16", "cuda because torch finds a CUDA GPU; float16 because the GPU has no bfloat16")),
        (Machine(zero=True), {"quantization": "int4"},
         Placement("cuda", "bfloat16", "cuda because this is ZeroGPU; bfloat16 because the GPU has it")),
    ],
)  # fmt: skip
def test_the_placement_follows_from_the_machine_and_the_config(
    machine: Machine, asked: dict[str, str], expected: Placement
) -> None:
    assert choose(machine, **asked) == expected


@pytest.mark.parametrize(
    ("machine", "asked", "message"),
    [
        (Machine(), {"device": "cuda"},
         "device: expected one that this machine has (cpu), got 'cuda'. Set device: auto, or give the Space a GPU"),
        (Machine(cuda=True), {"device": "mps"},
         "device: expected one that this machine has (cpu, cuda), got 'mps'. Set device: auto, or give the Space a GPU"),
        (Machine(mps=True), {"quantization": "int4"},
         "model.quantization: expected 'none' on mps, got 'int4', which needs a CUDA GPU or a CPU. "
         "Set quantization: none, or device: cpu with int8"),
        (Machine(), {"quantization": "int4"},
         "model.quantization: expected 'none' or 'int8' on this CPU, got 'int4', slow without AVX-512 BF16. "
         "Set quantization: int8, or give the Space a GPU"),
        (Machine(), {"quantization": "int8", "dtype": "float16"},
         "model.dtype: expected 'float32' or 'auto' with quantization: int8 on a CPU, got 'float16'"),
    ],
)  # fmt: skip
def test_what_the_machine_cannot_do_is_an_error(machine: Machine, asked: dict[str, str], message: str) -> None:
    with pytest.raises(DeviceError) as caught:
        choose(machine, **asked)
    assert str(caught.value) == message
