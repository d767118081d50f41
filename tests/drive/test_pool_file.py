"""A run's folder keeps what its features are; folders from before kinds still open."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from matscout.drive.policy import Policy
from matscout.drive.run import RunSpec, _space, create, load
from matscout.pool import Pool
from matscout.runfolder import RunFolder
from matscout.space import Space
from matscout.trial import Target


@pytest.mark.parametrize("kinds", [{}, {"f": "formula"}])
def test_kinds_come_back(tmp_path: Path, kinds: dict[str, str]) -> None:
    pool = Pool(("a", "b"), {"f": ("NaCl", "KCl"), "x": (1.0, 2.0)}, ("x", *kinds), kinds)
    run = RunFolder(tmp_path / "run")
    create(run, RunSpec("run", "campaign", Space(pool=pool), (Target("y"),), Policy(trials=1)))
    assert load(run)[1].space.pool == pool
    assert ("kinds" in json.loads(run.pool.read_bytes())) == bool(kinds)


def test_a_pool_file_without_kinds(folder: RunFolder) -> None:
    old = {"ids": ["a"], "columns": {"x": [1.0]}, "features": ["x"]}
    folder.pool.write_text(json.dumps(old))
    digest = hashlib.sha256(folder.pool.read_bytes()).hexdigest()
    pool = _space(folder, {"pool": {"file": "pool.json", "sha256": digest}}).pool
    assert pool == Pool(("a",), {"x": (1.0,)}, ("x",))
