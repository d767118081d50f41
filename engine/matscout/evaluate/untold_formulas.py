"""Columns of chemical formulas that nobody said are such: to a model each is a word of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matscout.data.audit_findings import toml
from matscout.data.columns import are_formulas

if TYPE_CHECKING:
    from matscout.evaluate.trainer_tabular import TabularTrainer


def untold_formulas(trainer: TabularTrainer) -> list[str]:
    """What a person should be told of them: a line, or none. A column listed under `categorical` is
    words on purpose.
    """
    told = (*trainer.formulas, *trainer.categorical)
    columns = trainer.data.table.categorical
    # The empty text stands for a missing cell.
    found = [
        name
        for name, cells in columns.items()
        if name not in told and (words := {*cells.tolist()} - {""}) and are_formulas(words)
    ]
    if not found:
        return []
    names = ", ".join(map(repr, found))
    verb = (
        "looks like chemical formulas, and is" if len(found) == 1 else "look like formulas, and are"
    )
    every = toml([*trainer.formulas, *found])
    return [f"{names} {verb} taken as words, of which a new one says nothing; to learn from"
            f" compositions, set formulas = {every}"]  # fmt: skip
