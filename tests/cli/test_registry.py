"""What the registry says of a class is what the class says."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from matscout.cli import registry
from matscout.drive.config import Part, RunTable
from matscout.errors import InputError
from matscout.fleet import ray_actors
from matscout.fleet.part import one_part
from matscout.runfolder import RunFolder
from matscout.trial import Target


@pytest.mark.parametrize("kind", sorted(registry.EVALUATORS))
def test_it_knows_which_evaluators_share_data(kind: str) -> None:
    module, _, name = registry.EVALUATORS[kind].partition(":")
    made = getattr(import_module(module), name)
    assert hasattr(made, "shared") == (kind in registry.SHARES)


def test_a_ray_fleet_has_no_evaluator_made_in_the_driver_that_shares_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would load a potential, or run a person's module, once more than there are workers."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(ray_actors, "RayFleet", lambda *words, **more: given.update(more))
    (tmp_path / "mine.py").write_text("raise RuntimeError('imported by the driver')\n")
    run = RunTable(trials=1, fleet="ray")
    part = Part.model_validate({"type": "function", "target": "mine:measure"})
    factory = registry.evaluator_factory(part, tmp_path)
    for made in (factory, partial(one_part, factory)):
        registry.fleet(run, made, (Target("y"),), RunFolder(tmp_path / "run"))
        assert given["shared"] is None
    asked = Part.model_validate({"type": "tabular", "table": "gone.csv", "predict": "y"})
    with pytest.raises(InputError):  # this one is, and reads its table
        registry.fleet(
            run, registry.evaluator_factory(asked, tmp_path), (Target("y"),), RunFolder(tmp_path)
        )
