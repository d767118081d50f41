"""Objectives of the tabular trainer by name. Light: a config is read without scikit-learn."""

from __future__ import annotations

OBJECTIVES = {
    "split": "the mean over the folds of `split`",
    "cv": "the mean over `repeats` different splits",
    "robert": "half repeated CV, half the worse end fold of a target-sorted CV",
    "loco": "the mean over clusters of the inputs, each left out once",
    "sorted": "the mean over blocks of the sorted target, each after training on those before",
    "time": "the mean over blocks of later rows, each after training on those before",
}
REPEATED = ("cv", "robert")
REPEATS = 10
"""What `repeats` is for these, unless said: ROBERT's number."""
