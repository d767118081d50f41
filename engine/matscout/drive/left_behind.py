"""The predictions that a trial has left in its folder. A file that is cut or damaged counts as none."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matscout.bounded_read import read_bounded
from matscout.runfolder import RunFolder
from matscout.trial import Trial

Array = NDArray[np.float64]
Predictions = tuple[Array, Array, Array]
"""Rows, truths and predictions of all judged rows, (n,) each, fold after fold."""

FILE = "predictions.csv"
_SHOWN = 5


def read_predictions(path: Path) -> Predictions:
    """OSError where there is no such file, ValueError for one that is cut or none of ours."""
    text = read_bounded(path).decode()
    if not text.endswith("\n"):
        raise ValueError("the last line is cut")
    try:
        lines = list(csv.DictReader(text.splitlines(), strict=True))
        row, truth, guess = (
            np.array([float(line[name]) for line in lines])
            for name in ("row", "truth", "prediction")
        )
    except (KeyError, TypeError, csv.Error) as error:
        raise ValueError(f"no table of predictions ({error!s:.80})") from None
    if not len(row) or not np.isfinite([row, guess]).all():
        raise ValueError("no rows, or no numbers of them")
    return row, truth, guess


def left_by(folder: RunFolder, trial: Trial) -> Predictions | None:
    """What the trial has left, or None where nothing can be read."""
    if not trial.answered:
        return None
    try:
        return read_predictions(predictions_of(folder, trial))
    except (OSError, ValueError):
        return None


def whole_ones(
    folder: RunFolder, trials: Sequence[Trial]
) -> tuple[list[tuple[Trial, Predictions]], str]:
    """The trials whose predictions are there to the last row, and of the targets that the others' are
    of, with these; and of the rest a clause for a person, empty where there is none.
    """
    found = [(trial, left) for trial in trials if (left := left_by(folder, trial)) is not None]
    # All trials of a sweep are judged by the same rows: what most of them speak of, and the longer of
    # two, for a file that was cut at the end of a line says less.
    counts = Counter(_about(left) for _, left in found)
    usual = max(counts, key=lambda about: (counts[about], len(about[0])), default=None)
    whole = [(trial, left) for trial, left in found if _about(left) == usual]
    kept = {trial.id for trial, _ in whole}
    return whole, _without([trial.id for trial in trials if trial.id not in kept])


def predictions_of(folder: RunFolder, trial: Trial) -> Path:
    return folder.work(trial.id, trial.answered[0]) / FILE


def _about(left: Predictions) -> tuple[bytes, bytes]:
    rows, truth, _ = left
    return rows.tobytes(), truth.tobytes()


def _without(missing: Sequence[int]) -> str:
    if not missing:
        return ""
    several = len(missing) > 1
    more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    named = ", ".join(map(str, missing[:_SHOWN])) + more
    whose = "their" if several else "its"
    return f", without trial{'s' * several} {named} ({whose} {FILE} is missing or damaged)"
