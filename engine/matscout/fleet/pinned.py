"""The environment of a worker process: threads pinned before it imports anything, and its mark."""

from __future__ import annotations

import os
import sys
import uuid

MARK = "MATSCOUT_WORKER"
"""A variable that everything started by one worker carries, so that it can be found and ended."""

_THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def pinned(threads: int) -> dict[str, str]:
    """Variables that hold numerical libraries to `threads` threads; several workers that each
    take all cores are slower together than one."""
    return dict.fromkeys(_THREADS, str(threads))


def new_mark() -> str:
    """A value of MARK that no other worker has."""
    return f"{os.getpid()}-{uuid.uuid4().hex}"


def python_path() -> str:
    """Where this process imports from, beside its own installation, as a worker's PYTHONPATH."""
    installed = (sys.prefix, sys.base_prefix)
    places = [os.path.abspath(place) for place in sys.path]
    own = [p for p in places if not p.startswith(installed) and os.path.isdir(p)]
    return os.pathsep.join(dict.fromkeys(own))
