"""R19 as one of the promises; its seeds are played in tests/simulate."""

from __future__ import annotations

from pathlib import Path

import pytest

from matscout.cli.promises import r19_simulator as r19
from matscout.cli.promises.promise import Setting
from matscout.simulate.simulation import Result, simulate


def test_seeds_keep_every_invariant(tmp_path: Path) -> None:
    figure = r19.keep(Setting(tmp_path, 10))
    assert figure.tried == 10 and figure.holds, figure.said


def test_a_seed_that_breaks_one_is_named_with_its_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(seed: int) -> Result:
        result = simulate(seed)
        result.problems.extend(["lost: all of it"] if seed == 200_001 else [])
        return result

    monkeypatch.setattr(r19, "simulate", broken)
    figure = r19.keep(Setting(tmp_path, 2, seed=2))
    assert (figure.kept, figure.lost) == (1, 1)
    assert "matscout bench simulate --seed 200001: lost: all of it" in figure.said
