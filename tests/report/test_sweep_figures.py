"""Parallel coordinates, folds, what pruning saved, and the caps on what is drawn."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from matscout.event import Event, EventKind
from matscout.history import History
from matscout.parameter import Categorical, Float, Int, Ordinal
from matscout.report.folds import fold_scores, reports_are
from matscout.report.folds_figure import folds_figure
from matscout.report.parallel_figure import parallel_figure
from matscout.report.parameter_axis import parameter_axis
from matscout.report.parameter_figures import parameter_figures
from matscout.report.progress_figure import progress_figure
from matscout.report.pruning_cost import pruning_cost, saved
from matscout.report.record import read_record
from matscout.space import Space
from matscout.trial import Report, State, Target, Trial

SPACE = Space(
    (
        Categorical("model", ("tree", "net")),
        Float("rate", 1e-4, 1.0, True, when={"model": ("net",)}),
        Int("depth", 1, 4),
    )
)


def sweep_of(make_run: Any, values: list[float], **config: Any) -> History:
    maker = make_run(SPACE, "tuning", "sweep", **config)
    for i, value in enumerate(values):
        params: dict[str, Any] = {"model": "net" if i % 2 else "tree", "depth": 1 + i % 4}
        if i % 2:
            params["rate"] = 10.0 ** -(i % 5)
        maker.measured(maker.ask(None, params, {}), value)
    return read_record(maker.save()).history


def lines_of(drawn: str) -> list[tuple[str, str, list[tuple[float, float]]]]:
    """Class, title and corners of each line."""
    found = re.search(r"<svg viewBox.*?</svg>", drawn)
    assert found is not None
    spaced = "{http://www.w3.org/2000/svg}"
    out = []
    for line in ET.fromstring(found[0]).iter(f"{spaced}polyline"):
        corners = [tuple(map(float, p.split(","))) for p in line.attrib["points"].split()]
        out.append((line.attrib["class"], line.findtext(f"{spaced}title") or "", corners))
    return out  # type: ignore[return-value]


def test_a_line_a_trial_and_the_best_tenth_on_top(make_run: Callable[..., Any]) -> None:
    drawn = parallel_figure(SPACE, sweep_of(make_run, [float(i) for i in range(40)]))
    assert drawn is not None
    lines = lines_of(drawn)
    assert len(lines) == 40 and all(len(corners) == 4 for _, _, corners in lines)
    kinds = [class_ for class_, _, _ in lines]
    assert kinds == ["line c-band"] * 36 + ["line c-blue thin"] * 3 + ["line c-red"]
    assert lines[-1][1] == "trial 39: 39"
    best = lines[-1][2]
    assert [up for _, up in best] == sorted(up for _, up in best)
    absent = {corners[1][0] for _, title, corners in lines if int(title.split(":")[0][6:]) % 2 == 0}
    there = {corners[1][0] for _, title, corners in lines if int(title.split(":")[0][6:]) % 2}
    assert len(absent) == 1 and max(there) < min(absent) - 40
    assert "absent" in drawn and "best tenth (4 of 40)" in drawn


def test_the_log_axis_has_its_decades_evenly(make_run: Callable[..., Any]) -> None:
    drawn = parallel_figure(SPACE, sweep_of(make_run, [float(i) for i in range(40)]))
    assert drawn is not None
    places = {c[1][0] for _, title, c in lines_of(drawn) if int(title.split(":")[0][6:]) % 2}
    gaps = np.diff(sorted(places))
    assert len(gaps) == 4 and np.ptp(gaps) < 0.3


def test_many_trials_are_thinned_and_the_page_says_so(make_run: Callable[..., Any]) -> None:
    rng = np.random.default_rng(3)
    history = sweep_of(make_run, rng.normal(size=2600).tolist())
    drawn = parallel_figure(SPACE, history)
    assert drawn is not None and len(lines_of(drawn)) == 240
    assert (
        "60 of these and 180 of the others are drawn" in drawn
        and "best tenth (260 of 2600)" in drawn
    )
    panels = parameter_figures(SPACE, history)
    assert panels is not None and "of 2600 trials are drawn" in panels
    assert panels.count("<circle") <= 6100
    progress = progress_figure(history)
    assert 2000 <= progress.count("<circle") <= 2100 and "of 2600 values are drawn" in progress
    assert len(drawn) + len(panels) + len(progress) < 1_500_000


def test_lines_need_two_parameters_and_two_values(make_run: Callable[..., Any]) -> None:
    history = sweep_of(make_run, [1.0])
    assert parallel_figure(SPACE, history) is None
    assert parallel_figure(Space((Int("depth", 1, 4),)), history) is None


def test_choices_that_look_alike_have_places_of_their_own() -> None:
    _, places = parameter_axis(Categorical("c", ("1", 1, True, 1.5)), [True, 1, "1", 1.5])
    assert places == [2.0, 1.0, 0.0, 3.0]
    axis, places = parameter_axis(Ordinal("o", tuple(range(20))), [19, 0])
    assert places == [19.0, 0.0] and len(axis.ticks) <= 8


FOLDS = [[3.0, 5.0, 4.0], [2.0, 6.0, 3.0], [1.0, 1.0, 2.5]]


def trial_of(scores: list[float], told_as: str, **changes: Any) -> Trial:
    told = [float(np.mean(scores[: k + 1])) for k in range(len(scores))]
    values = scores if told_as == "fold" else told
    whole: dict[str, Any] = {
        "state": State.COMPLETE,
        "values": {"y": told[-1]},
        "reports": tuple(Report(k, {"y": v}) for k, v in enumerate(values, start=1)),
    }
    return Trial(0, {}, **(whole | changes))


@pytest.mark.parametrize("reports", ["mean", "fold"])
def test_fold_scores_are_read_back(reports: Any) -> None:
    found = fold_scores(trial_of(FOLDS[0], reports), Target("y"), reports)
    assert found is not None
    np.testing.assert_allclose(found, FOLDS[0])


def test_what_is_no_mean_of_folds_is_left_alone() -> None:
    target = Target("y")
    assert fold_scores(trial_of(FOLDS[0], "mean", values={"y": 9.0}), target) is None
    assert fold_scores(trial_of([3.0], "mean"), target) is None
    gap = (Report(1, {"y": 3.0}), Report(3, {"y": 4.0}))
    assert fold_scores(trial_of(FOLDS[0], "mean", reports=gap), target) is None
    assert fold_scores(trial_of(FOLDS[0], "mean", values={}), target) is None


def test_who_reports_folds() -> None:
    table = {"type": "tabular", "model": "svm"}
    assert reports_are({"evaluator": table}) == "mean"
    assert reports_are({"evaluator": {**table, "model": "mlp"}}) is None
    assert reports_are({"evaluator": {**table, "objective": "robert"}}) is None
    assert reports_are({"evaluator": {"type": "function"}}) is None
    assert reports_are({"early_stopping": None, "evaluator": None}) is None
    wilcoxon = {"type": "wilcoxon", "reports": "fold"}
    assert reports_are({"evaluator": {"type": "function"}, "early_stopping": wilcoxon}) == "fold"


def test_the_best_are_shown_fold_by_fold(make_run: Callable[..., Any]) -> None:
    maker = make_run(SPACE, "tuning", "sweep")
    for scores in FOLDS:
        trial = maker.ask(None, {"model": "tree", "depth": 1}, {})
        for k in range(3):
            body = {"step": k + 1, "values": {"y": float(np.mean(scores[: k + 1]))}}
            maker.events.append(Event(EventKind.REPORTED, trial, 1, body))
        maker.measured(trial, float(np.mean(scores)))
    history = read_record(maker.save()).history
    drawn = folds_figure(history, "mean")
    assert drawn is not None and drawn.count("<circle") == 9 + 1  # and one in the legend
    assert "trial 0, fold 2: 5" in drawn and "trial 2, mean: 1.5" in drawn
    assert "The best is ahead of the second on 2 of 3 folds." in drawn
    assert folds_figure(history, "fold") is None


def test_what_pruning_saved(make_run: Callable[..., Any]) -> None:
    maker = make_run(SPACE, "tuning", "sweep")
    for steps, cost in ((10, 100.0), (10, 120.0), (2, 18.0), (5, 60.0), (0, 3.0)):
        trial = maker.ask(None, {"model": "tree", "depth": 1}, {})
        for step in range(1, steps + 1):
            body: dict[str, Any] = {"step": step, "values": {"y": 1.0}}
            maker.events.append(Event(EventKind.REPORTED, trial, 1, body))
        if steps == 10:
            body = {"values": {"y": 1.0}, "cost_s": cost}
            maker.events.append(Event(EventKind.MEASURED, trial, 1, body))
        else:
            body = {"reason": "worse", "cost_s": cost}
            maker.events.append(Event(EventKind.PRUNED, trial, 1, body))
    history = read_record(maker.save()).history
    found = saved(history)
    assert found is not None and (found.known, found.pruned) == (2, 3)
    assert found.seconds == pytest.approx(18 * 4 + 60)
    assert found.share == pytest.approx(132 / (132 + 301))
    drawn = pruning_cost(history)
    assert drawn is not None
    assert (
        "Stopping 3 trials early (2 of them said how far they came) saved about 2.2 min, 30 %"
        in drawn
    )


def test_nothing_is_claimed_for_pruning_without_any(make_run: Callable[..., Any]) -> None:
    history = sweep_of(make_run, [1.0, 2.0])
    assert saved(history) is None
    drawn = pruning_cost(history)
    assert drawn is not None and "saved" not in drawn and "complete" in drawn
    assert pruning_cost(History()) is None
