"""A bench of promises that is ended itself leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from matscout.cli.promises.alive import alive, eventually
from matscout.cli.promises.in_order import ending_in_order
from matscout.fleet.pinned import python_path

# A driver whose worker is at a costly experiment: it would go on without them for a minute.
_BENCH = """
import sys
from pathlib import Path
from matscout.cli.promises.driver import driving
from matscout.cli.promises.in_order import kept_in_order
from matscout.cli.promises.laboratory import Laboratory
from matscout.cli.promises.promise import Setting

def keep(setting):
    lab = Laboratory.make(setting.folder / "lab", setting, trials=2, workers=1, costly=True, work_s=60)
    try:
        with driving(lab) as driver:
            while not list(lab.notes()):
                assert driver.ended(0.02) is None, lab.said
            print(driver.pid, *driver.workers(), flush=True)
            driver.ended()
    finally:
        (setting.folder / "unwound").touch()

kept_in_order(keep, Setting(Path(sys.argv[1]), 1))
"""
_PATIENCE_S = 60.0


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_it(tmp_path: Path, signum: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _BENCH, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": python_path()},
        text=True,
    ) as bench:
        assert bench.stdout is not None
        pids = [int(word) for word in bench.stdout.readline().split()]
        assert len(pids) == 2 and len(alive(pids)) == 2
        bench.send_signal(signum)
        code = bench.wait(_PATIENCE_S)
    if signum == signal.SIGTERM:
        assert code == 128 + signum and (tmp_path / "unwound").exists()
        assert alive(pids) == []
    else:
        assert code == -signum
        assert eventually(lambda: not alive(pids), _PATIENCE_S)


def test_a_hangup_that_is_ignored_stays_ignored() -> None:
    """As under nohup, with hours of rounds to go."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending_in_order():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert callable(signal.getsignal(signal.SIGTERM))
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
