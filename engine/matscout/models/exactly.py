"""gpytorch as this package uses it: exact, quiet, and the same whatever other threads do."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import gpytorch
from botorch.exceptions.warnings import BotorchWarning
from gpytorch.utils.warnings import GPInputWarning

_EXACT = 10**6  # rows up to which gpytorch is to factorise, not to iterate
_SETTINGS = threading.RLock()
"""gpytorch's settings, and the filters of warnings, are the whole process's: of two threads that leave
them in another order than they came, one would go on without, and the process keep the other's."""


@contextmanager
def exactly() -> Iterator[None]:
    """Inside, gpytorch factorises: no conjugate gradients, whose answers depend on random probes. Nor
    does it warn that a training row was asked about, which is nothing unusual, or BoTorch that columns
    are standardised and not moved into the unit cube. One thread at a time."""
    with _SETTINGS, ExitStack() as stack:
        stack.enter_context(gpytorch.settings.debug(False))
        stack.enter_context(gpytorch.settings.max_cholesky_size(_EXACT))
        stack.enter_context(gpytorch.settings.fast_computations(False, False, False))
        stack.enter_context(warnings.catch_warnings())
        for kind in (BotorchWarning, GPInputWarning):
            warnings.simplefilter("ignore", kind)
        yield
