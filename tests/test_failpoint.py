"""Every failpoint is told of in one place, and can be watched."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from matscout.failpoint import NAMES, failpoint, watched

PACKAGE = Path(__file__).parents[1] / "engine" / "matscout"


def test_all_failpoints_are_in_the_list_and_none_else() -> None:
    found = set()
    for path in PACKAGE.rglob("*.py"):
        found |= set(re.findall(r"failpoint\(\"([a-z_.]+)\"\)", path.read_text()))
    assert found == set(NAMES)


def test_a_watcher_hears_all_while_its_block_runs() -> None:
    heard: list[str] = []
    with watched(heard.append):
        failpoint("loop.before_asked")
        failpoint("journal.after_head")
    failpoint("loop.before_asked")
    assert heard == ["loop.before_asked", "journal.after_head"]


def test_what_a_watcher_raises_strikes_at_the_place() -> None:
    class Died(BaseException):
        pass

    def kill(name: str) -> None:
        raise Died(name)

    with pytest.raises(Died, match="before_submit"), watched(kill):
        failpoint("loop.before_submit")
    failpoint("loop.before_submit")
