"""The rows that a sweep of the recipe may see, and in how many folds it may judge by them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from matscout.cli import registry
from matscout.data.audit import Audit, audit
from matscout.data.split_names import GROUPED
from matscout.data.splits import most_folds
from matscout.drive.recipe_plan import Question
from matscout.errors import InputError
from matscout.evaluate.tabular_data import TabularData
from matscout.evaluate.trainer_tabular import TabularTrainer

_FEWEST = 2


def trainer_of(options: Mapping[str, Any]) -> TabularTrainer:
    """The evaluator `tabular` with these options; relative paths start here."""
    made = registry.evaluator("tabular", dict(options), str(Path.cwd()))
    assert isinstance(made, TabularTrainer)
    return made


def audited(question: Question, rows: np.ndarray | None = None) -> Audit:
    return audit(
        question.table, target=question.target, formula=question.formula or None,
        structure=question.structures or None, rows=rows,
    )  # fmt: skip


def visible(question: Question, options: Mapping[str, Any]) -> TabularData:
    """The rows that are not hidden, in the fewest folds. InputError, with what a person can do, where
    a class or the groups are too few for these."""
    try:
        return trainer_of({**options, "folds": _FEWEST}).data
    except InputError as error:
        if error.where != "split":
            raise
        hidden = (
            f", of which --outer {question.outer} hides each part in turn and {_FEWEST} more judge"
        )
        what = f"too few rows or groups{hidden}: {error.what}"
        mend = "bring more of them, put them into another class or group, or try another --outer"
        raise InputError(str(question.table), what, mend) from None


def folds_of(wanted: int, data: TabularData, split: str) -> int:
    """`wanted`, or as many folds as the rows allow by that split, if these are fewer."""
    labels = data.table.target if split.startswith("stratified") and data.table.classes else None
    groups = data.groups if split in GROUPED else None
    return max(min(wanted, most_folds(len(data.rows), labels, groups)), _FEWEST)
