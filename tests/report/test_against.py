"""The best model against baselines: the paired error by hand, and what is said in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import t as student

from matscout.event import Event, EventKind
from matscout.history import History
from matscout.report.against import against, against_table, lines, sentence

FOLDS = np.array([1.0, 1.2, 0.9, 1.1, 1.0])


def history(scores: np.ndarray, sem: float | None = None, direction: str = "min") -> History:
    """One trial whose reports are running means over folds, and then its mean."""
    targets = [{"name": "mae", "direction": direction, "unit": ""}]
    created = {"targets": targets, "name": "r", "kind": "sweep"}
    events = [
        Event(EventKind.CREATED, body=created),
        Event(EventKind.ASKED, 0, body={"params": {"a": 1}, "proposer": "gp", "why": {}}),
        Event(EventKind.DISPATCHED, 0, 1),
    ]
    for k in range(1, len(scores) + 1):
        body = {"step": k, "values": {"mae": float(scores[:k].mean())}}
        events.append(Event(EventKind.REPORTED, 0, 1, body))
    body = {"values": {"mae": float(scores.mean())}, "cost_s": 1.0}
    if sem is not None:
        body["sem"] = {"mae": sem}
    events.append(Event(EventKind.MEASURED, 0, 1, body))
    return History(events)


def known(scores: np.ndarray, sem: float | None = 0.1, **changes: Any) -> dict[str, Any]:
    model = {"value": float(scores.mean()), "sem": sem, "scores": scores.tolist()}
    return {
        "digest": "d", "target": "mae", "metric": "mae", "ends": 0, "ratio": 0.25,
        "models": {"linear": model}, **changes,
    }  # fmt: skip


def test_paired_folds_have_the_corrected_error() -> None:
    other = FOLDS + np.array([0.3, 0.5, 0.4, 0.2, 0.6])
    (one,) = against(history(FOLDS), known(other))
    gaps = other - FOLDS
    noise = student.ppf(0.95, 4) * gaps.std(ddof=1) * np.sqrt(1 / 5 + 0.25)
    assert one.gap == pytest.approx(0.4) and one.noise == pytest.approx(noise)
    assert one.verdict.startswith("better by 0.4") and sentence([one]) == ""
    (same,) = against(history(FOLDS), known(FOLDS + np.array([0.1, -0.1, 0.05, 0, 0])))
    assert same.verdict.startswith("no better than noise allows")
    (worse,) = against(history(FOLDS), known(FOLDS - np.array([0.3, 0.5, 0.4, 0.2, 0.6])))
    assert worse.verdict.startswith("worse by 0.4")
    (up,) = against(history(FOLDS, direction="max"), known(other))
    assert up.gap == pytest.approx(-0.4)


@pytest.mark.parametrize("why", ["epochs", "robert"])
def test_unpaired_where_the_reports_are_no_folds(why: str) -> None:
    mine = FOLDS if why == "robert" else np.array([3.0, 2.0, 1.0])
    (one,) = against(history(mine, sem=0.3), known(FOLDS + 2, sem=0.4, ends=int(why == "robert")))
    assert one.noise == pytest.approx(student.ppf(0.95, 4) * 0.5)


def test_without_any_error_nothing_is_claimed() -> None:
    (one,) = against(history(FOLDS[:1]), known(FOLDS[:1] + 1, sem=None))
    assert one.noise is None and "noise not known" in one.verdict
    (level,) = against(history(FOLDS[:1]), known(FOLDS[:1], sem=None))
    assert level.verdict == "not better" and sentence([level])


def test_nothing_to_compare() -> None:
    assert against(history(FOLDS), {}) == []
    assert against(History(), known(FOLDS)) == []
    assert against(history(FOLDS), known(FOLDS, target="rmse")) == []
    nothing = {"linear": {"value": None, "sem": None, "scores": [None] * 5}}
    assert against(history(FOLDS), known(FOLDS, models=nothing)) == []
    assert lines(history(FOLDS), {}) == [] and against_table(history(FOLDS), {}) is None


def test_what_people_read() -> None:
    said = lines(history(FOLDS), known(FOLDS + np.array([0.1, -0.1, 0, 0.25, 0])))
    assert said[0].startswith("against linear (1.09 ± 0.1): no better than noise allows (0.05, noi")
    assert said[1].startswith("beware: the best trial does not beat the untuned linear model")
    nasty = known(FOLDS)
    nasty["models"] = {"<b>\n": nasty["models"]["linear"]}
    drawn = against_table(history(FOLDS), nasty)
    assert drawn is not None and "<b>" not in drawn and "&lt;b&gt;" in drawn
    assert all("\n" not in line for line in lines(history(FOLDS), nasty))
