"""The device that a worker in Ray trains on: what it was lent, not what its machine has."""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)


def lent_device(gpu: bool) -> str:
    """`cuda:0` for a worker that was lent a `gpu` or a share of one: Ray shows it no other. A worker
    that was lent none may see those of others, and stays on the CPU.

    To be called in the worker, and late: torch is loaded only where there is a share of a GPU.
    """
    if not gpu:
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda:0"
    log.warning("lent a share of a GPU, but torch sees none: on the processor instead")
    return "cpu"
