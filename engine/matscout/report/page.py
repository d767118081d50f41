"""One self-contained HTML page about a run: no scripts, nothing remote, everything escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matscout.errors import InputError
from matscout.goal import GOALS
from matscout.propose.front import front_of
from matscout.propose.observations import best_of, count_of
from matscout.report.against import against_table
from matscout.report.calibration_figure import reliability_figure, rounds_table, surprise_figure
from matscout.report.calibration_table import LEVEL, by_block, calibration, predictions
from matscout.report.folds import reports_are
from matscout.report.folds_figure import folds_figure
from matscout.report.front_table import front_table, limits_note
from matscout.report.fronts import broken, shows_front
from matscout.report.importance_figure import importance_figure
from matscout.report.map_figure import point_map, pool_map
from matscout.report.markup import Markup, counted, el, join, number, shortened
from matscout.report.outlook import Outlook
from matscout.report.parallel_figure import parallel_figure
from matscout.report.parameter_figures import parameter_figures
from matscout.report.progress_figure import finds_figure, measured, named, progress_figure
from matscout.report.projection import places
from matscout.report.pruning_cost import pruning_cost
from matscout.report.record import Record
from matscout.report.retuning import retuning
from matscout.report.style import STYLE
from matscout.report.tables import (
    advice_table,
    best_table,
    cost_table,
    next_tables,
    origin_table,
    trouble_tables,
    with_error,
)
from matscout.trial import State, Value

GENERATOR = "matscout report"
"""By its generator a page of ours is known, which may be written anew."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Should anything ever slip through the escaping, the browser still runs and loads nothing."""


@dataclass(frozen=True)
class View:
    """What the reader chose: the map's columns, and when the page was made, in words."""

    made: str
    x: str | None = None
    y: str | None = None
    driver: str = ""


def page(record: Record, outlook: Outlook, view: View) -> str:
    """The whole page. A function of its arguments: the same run and date give the same bytes."""
    sections = [
        ("progress", "Progress", _progress(record, outlook)),
        ("found", "What was found", _found(record)),
        ("next", "What comes next", _next(record, outlook)),
        ("candidates", "Map", _map(record, outlook, view)),
        ("importance", "Which parameters matter?", _importance(record)),
        ("parameters", "Parameters", parameter_figures(record.spec.space, record.history)),
        ("parallel", "Parameters together", _parallel(record)),
        ("folds", "Fold by fold", _folds(record)),
        ("calibration", "Were the predictions right?", _calibration(record)),
        ("retuning", "Was the model re-tuned?", retuning(record.history)),
        ("stopping", "Is it time to stop?", advice_table(outlook, record)),
        ("trouble", "What went wrong", _trouble(record)),
        ("costs", "Costs and times", _costs(record)),
        ("origin", "Provenance", origin_table(record)),
    ]
    shown = [(key, name, body) for key, name, body in sections if body is not None]
    links = [el("li", el("a", name, href=f"#{key}")) for key, name, _ in shown]
    body = [
        el(
            "header",
            _head(record, outlook, view),
            el("nav", el("ul", links), aria_label="Sections"),
        ),
        el("main", [_section(key, name, part) for key, name, part in shown]),
        el(
            "footer",
            f"Made by {GENERATOR} on {view.made}. No scripts, nothing loaded from elsewhere.",
        ),
    ]
    title = f"{record.spec.name}: a matscout {record.spec.kind}"
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="generator", content=GENERATOR),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", title),
        el("style", Markup(STYLE)),
    )
    return f"<!DOCTYPE html>\n{el('html', head, el('body', body), lang='en')}\n"


def _section(key: str, name: str, body: Markup) -> Markup:
    return el(
        "section",
        el("h2", name, id=f"{key}-heading"),
        body,
        id=key,
        aria_labelledby=f"{key}-heading",
    )


def _head(record: Record, outlook: Outlook, view: View) -> list[Markup]:
    history, spec = record.history, record.spec
    shown = history.targets if shows_front(spec.space, history) else history.targets[:1]
    ways = ["maximise" if target.sign > 0 else "minimise" for target in shown]
    aim = ", ".join(f"{way} {target.name}" for way, target in zip(ways, shown, strict=True))
    kind = "Campaign" if spec.kind == "campaign" else "Sweep"
    over = (
        f"{len(spec.space.pool):,} candidates".replace(",", "\u202f")
        if spec.space.pool is not None
        else counted(len(spec.space.parameters), "parameter", "parameters")
    )
    after = f" Goal: {GOALS[outlook.goal.kind]}." if spec.kind == "campaign" else ""
    if view.driver:
        state = f"Running now ({view.driver})."
    elif history.stopped:
        state = f"Stopped: {history.stopped}."
    else:
        state = "Not running." if history.trials else "Nothing has been asked yet."
    return [
        el("h1", spec.name),
        el("p", f"{kind} over {over}: {aim}.{after} {state}", class_="soft"),
        el("ul", _tiles(record, outlook), class_="tiles"),
    ]


def _tiles(record: Record, outlook: Outlook) -> list[Markup]:
    history = record.history
    target = history.targets[0]
    trials, y = measured(history)
    done = len(trials) + broken(history)
    tiles = [(str(done), f"measured, of a budget of {record.spec.policy.trials}")]
    if history.limits:
        tiles.append((str(len(trials)), "feasible: they keep every limit"))
    if trials and shows_front(record.spec.space, history):
        tiles.append((str(len(front_of(history))), "on the front: none betters them"))
    elif trials:
        best = best_of(history)
        assert best is not None
        count = count_of(best, target)
        often = f", mean of {count}" if count > 1 else ""
        tiles.append(
            (
                f"{with_error(best, target)} {target.unit}".strip(),
                f"best {target.name}: {named(best)}{often}",
            )
        )
    goal = outlook.goal
    if goal.kind in ("threshold", "rare") and goal.threshold is not None:
        hits = int((target.sign * y >= target.sign * goal.threshold).sum())
        tiles.append(
            (str(hits), f"pass the limit of {number(goal.threshold)} {target.unit}".rstrip())
        )
    whole = calibration(predictions(history))
    if whole is not None:
        tiles.append(
            (f"{100 * whole.coverage:.0f} %", f"inside their {100 * LEVEL:.0f} % interval")
        )
    without = history.count(State.FAILED, State.INVALID, State.QUARANTINED, State.ABANDONED)
    tiles.append((str(without), "ended without a value"))
    tiles.append((str(len(history.pending)), "open"))
    return [
        el("li", el("b", shortened(big, 40)), el("span", shortened(small, 80)))
        for big, small in tiles
    ]


def _progress(record: Record, outlook: Outlook) -> Markup:
    if not record.history.completed:
        return el("p", "Nothing has been measured yet.")
    if not measured(record.history)[0]:
        return el("p", "No measured trial keeps the limits yet.")
    finds = finds_figure(record.history, outlook.goal)
    drawn = [progress_figure(record.history)]
    if finds is None:
        return join(drawn)
    return join([*drawn, finds])


def _found(record: Record) -> Markup:
    if not record.history.completed:
        return el("p", "Nothing has been measured yet.")
    several = shows_front(record.spec.space, record.history)
    kept = limits_note(record.history)
    found = front_table(record.history) if several else best_table(record)
    beside = against_table(record.history, record.baselines)
    return join([part for part in (kept, found, beside) if part is not None])


def _next(record: Record, outlook: Outlook) -> Markup:
    parts: list[Markup] = next_tables(record, outlook)
    if outlook.note:
        parts.append(el("p", outlook.note, class_="bad"))
    if not parts:
        parts.append(el("p", "Nothing is open, and nothing is left to ask for."))
    return join(parts)


def _map(record: Record, outlook: Outlook, view: View) -> Markup | None:
    space, history = record.spec.space, record.history
    if space.pool is not None:
        try:
            found = places(space, (), view.x, view.y)
        except InputError as error:  # of a feature that cannot be read; axes were checked before
            return el("p", f"No map: {error}.")
        if found is None:
            return el("p", "There are no two features that vary: no map can be drawn.")
        return pool_map(space, history, found, outlook.forecast, outlook.next)
    points: Sequence[Mapping[str, Value]] = [
        *(t.params for t in history.trials),
        *(p.params for p in outlook.next),
    ]
    found = places(space, points, view.x, view.y)
    return point_map(history, found, len(outlook.next)) if found is not None else None


def _importance(record: Record) -> Markup | None:
    sweep = record.spec.kind == "sweep"
    return importance_figure(record.spec.space, record.history) if sweep else None


def _parallel(record: Record) -> Markup | None:
    sweep = record.spec.kind == "sweep"
    return parallel_figure(record.spec.space, record.history) if sweep else None


def _folds(record: Record) -> Markup | None:
    reports = reports_are(record.spec.config)
    return folds_figure(record.history, reports) if reports is not None else None


def _costs(record: Record) -> Markup:
    spent = pruning_cost(record.history) if record.spec.kind == "sweep" else None
    return cost_table(record) if spent is None else join([cost_table(record), spent])


def _calibration(record: Record) -> Markup:
    made = predictions(record.history)
    whole = calibration(made)
    if whole is None:
        return el(
            "p",
            f"{len(made)} measurements had been predicted when they were asked for:"
            " too few to judge. Starting points and proposers without a model predict nothing.",
        )
    off = whole.high < LEVEL or whole.low > LEVEL
    parts = [
        el("p", whole.sentence(), class_="bad" if off else None),
        el(
            "p",
            "Each prediction is the one made when the experiment was asked for, with what was then"
            " pending taken to come out as expected. Where no interval was recorded, it is the belief"
            " about the noise-free value, widened by the standard error of the measurement if known.",
            class_="soft small",
        ),
        el("div", surprise_figure(made), reliability_figure(made, whole), class_="pair"),
    ]
    rounds = by_block(made)
    if len(rounds) > 1:
        parts.append(rounds_table(rounds))
    return join(parts)


def _trouble(record: Record) -> Markup:
    parts = trouble_tables(record)
    return join(parts) if parts else el("p", "Nothing failed, crashed or was abandoned.")
