"""Crystal-graph networks that learn several numbers at once, not all of them known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from matscout.checkpoint import CheckpointStore
from matscout.data.structures import structure_to_dict
from matscout.errors import InputError
from matscout.evaluate.base import Context
from matscout.evaluate.crystal_networks import Networks
from matscout.evaluate.crystal_source import compositions
from matscout.evaluate.trainer_crystal import CrystalGraphTrainer
from matscout.trial import Measurement, Target

SMALL = {
    "atom_features": 8, "convolutions": 1, "head_features": 8, "gaussians": 8,
    "cutoff_angstrom": 5.0, "batch_size": 8, "lr": 0.03,
}  # fmt: skip
KNOWN = 24


def write(path: Path, salts: Any, **more: Any) -> Path:
    """64 crystals; `y` = 1 - 2 worth is known of the first 24, `worth` of all but every fifth."""
    lines = []
    for k, (structure, worth) in enumerate(zip(salts.structures, salts.worth, strict=True)):
        record: dict[str, Any] = {"id": f"c{k}", "structure": structure_to_dict(structure)}
        record |= {"y": 1.0 - 2.0 * worth} if k < KNOWN else {}
        record |= {"worth": None if k % 5 == 0 else more.get("lies", {}).get(k, worth)}
        lines.append(json.dumps(record))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def table(salts: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("tasks") / "table.jsonl", salts)


def trainer(table: Path, **options: Any) -> CrystalGraphTrainer:
    chosen = {"epochs": 2, "also_predict": ["worth"], "hyperparameters": SMALL, **options}
    return CrystalGraphTrainer(structures=table, predict="y", **chosen)


def measured(one: CrystalGraphTrainer, **context: Any) -> Measurement:
    *_, last = one.evaluate(context.pop("params", {}), Context(**context))
    assert isinstance(last, Measurement)
    return last


def test_a_number_that_many_have_helps_one_that_few_have(table: Path, salts: Any) -> None:
    one = trainer(table, epochs=12, fraction=0.5)
    both = measured(one, seed=1)
    one.check_targets([Target("mae", "min"), Target("mae.worth", "min")])
    assert len(one.data.folds[0][0]) == 12 + 40 and len(one.data.folds[0][1]) == 12
    alone = CrystalGraphTrainer(
        structures=salts.few, epochs=12, fraction=0.5, hyperparameters=SMALL
    )
    assert [list(f[1]) for f in alone.data.folds] == [list(f[1]) for f in one.data.folds]
    assert both.values["mae"] < 0.6 * measured(alone, seed=1).values["mae"]
    assert both.values["mae.worth"] < np.abs(salts.worth).mean()


def test_no_number_of_a_crystal_that_judges_is_learned(
    table: Path, salts: Any, tmp_path: Path
) -> None:
    one = trainer(table)
    (_, judge), *_ = one.data.folds
    honest = measured(one, seed=2)
    lies = write(tmp_path / "lies.jsonl", salts, lies={int(k): 1e6 for k in judge})
    other = measured(trainer(lies), seed=2)
    assert other.values["mae"] == honest.values["mae"]
    assert other.values["mae.worth"] > 1e5 > honest.values["mae.worth"]


def test_groups_stay_together_whatever_is_known_of_them(salts: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "table.jsonl", salts)
    lines = path.read_text().splitlines()
    again = [
        json.dumps({**json.loads(line), "id": f"d{k}", "y": None}) for k, line in enumerate(lines)
    ]
    path.write_text("\n".join([*lines, *again]) + "\n")
    for split, apart in (("grouped", True), ("kfold", False)):
        data = trainer(path, split=split, folds=3).data
        names = compositions(data.crystals.structures)
        met = [bool(set(names[train]) & set(names[judge])) for train, judge in data.folds]
        assert met == [not apart] * 3


@pytest.mark.parametrize("surgery", ["none", "pcgrad"])
def test_killed_it_goes_on_bit_for_bit(surgery: str, table: Path, tmp_path: Path) -> None:
    one = trainer(table, epochs=3, hyperparameters={**SMALL, "surgery": surgery})
    whole = measured(one, seed=3)
    store, calls = CheckpointStore(tmp_path), iter([False] * 11)
    stopped = Context(seed=3, checkpoints=store, should_stop=lambda: next(calls, True))
    assert not any(isinstance(got, Measurement) for got in one.evaluate({}, stopped))
    assert measured(one, seed=3, checkpoints=store) == whole
    other = {"surgery": {"none": "pcgrad", "pcgrad": "none"}[surgery]}
    assert measured(one, seed=3, params=other) != whole


def test_a_config_reaches_it(table: Path, salts: Any) -> None:
    from matscout.cli.registry import evaluator

    options = {
        "structures": table.name, "predict": "y", "also_predict": ["worth"], "epochs": 2,
        "source": str(salts.many), "hyperparameters": dict(SMALL),
    }  # fmt: skip
    assert evaluator("crystal_graph", options, str(table.parent)) == trainer(
        table, source=salts.many
    )
    with pytest.raises(InputError, match="also_predict"):
        evaluator("crystal_graph", {**options, "also_predict": [1]}, str(table.parent))


def test_heads_are_apart_and_the_body_is_shared(table: Path, salts: Any) -> None:
    one = trainer(table, source=salts.many, source_predict="target", epochs=3)
    fold = Networks(one, one.data, {**SMALL, "source_epochs": 1}, 0, torch.device("cpu")).fold(0)
    for _ in range(3):
        for _ in fold.fit.run_epoch():
            pass
    names = fold.fit.network.state_dict()  # type: ignore[attr-defined]
    assert {n.split(".")[2] for n in names if n.startswith("head.each.")} == {"0", "1"}
    assert fold.fit.outputs(fold.judge).shape == (len(fold.judge), 2)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"also_predict": []}, 'line 25: no target "y"'),
        ({"also_predict": ["wort"]}, 'no crystal has a "wort"'),
        ({"also_predict": ["worth", "worth"]}, "trainer.also_predict: names a number twice"),
        ({"also_predict": ["y"]}, "names a number twice"),
        ({"also_predict": "worth"}, "trainer.also_predict: must be a list of names, got 'worth'"),
        ({"task": "classification"}, "trainer.also_predict: is for numbers"),
        ({"uncertain": True}, "trainer.also_predict: goes with no stated uncertainty"),
        ({"hyperparameters": {"batches": "balanced"}}, "params.batches: 'balanced' goes by"),
        (
            {"hyperparameters": {"surgery": "PCGrad"}},
            "'PCGrad' is not a choice; known here: none, pcgrad",
        ),
    ],
)
def test_mistakes_are_one_line(options: dict[str, Any], what: str, table: Path) -> None:
    with pytest.raises(InputError, match=what) as caught:
        measured(trainer(table, **options))
    assert "\n" not in str(caught.value)


def test_a_number_that_nobody_can_learn_or_judge_is_refused(salts: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "table.jsonl", salts)
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for kept, what in (
        (lambda k: k >= KNOWN, "no crystal that judges has a 'worth'"),
        (lambda k: k in (1, 2), "fold 0 trains on . values of 'worth'"),
    ):
        lines = [json.dumps(r | ({} if kept(k) else {"worth": ""})) for k, r in enumerate(records)]
        path.write_text("\n".join(lines))
        with pytest.raises(InputError, match=what):
            _ = trainer(path, split="kfold", folds=2).data
