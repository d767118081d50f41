"""What tests of faults share."""

from __future__ import annotations

import pytest

_HELD = """
def measure(params, context):
    note("begun", context.trial, context.attempt, os.getppid())
    while not (HOME / "go").exists():
        time.sleep(0.05)
    y = value(params, context)
    note("done", context.trial, context.attempt, repr(y))
    return y
"""


@pytest.fixture
def held() -> str:
    """An oracle that notes the parent of its process (on Ray the raylet of its node), and measures once
    its laboratory has a file called go."""
    return _HELD
