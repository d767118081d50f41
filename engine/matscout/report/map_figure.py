"""A map of the candidates: measured, predicted, uncertain, failed, and what would come next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matscout.history import History
from matscout.propose.base import Forecast
from matscout.propose.observations import value_of
from matscout.propose.replicates import pooled
from matscout.report.chance import thinned
from matscout.report.markup import Markup, el, figure, number, shortened
from matscout.report.progress_figure import named
from matscout.report.projection import Places
from matscout.report.style import LEVELS
from matscout.report.svg import Axis, Canvas, legend
from matscout.space import Space
from matscout.trial import Proposal, State, Target, Trial

Array = NDArray[np.float64]

MOST = 5000
"""Candidates drawn at most; of the others every k-th stays, so that the picture is always the same."""

MOST_POINTS = 2000
"""Trials drawn at most where there is no pool."""

_WITHOUT_VALUE = (State.FAILED, State.INVALID, State.QUARANTINED, State.ABANDONED)


@dataclass(frozen=True)
class Scale:
    """Colour classes of values: v0 is the worst, v7 the best, in the target's direction."""

    low: float
    high: float
    sign: float

    @classmethod
    def over(cls, values: Array, target: Target) -> Scale:
        """Between the 2nd and the 98th percentile, so that one outlier does not take all colours."""
        known = values[np.isfinite(values)]
        low, high = np.percentile(known, [2.0, 98.0]).tolist() if len(known) else (0.0, 1.0)
        return cls(low, high, target.sign)

    def levels(self, values: Array) -> NDArray[np.int64]:
        width = (self.high - self.low) or 1.0
        share = np.nan_to_num((values - self.low) / width)
        share = share if self.sign > 0 else 1.0 - share
        return np.asarray(np.clip(np.floor(share * LEVELS), 0, LEVELS - 1).astype(np.int64))

    def ramp(self, words: str) -> Markup:
        worst, best = (self.low, self.high) if self.sign > 0 else (self.high, self.low)
        steps = [el("i", class_=f"v{i}") for i in range(LEVELS)]
        bar = el("span", steps, class_="ramp", aria_hidden="true")
        return el("div", number(worst, 3), bar, number(best, 3), f" {words}")


def pool_map(
    space: Space,
    history: History,
    found: Places,
    forecast: Forecast | None,
    proposals: tuple[Proposal, ...],
) -> Markup:
    """Every candidate (thinned beyond 5,000) where `found` puts it."""
    pool, target = space.pool, history.targets[0]
    assert pool is not None
    canvas = _canvas(found)
    tried = _tried(history, found)
    free = np.ones(len(pool), dtype=bool)
    free[list(tried)] = False
    shown = _thinned(free, MOST)
    values = [v for t in tried.values() if (v := value_of(t, target)) is not None]
    believed = forecast.mean[free] if forecast is not None else np.empty(0)
    scale = Scale.over(np.concatenate([np.array(values, dtype=float), believed]), target)
    notes = [found.told]
    if forecast is None:
        canvas.specks(*_xy(found, shown), "f-soft faint")
        notes.append("There is no prediction yet: candidates not measured are grey.")
    else:
        levels = scale.levels(forecast.mean)
        for level in range(LEVELS):
            rows = shown[levels[shown] == level]
            canvas.specks(*_xy(found, rows), f"v{level} faint")
        _mark_unsure(canvas, found, pool.ids, forecast, free)
        notes.append(f"Small squares are predictions of {forecast.rule}.")
    if free.sum() > len(shown):
        notes.append(f"{len(shown)} of the {int(free.sum())} candidates not measured are drawn.")
    _mark_trials(canvas, found, list(tried.items()), scale, target)
    _mark_next(canvas, found, [(found.row_of[c], c) for p in proposals if (c := _id(p, found))])
    unit = f"{shortened(target.name, 30)} {target.unit}".strip()
    caption = [
        scale.ramp(f"{unit} (the better, the stronger)"),
        " ",
        " ".join(notes),
        _legend(forecast),
    ]
    told = f"{len(values)} measured candidates among {len(pool)}. " + " ".join(notes)
    return figure(canvas.svg("map", "Map of the candidates", told), caption, beside=True)


def point_map(history: History, found: Places, proposals: int) -> Markup:
    """Points of a space without a pool: the trials, then the `proposals` last rows of `found`."""
    target = history.targets[0]
    canvas = _canvas(found)
    values = [v for t in history.completed if (v := value_of(t, target)) is not None]
    scale = Scale.over(np.array(values, dtype=float), target)
    rows = list(enumerate(history.trials))
    kept = [rows[i] for i in (thinned(len(rows), MOST_POINTS) - 1).tolist()]
    _mark_trials(canvas, found, kept, scale, target)
    few = f" {len(kept)} of {len(rows)} trials are drawn." if len(kept) < len(rows) else ""
    words = f"{found.told}{few}"
    first = len(history.trials)
    _mark_next(canvas, found, [(first + i, f"proposal {i + 1}") for i in range(proposals)])
    caption = [
        scale.ramp(f"{target.name} (the better, the stronger)"),
        " ",
        words,
        _legend(None),
    ]
    told = f"{len(values)} measured points. {words}"
    return figure(canvas.svg("map", "Map of the points tried", told), caption, beside=True)


def _tried(history: History, found: Places) -> dict[int, Trial]:
    """What there is to show of each candidate that was asked for, by row: its mean over all trials,
    or the last trial of one without a value."""
    asked = {found.row_of[c]: t for t in history.asked_for if (c := _id(t, found))}
    known = {found.row_of[c]: t for t in pooled(history.completed) if (c := _id(t, found))}
    return asked | known


def _id(chosen: Trial | Proposal, found: Places) -> str:
    """Its candidate, if that is on the map."""
    return chosen.candidate if chosen.candidate in found.row_of and chosen.candidate else ""


def _canvas(found: Places) -> Canvas:
    x = Axis.over(found.xy[:, 0], found.x)
    return Canvas(x, Axis.over(found.xy[:, 1], found.y), 460, 360)


def _xy(found: Places, rows: NDArray[np.int64]) -> tuple[Array, Array]:
    place = found.xy[rows]
    place = place[np.isfinite(place).all(axis=1)]
    return place[:, 0], place[:, 1]


def _thinned(free: NDArray[np.bool_], most: int) -> NDArray[np.int64]:
    rows = np.flatnonzero(free)
    if len(rows) <= most:
        return rows
    return rows[np.unique(np.linspace(0, len(rows) - 1, most).round().astype(np.int64))]


def _mark_unsure(
    canvas: Canvas,
    found: Places,
    ids: tuple[str, ...],
    forecast: Forecast,
    free: NDArray[np.bool_],
) -> None:
    """The candidates of largest sd: one in fifty, three at least, twenty at most."""
    rows = np.flatnonzero(free)
    count = min(len(rows), max(3, min(20, len(rows) // 50)))
    for row in rows[np.argsort(-forecast.sd[rows], kind="stable")[:count]].tolist():
        if np.isfinite(found.xy[row]).all():
            title = f"{ids[row]}: {number(forecast.mean[row])} ± {number(forecast.sd[row], 2)}"
            x, y = found.xy[row].tolist()
            canvas.diamond(x, y, "unsure", f"uncertain: {title}")


def _mark_trials(
    canvas: Canvas, found: Places, rows: list[tuple[int, Trial]], scale: Scale, target: Target
) -> None:
    for row, trial in rows:
        place = found.xy[row]
        if not np.isfinite(place).all():
            continue
        value = value_of(trial, target)
        x, y = place.tolist()
        if value is not None:
            level = int(scale.levels(np.array([value]))[0])
            canvas.dot(x, y, f"measured v{level}", f"{named(trial)}: {number(value)}", r=5)
        elif trial.state in _WITHOUT_VALUE:
            canvas.cross(x, y, "c-red", f"{trial.state.value}: {named(trial)}: {trial.reason}")
        elif trial.open:
            canvas.dot(x, y, "line c-blue", f"open: {named(trial)}", r=6)


def _mark_next(canvas: Canvas, found: Places, rows: list[tuple[int, str]]) -> None:
    for place, (row, name) in enumerate(rows, start=1):
        if np.isfinite(found.xy[row]).all():
            x, y = found.xy[row].tolist()
            canvas.dot(x, y, "next", f"next, {place}: {name}", r=8)


def _legend(forecast: Forecast | None) -> Markup:
    entries = [
        ("dot", "measured v5", "measured"),
        ("cross", "c-red", "failed, invalid or abandoned"),
    ]
    if forecast is not None:
        entries.append(("diamond", "unsure", "among the most uncertain"))
    entries += [("ring", "next", "next"), ("ring", "line c-blue", "open")]
    return legend(entries)
