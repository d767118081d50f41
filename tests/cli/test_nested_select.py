"""`matscout nested --select`: what is taken of each sweep, and what it scores on hidden rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from matscout.evaluate.trainer_tabular import TabularTrainer

Matscout = Callable[..., Any]
CONFIG = """
name = "few"
seed = 1
[space.parameters]
alpha = { type = "float", low = 1e-3, high = 100.0, log = true }
[[targets]]
name = "mae"
direction = "min"
[evaluator]
type = "tabular"
table = "t.csv"
predict = "y"
model = "ridge"
objective = "cv"
repeats = 2
%(more)s
[proposer]
type = "random"
[run]
trials = 5
workers = 1
fleet = "inline"
"""


def write(home: Path, more: str = "", name: str = "few.toml") -> Path:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2))
    y = x @ [3.0, 1.0] + rng.normal(size=40)
    cells = zip(x[:, 0].tolist(), x[:, 1].tolist(), y.tolist(), strict=True)
    rows = [f"{a!r},{b!r},g{k % 12},{v!r}" for k, (a, b, v) in enumerate(cells)]
    (home / "t.csv").write_text("\n".join(["a,b,g,y", *rows]) + "\n")
    path = home / name
    path.write_text(CONFIG % {"more": more or 'inputs = ["a", "b"]'})
    return path


def found(matscout: Matscout, select: str) -> dict[str, Any]:
    said = matscout("nested", "few.toml", "--outer", "2", "--select", select, "--json")
    assert said.code == 0, said.err
    whole: dict[str, Any] = json.loads(said.out)
    return whole


def test_every_rule_on_the_same_sweeps(home: Path, matscout: Matscout) -> None:
    write(home)
    each = {rule: found(matscout, rule) for rule in ("best", "average", "none", "auto")}
    plain = [fold["untuned"] for fold in each["best"]["folds"]]
    for rule, whole in each.items():
        assert [fold["untuned"] for fold in whole["folds"]] == pytest.approx(plain), rule
    none = each["none"]["folds"]
    assert all(fold["params"] == {} and fold["outer"] == fold["untuned"] for fold in none)
    assert each["none"]["gain"]["mean"] == 0
    for number, fold in enumerate(each["average"]["folds"]):
        assert fold["params"] == each["best"]["folds"][number]["params"] and len(fold["also"]) == 2
        assert fold["outer"] == pytest.approx(
            by_hand(home, number, [fold["params"], *fold["also"]])
        )
    for number, fold in enumerate(each["auto"]["folds"]):
        rule, word = ("average", "tuned: ") if fold["params"] else ("none", "tuning declined: ")
        assert fold["outer"] == each[rule]["folds"][number]["outer"]
        assert fold["why"].startswith(word)


def by_hand(home: Path, number: int, params: list[dict[str, float]]) -> float:
    """The error of the mean prediction of ridge regressions on the rows hidden from that sweep."""
    data = TabularTrainer(
        table=home / "t.csv", predict="y", inputs=("a", "b"), outer_folds=2, outer_fold=number,
        outer_judge=True,
    ).data  # fmt: skip
    ((visible, away),), x, y = data.folds, data.columns.x, data.table.target
    said = [
        make_pipeline(StandardScaler(), Ridge(one["alpha"])).fit(x[visible], y[visible])
        for one in params
    ]
    return float(np.abs(np.mean([m.predict(x[away]) for m in said], axis=0) - y[away]).mean())


def test_a_person_is_told_why(home: Path, matscout: Matscout) -> None:
    write(home, 'inputs = ["a", "b"]\ngroup = "g"\nsplit = "grouped"')
    said = matscout("nested", "few.toml", "--outer", "2", "--select", "auto")
    assert said.code == 0, said.err
    assert said.out.count("on rows that did not choose it, the mean of the best 3 of 5") == 2
    assert "of 2 outer folds" in said.out and "inner was too good by" in said.out


def test_a_trial_whose_predictions_are_damaged_is_no_candidate(
    home: Path, matscout: Matscout
) -> None:
    write(home)
    found(matscout, "average")
    (path,) = home.glob("results/runs/*outer-1*/work/trial-000002-01/predictions.csv")
    path.write_text("row,fold\n")
    folds = found(matscout, "average")["folds"]
    assert sum("without trial 2 (its" in fold["why"] for fold in folds) == 1


@pytest.mark.parametrize(
    ("select", "more", "what"),
    [
        ("averge", "", "--select: no rule is called 'averge'; did you mean 'average'?"),
        ("auto", 'objective = "robert"', "'auto' does not go with the objective 'robert'"),
        ("average", 'split = "holdout"', "'average' does not go with the split 'holdout'"),
        ("auto", 'metric = "rmse"\ntarget = "e"\nalso = ["mae"]', "judges by the trainer's metric"),
    ],
)
def test_mistakes_start_nothing(
    select: str, more: str, what: str, home: Path, matscout: Matscout
) -> None:
    path = write(home, more)
    if "objective" in more:
        path.write_text(path.read_text().replace('objective = "cv"\n', "", 1))
    said = matscout("nested", "few.toml", "--outer", "2", "--select", select)
    assert said.code == 2 and what in said.err and len(said.err.strip().splitlines()) == 1
    assert not (home / "results").exists()
