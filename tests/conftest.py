"""Fixtures that every folder may use."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

from matscout.runfolder import RunFolder  # noqa: E402

ROOT = Path(__file__).parents[1]

# The same examples on every machine, and no deadline: two shared cores are no stop-watch.
settings.register_profile(
    "matscout",
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("matscout")


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """The empty folder of a run, as `create` leaves it before the journal."""
    run = RunFolder(tmp_path / "run")
    run.root.mkdir(mode=0o700)
    run.outbox.mkdir(mode=0o700)
    return run


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real tables, which lie beside a developer's checkout and nowhere else."""
    path = ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("the real tables (../shared/data) are not here")
    return path


@pytest.fixture
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strategies with as many trees as ten groups need: half a second less for each forest; and
    networks that are hardly trained."""
    from matscout.propose.strategies import ensemble, named

    monkeypatch.setattr(ensemble, "MEMBERS", 2)
    monkeypatch.setattr(ensemble, "EPOCHS", 4)
    for name, make in list(named.STRATEGIES.items()):
        rule: Any = make()
        if hasattr(rule, "trees"):
            monkeypatch.setitem(named.STRATEGIES, name, partial(replace, rule, trees=10))
