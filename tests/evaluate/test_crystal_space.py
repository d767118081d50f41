"""Values of a space with which no crystal-graph network could be trained, told before the first trial."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from matscout.cli.assemble import spec_from_dict
from matscout.data.pools import ready_space
from matscout.errors import InputError
from matscout.evaluate.trainer_crystal import CrystalGraphTrainer
from matscout.space import Space

KINDS = {"type": "categorical", "choices": ["deep_ensemble", "dropout"]}
RATE = {"type": "float", "low": 0.0, "high": 0.3}
LR = {"type": "float", "low": 1e-3, "high": 1e-2}
STAGES = {"type": "categorical", "choices": ["two_stage", "scratch"]}


def refused(options: dict[str, Any], parameters: dict[str, Any]) -> str:
    with pytest.raises(InputError) as caught:
        space = Space.from_dict({"parameters": parameters})
        CrystalGraphTrainer(**options).check_space(space)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("options", "parameters", "what"),
    [
        ({"uncertain": True}, {"uncertainty": KINDS}, "params.dropout: is 0"),
        ({"uncertain": True}, {"uncertainty": KINDS, "dropout": RATE}, "params.dropout: is 0"),
        (
            {"uncertain": True, "hyperparameters": {"uncertainty": "dropout"}},
            {"lr": LR},
            "params.dropout: is 0",
        ),
        (
            {"uncertain": True},
            {"weights": {"type": "categorical", "choices": ["none", "lds"]}},
            "params.weights: 'lds' weighs rows",
        ),
        ({"source": True, "epochs": 1}, {"transfer": STAGES}, "two stages take two epochs"),
        ({}, {"lr": {**LR, "high": 20.0}}, "space.parameters.lr: 1e-08 <= value <= 10.0"),
        ({}, {"lr": {**LR, "low": 0.0}}, "space.parameters.lr: 1e-08 <= value <= 10.0"),
        (
            {},
            {"norm": {"type": "categorical", "choices": ["batch", "layer"]}},
            "space.parameters.norm: 'layer' is not a choice",
        ),
        (
            {"hyperparameters": {"batch_size": 1}},
            {"lr": LR},
            "trainer.hyperparameters.batch_size: 2 <= value",
        ),
    ],
)
def test_refused(
    options: dict[str, Any], parameters: dict[str, Any], what: str, salts: Any
) -> None:
    beside = {"source": salts.many} if options.get("source") else {}
    assert what in refused({"structures": salts.few, **options, **beside}, parameters)


def test_the_ready_spaces_are_not(salts: Any) -> None:
    for name, options in (
        ("crystal_graph", {}),
        ("crystal_uncertain", {"uncertain": True}),
        ("crystal_transfer", {"source": salts.many, "epochs": 2}),
    ):
        one = CrystalGraphTrainer(structures=salts.few, **options)  # type: ignore[arg-type]
        one.check_space(Space.from_toml(ready_space(name).read_text()))


def test_a_range_that_begins_above_0_is_not(salts: Any) -> None:
    space = {"uncertainty": KINDS, "dropout": {**RATE, "low": 0.05}}
    one = CrystalGraphTrainer(structures=salts.few, uncertain=True)
    one.check_space(Space.from_dict({"parameters": space}))


def test_a_config_is_refused_before_there_is_a_run(salts: Any, tmp_path: Path) -> None:
    raw = {
        "name": "sure",
        "space": {"parameters": {"uncertainty": KINDS}},
        "targets": [{"name": "mae", "direction": "min"}],
        "evaluator": {
            "type": "crystal_graph", "structures": str(salts.few), "uncertain": True, "epochs": 1
        },
    }  # fmt: skip
    with pytest.raises(InputError, match="MC dropout needs a rate above 0"):
        spec_from_dict(raw, "sweep", {}, tmp_path / "sure.toml", "")
