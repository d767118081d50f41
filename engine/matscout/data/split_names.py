"""Kinds of splits by name. Light: a config is read without scikit-learn."""

from __future__ import annotations

KINDS = (
    "holdout", "kfold", "repeated", "stratified", "grouped", "repeated_stratified",
    "stratified_grouped", "leave_one_out",
)  # fmt: skip
REPEATED = {"repeated": "kfold", "repeated_stratified": "stratified"}
"""Kinds that are several splits of another kind."""

GROUPED = ("grouped", "stratified_grouped")
"""Kinds that need a group for every row, and keep it whole."""

EQUAL_INPUTS = "equal inputs"
"""In place of a column's name: rows with the same inputs are one group."""
