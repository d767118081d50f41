"""Which evaluators report what Wilcoxon's test compares: folds."""

from __future__ import annotations

import pytest

from matscout.cli.check_stopping import check_early_stopping
from matscout.drive.config import Part, parse_config
from matscout.errors import InputError


def check(evaluator: dict[str, object]) -> None:
    config = {"name": "a", "space": {}, "targets": [{"name": "y", "direction": "min"}]}
    rule = Part(type="wilcoxon")
    check_early_stopping(parse_config({**config, "evaluator": evaluator}), rule)


@pytest.mark.parametrize(
    "evaluator",
    [
        {"type": "tabular", "objective": "cv", "split": "holdout"},  # ten holdouts
        {"type": "tabular", "objective": "loco"},
        {"type": "tabular", "split": "stratified"},
        {"type": "function", "split": "holdout"},  # a word of its own
    ],
)
def test_what_reports_several_folds_is_taken(evaluator: dict[str, object]) -> None:
    check(evaluator)


@pytest.mark.parametrize("repeats", [{}, {"repeats": 5}])
def test_one_holdout_is_refused_however_often_it_is_repeated(repeats: dict[str, object]) -> None:
    with pytest.raises(InputError, match="a holdout is a single fold"):
        check({"type": "tabular", "split": "holdout", **repeats})
