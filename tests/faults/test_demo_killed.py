"""The main job, killed with SIGKILL at ten random moments and resumed after each (R1, R2, R5)."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from matscout.drive.run import load
from matscout.event import EventKind
from matscout.history import History
from matscout.journal import Journal
from matscout.propose.gp import GpProposer
from matscout.runfolder import RunFolder
from matscout.seeds import ask_seed
from matscout.trial import State

# Makes every process that loads the oracle keep a ledger of its own, behind matscout's back.
SITECUSTOMIZE = """
import importlib.abc
import importlib.util
import os
import sys

class Ledger(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "matscout.evaluate.chgnet_oracle":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            evaluate = module.ChgnetOracle.evaluate

            def with_ledger(self, params, context):
                for said in evaluate(self, params, context):
                    ledger = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
                    os.write(ledger, f"{context.candidate}\\n".encode())
                    os.close(ledger)
                    yield said

            module.ChgnetOracle.evaluate = with_ledger

        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Ledger())
"""

SLOTS = 2


def start(home: Path, *words: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(home), "LEDGER": str(home / "ledger.txt")}
    return subprocess.Popen(
        [sys.executable, "-m", "matscout", *words],
        cwd=home,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_ten_kills_lose_and_double_nothing(tmp_path: Path, seed: int) -> None:
    pytest.importorskip("chgnet")
    (tmp_path / "sitecustomize.py").write_text(SITECUSTOMIZE)
    draw = random.Random(seed)
    folder = RunFolder(tmp_path / "results" / "runs" / "demo")
    words = ["demo", "--seed", str(seed), "--json"]
    kills = 0
    while True:
        process = start(tmp_path, *words)
        try:
            # The first seconds bring Ray up; an experiment takes a fraction of one.
            out, _ = process.communicate(timeout=draw.uniform(2, 16) if kills < 10 else None)
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
        if folder.journal.is_file():
            words = ["resume", "demo", "--json"]
    print(f"{kills} kills")
    assert process.returncode == 0, out
    found = json.loads(out[out.index("{\n") :])
    assert found["experiments"] == 40

    history, spec = load(folder)
    ledger = Counter((tmp_path / "ledger.txt").read_text().split())
    measured = Counter(str(t.candidate) for t in history.completed)
    assert measured == ledger, "lost or doubled"
    assert all(not t.replicates for t in history.trials)
    assert history.count(State.COMPLETE, State.FAILED) == 40

    # What was asked is what an unbroken run asks: at each ask the same number was pending, and the
    # proposer, given the history up to there, says the same again.
    proposer = GpProposer(startup=10)
    so_far = History()
    with Journal.read_only(folder) as journal:
        for event in journal.read():
            if event.kind is EventKind.ASKED:
                assert event.trial is not None
                assert len(so_far.finished) == max(0, event.trial - (SLOTS - 1))
                again = proposer.propose(
                    spec.space, so_far, 1, seed=ask_seed(spec.seed, event.trial)
                )
                assert again[0].candidate == event.body["candidate"], event.trial
            so_far.apply(event)
