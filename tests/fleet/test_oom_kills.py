"""What the kernel's count of processes that it killed for want of memory says about a death."""

from __future__ import annotations

import pytest

from matscout.clock import VirtualClock
from matscout.fleet import oom_kills as module
from matscout.fleet.oom_kills import LATELY_S, OomKills


class Kernel(VirtualClock):
    """A clock and a count that stand where they are put."""

    count = 7


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel()
    monkeypatch.setattr(module, "time", kernel)
    monkeypatch.setattr(module, "oom_kills", lambda: kernel.count)
    return kernel


def watching(kernel: Kernel, kills: OomKills, for_s: float) -> None:
    for _ in range(int(for_s / 0.25)):
        kills.look()
        kernel.now_s += 0.25


@pytest.fixture
def kills(kernel: Kernel) -> OomKills:
    return OomKills(kernel.count)


def test_what_was_killed_before_explains_nothing(kernel: Kernel, kills: OomKills) -> None:
    assert not kills.explain_one()
    watching(kernel, kills, 3.0)
    assert not kills.explain_one()


def test_a_kill_explains_one_death(kernel: Kernel, kills: OomKills) -> None:
    watching(kernel, kills, 3.0)
    kernel.count += 1
    watching(kernel, kills, 2.0)
    assert kills.explain_one() and not kills.explain_one()
    kernel.count += 2
    assert kills.explain_one() and kills.explain_one() and not kills.explain_one()


def test_a_kill_of_somebody_else_is_forgotten(kernel: Kernel, kills: OomKills) -> None:
    """A worker that dies hours later died of something else."""
    kernel.count += 1
    watching(kernel, kills, LATELY_S + 3.0)
    assert not kills.explain_one()
    kernel.count += 1
    assert kills.explain_one()
