"""Families of processes are found and ended, also by one that has no file descriptor left."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from matscout.evaluate import descriptors, process_tree

# A program in a session of its own, with a child in another one; both wait to be ended.
_FAMILY = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE,
                         start_new_session=True)
print(child.pid, flush=True)
child.wait()
"""


@contextmanager
def no_descriptors() -> Iterator[Callable[[], None]]:
    """Nothing can be opened while the block runs, or until what it is given is called."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    def come_back() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)

    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        yield come_back
    finally:
        come_back()


@pytest.fixture
def leader() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process with a child in another session, and that child's pid."""
    with subprocess.Popen(
        [sys.executable, "-c", _FAMILY], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        try:
            yield process, child
        finally:
            process_tree.kill_family(process.pid)


def test_a_family_is_ended_once_there_are_descriptors_again(
    leader: tuple[subprocess.Popen[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    process, child = leader
    with no_descriptors() as come_back:
        waits: list[float] = []
        monkeypatch.setattr(
            process_tree.time, "sleep", lambda s: (waits.append(s), len(waits) > 3 and come_back())
        )
        process_tree.kill_family(process.pid)
    assert len(waits) > 3
    assert process.wait(10) == -signal.SIGKILL
    assert process_tree.family(child) == set(), "what it had started, too"


def test_without_descriptors_for_good_the_leader_at_least_is_ended(
    leader: tuple[subprocess.Popen[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    process, child = leader
    monkeypatch.setattr(process_tree, "_SURELY_S", 0.05)
    with no_descriptors():
        assert process_tree.family(process.pid) == {process.pid}, "nothing is taken for dead"
        process_tree.kill_family(process.pid)
    assert process.wait(10) == -signal.SIGKILL
    process_tree.kill_family(child)


def test_a_leader_that_cannot_be_looked_at_is_not_taken_for_dead(
    leader: tuple[subprocess.Popen[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    process, _ = leader
    looked: list[float] = []
    monkeypatch.setattr(descriptors.time, "sleep", lambda s: looked.append(s))
    guard = threading.Thread(target=process_tree._wait_for_end, args=(process.pid,))
    with no_descriptors():
        guard.start()
        until_s = time.monotonic() + 10
        while not looked and guard.is_alive() and time.monotonic() < until_s:
            pass
        assert guard.is_alive() and process.poll() is None
    process.kill()
    guard.join(10)
    assert not guard.is_alive()
