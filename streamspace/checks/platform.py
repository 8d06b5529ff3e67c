"""The platform's limits, versions and hardware, with the date and the source of each.

Sources: the Hub's documentation, "Spaces ZeroGPU" (with hub-docs pull request 2763 of 2026-09-04), "Using GPU Spaces"
and "Spaces Configuration Reference"; the flavours' names are those of huggingface_hub 2.4.0; what the Hub installs is
read in public build logs of 2026 (gradio 6.17, 6.19 and 6.28, on CPU and ZeroGPU). Checked in November 2026.
"""

from __future__ import annotations

from streamspace.model.placement import Machine

CHECKED = "2026-11"
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]  # transformers 5.21 and later need 3.11, as do current numpy and pandas
ZEROGPU = "zero-a10g"  # named after its first GPU, which has been replaced
ZEROGPU_TORCH = ["2.8.0", "2.9.1", "2.10.0", "2.11.0", "2.12.1", "2.13.0"]
ZEROGPU_PYTHON = ["3.12"]  # 3.12.12; ZeroGPU also runs 3.10.13, which is older than PYTHONS
ZEROGPU_SPACES = "0.51.3"  # the version that ZeroGPU pins
ZEROGPU_PAGE = "https://huggingface.co/docs/hub/spaces-zerogpu"
LARGE_WEIGHTS_GIB = 42  # larger packed weights select xlarge (spaces 0.51.3)
SHORT_DESCRIPTION = 60  # characters
COLORS = ["red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"]
LARGEST_FILE_GB = 50  # "Storage limits"
REPOSITORY_GB = 1  # of a Space's repository, from users' reports; models have other limits


# GB of memory for the model: the machine's without a GPU, otherwise one GPU's, since the engine uses one.
HARDWARE = {
    "cpu-basic": 16,
    "cpu-upgrade": 32,
    ZEROGPU: 48,
    "t4-small": 16,
    "t4-medium": 16,
    "l4x1": 24,
    "l4x4": 24,
    "l40sx1": 48,
    "l40sx4": 48,
    "l40sx8": 48,
    "a10g-small": 24,
    "a10g-large": 24,
    "a10g-largex2": 24,
    "a10g-largex4": 24,
    "a100-large": 80,
    "a100x4": 80,
    "a100x8": 80,
    "rtx-pro-6000": 96,
    "rtx-pro-6000x2": 96,
    "rtx-pro-6000x4": 96,
    "rtx-pro-6000x8": 96,
}
FREE = ("cpu-basic", ZEROGPU)  # hardware without a price an hour, which sleeps by the Hub's own rule
XLARGE_GB = 96  # ZeroGPU's whole GPU, at twice the quota
ZEROGPU_DISK_GB = 150  # from reports: packing 77 GB of weights failed with "No space left on device"

# The Hub's build installs these first, in a separate step. The second step can replace the versions.
PREINSTALLED = ["datasets", "huggingface-hub>=0.30", "hf-transfer>=0.1.4", "protobuf<4", "click<8.1"]


def hub_requirements(sdk_version: str, hardware: str) -> list[str]:
    """The requirements that the build adds to requirements.txt in its second step, in one resolution."""
    added = [f"gradio[oauth,mcp]=={sdk_version}", "uvicorn>=0.14.0", "websockets>=10.4"]
    if hardware == ZEROGPU:
        return [*added, f"spaces=={ZEROGPU_SPACES}", f"torch<={ZEROGPU_TORCH[-1]}"]
    return [*added, "spaces"]


def machine(hardware: str) -> Machine:
    """What `probe` would return there, as far as the hardware's name determines it."""
    cuda = not hardware.startswith("cpu")
    return Machine(zero=hardware == ZEROGPU, cuda=cuda, cuda_bf16=cuda and not hardware.startswith("t4"))
