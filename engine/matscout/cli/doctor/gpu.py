"""Whether torch sees the graphics cards that are there."""

from __future__ import annotations

import os
from pathlib import Path

from matscout.cli.doctor.finding import Finding, fail, ok, warn


def check(wanted: float = 0.0, devices: Path = Path("/dev")) -> list[Finding]:
    """`wanted`: how much of one each worker asks for. torch is loaded only where there is a card."""
    cards = sorted(path.name for path in devices.glob("nvidia[0-9]*"))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if not cards:
        if wanted > 0:
            mend = "run it where there is one, or set gpus = 0"
            return [fail("gpu", f"the run wants {wanted:g} a worker, and there is none here", mend)]
        return [ok("gpu", "none here: trainers use the processor")]
    if visible is not None and visible.strip() in ("", "-1"):
        mend = "unset CUDA_VISIBLE_DEVICES, if they are to be used"
        return [warn("gpu", f"{len(cards)} here, hidden by CUDA_VISIBLE_DEVICES='{visible}'", mend)]
    return [_torch_sees(len(cards))]


def _torch_sees(cards: int) -> Finding:
    import torch

    if not torch.cuda.is_available():
        built = torch.version.cuda
        why = (
            "this torch was built without CUDA" if built is None else f"CUDA {built} does not start"
        )
        mend = "install the torch that fits the driver (nvidia-smi): pytorch.org/get-started"
        return fail("gpu", f"{cards} here, but {why}", mend)
    names = {torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())}
    said = f"torch {torch.__version__} sees {torch.cuda.device_count()}: {', '.join(sorted(names))}"
    return ok("gpu", said)
