"""The head of a Ray cluster stands still: what is measured is kept, and the driver leaves."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from matscout.cli.promises import ledger
from matscout.cli.promises.alive import eventually
from matscout.cli.promises.driver import PATIENCE_S, driving, last_words
from matscout.cli.promises.laboratory import Laboratory
from matscout.cli.promises.promise import Setting
from matscout.cli.promises.ray_nodes import RayNodes


@pytest.mark.slow
def test_a_driver_leaves_a_cluster_whose_head_stands_still(tmp_path: Path, held: str) -> None:
    with RayNodes() as cluster:
        cluster.start(1)
        lab = Laboratory.make(
            tmp_path / "lab", Setting(tmp_path, 1, fleet="ray"), trials=1, workers=1,
            oracle=held, run=f'address = "{cluster.address}"',
        )  # fmt: skip
        with driving(lab) as driver:
            assert eventually(lambda: any(w == "begun" for w, *_ in lab.notes()), PATIENCE_S)
            stopped = cluster.head.pids("gcs_server")
            assert stopped
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            try:
                (lab.home / "go").touch()
                assert driver.ended(60.0) == 0, last_words(lab)
            finally:
                for pid in stopped:
                    os.kill(pid, signal.SIGCONT)
    assert ledger.check(lab, 1).problems == []
