"""A node that is cut off from the network works on: nobody hears it, and what it measures is kept."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from matscout.cli.promises import ledger
from matscout.cli.promises.alive import eventually
from matscout.cli.promises.driver import PATIENCE_S, driving, last_words
from matscout.cli.promises.laboratory import Laboratory
from matscout.cli.promises.promise import Setting
from matscout.cli.promises.ray_nodes import RayNodes
from matscout.history import History
from matscout.trial import State

_PATIENT = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
}
"""The head gives a silent node up soon, and that node its head late: by itself Ray ends both within the
same minute, and what was cut off would be dead before anything was begun elsewhere."""


_ORACLE = """
def measure(params, context):
    note("begun", context.trial, context.attempt, os.getppid())
    while not (HOME / f"go-{context.trial}-{context.attempt}").exists():
        time.sleep(0.05)
    y = value(params, context)
    note("done", context.trial, context.attempt, repr(y))
    return y
"""
"""The parent of its process is the raylet of its node."""

_HOLDER = ("unshare", "--net", "--uts", "sh", "-c", "hostname island && exec sleep infinity")


@dataclass(frozen=True)
class Island:
    """Another network namespace, joined to this one by a cable, and to all appearance another machine:
    what bears our own host's name is ended by its process id. It goes with the process that holds it."""

    holder: int
    cable: str
    here: str
    there: str

    @property
    def inside(self) -> tuple[str, ...]:
        """A command that runs the one after it there."""
        return ("nsenter", f"--target={self.holder}", "--net", "--uts")

    def cut(self) -> None:
        _run("ip", "link", "set", self.cable, "down")

    def mend(self) -> None:
        _run("ip", "link", "set", self.cable, "up")


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


@pytest.fixture
def island() -> Iterator[Island]:
    missing = [name for name in ("ip", "unshare", "nsenter") if shutil.which(name) is None]
    if missing or os.getuid():
        pytest.skip(f"no network namespace can be made here ({', '.join(missing) or 'not root'})")
    with ExitStack() as stack:
        number = os.getpid() % 200
        net, cable = f"10.213.{number}", f"mtcut{number}"
        holder = stack.enter_context(subprocess.Popen(_HOLDER))
        stack.callback(holder.kill)
        there = Island(holder.pid, cable, f"{net}.1", f"{net}.2")

        def apart() -> bool:
            words = subprocess.run([*there.inside, "hostname"], capture_output=True, check=False)
            return words.stdout == b"island\n"

        if not eventually(apart, 10.0):
            pytest.skip("no network namespace can be made here")
        try:
            _run(*f"ip link add {cable} type veth peer name far netns {holder.pid}".split())
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespace can be made here ({error.stderr.decode().strip()})")
        stack.callback(_run, "ip", "link", "del", cable)
        _run("ip", "addr", "add", f"{there.here}/24", "dev", cable)
        there.mend()
        for words in ("link set lo up", f"addr add {there.there}/24 dev far", "link set far up"):
            _run(*there.inside, "ip", *words.split())
        yield there


@pytest.mark.slow
@pytest.mark.parametrize("costly", [False, True])
def test_a_node_that_is_cut_off_doubles_nothing_and_loses_nothing(
    tmp_path: Path, island: Island, costly: bool
) -> None:
    """It is taken for dead, and its experiment begun elsewhere unless that is costly; what it measured
    all the same is the trial's value."""
    cluster = RayNodes(island.here)
    cluster.environment |= _PATIENT
    with cluster:
        cluster.start(0)
        far = cluster.join(island.there, 1, island.inside)
        assert eventually(lambda: far.ready, PATIENCE_S), far.last_words
        lab = Laboratory.make(
            tmp_path / "lab", Setting(tmp_path, 1, fleet="ray"), trials=2, workers=1,
            oracle=_ORACLE, costly=costly, run=f'address = "{cluster.address}"',
        )  # fmt: skip

        def begun() -> dict[tuple[int, int], int]:
            notes = (words for words in lab.notes() if words[0] == "begun")
            return {(int(t), int(a)): int(raylet) for _, t, a, raylet in notes}

        with driving(lab) as driver:
            assert eventually(lambda: bool(begun()), PATIENCE_S), last_words(lab)
            assert begun() == {(0, 1): far.raylet}
            near = cluster.join(island.here, 1)
            island.cut()
            elsewhere = (1, 1) if costly else (0, 2)
            assert eventually(lambda: elsewhere in begun(), PATIENCE_S), last_words(lab)
            assert begun()[elsewhere] == near.raylet
            (lab.home / "go-0-1").touch()
            assert eventually(lambda: "trial 0: y = " in lab.said, PATIENCE_S), last_words(lab)
            for attempt in ("go-0-2", "go-1-1"):
                (lab.home / attempt).touch()
            assert driver.ended() == 0, last_words(lab)
    assert ledger.check(lab, 2, costly=costly).problems == []
    cut_off, other = History(ledger.events_of(lab)).trials
    assert cut_off.values == {"y": lab.ledger().done[0, 1]}
    assert [r.values for r in cut_off.replicates] == (
        [] if costly else [{"y": lab.ledger().done[0, 2]}]
    )
    assert other.state is State.COMPLETE
