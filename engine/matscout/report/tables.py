"""The page's tables: finds, recommendations, failures, costs and provenance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from statistics import median

from matscout.drive.rounding import rounded_together
from matscout.propose.observations import count_of, sem_of, value_of
from matscout.propose.replicates import pooled
from matscout.propose.retune_record import RETUNED
from matscout.report.markup import Markup, counted, el, number, shortened, table
from matscout.report.outlook import Outlook
from matscout.report.progress_figure import measured, named
from matscout.report.record import Record
from matscout.trial import Proposal, State, Target, Trial, Value

BEST = 10
WRONG = 50
"""Rows at most in the two longest tables; the whole is in `matscout export`."""

_ENDED_BADLY = (
    State.FAILED,
    State.INVALID,
    State.QUARANTINED,
    State.ABANDONED,
    State.NEEDS_ATTENTION,
)


def moment(seconds: float) -> str:
    """Wall seconds since 1970 as a date in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M") if seconds > 0 else "–"


def duration(seconds: float) -> str:
    """1.2 s, 3.4 min, 5.6 h, 7.8 d."""
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def with_error(trial: Trial, target: Target) -> str:
    """The mean of a trial's measurements ± its standard error, where that is known."""
    value = value_of(trial, target)
    if value is None:
        return "–"
    sem = sem_of(trial, target)
    if not sem > 0:
        return number(value, 5)
    return " ± ".join(rounded_together(value, sem)).replace("-", "−")


def best_table(record: Record) -> Markup:
    """The best by the first target, the earliest of equals first. What was measured more than once
    is one row: its mean."""
    history = record.history
    trials, _ = measured(history)
    number_of = {trial.id: str(i) for i, trial in enumerate(trials, start=1)}
    points, first = pooled(trials), history.targets[0]
    points.sort(key=lambda t: -first.sign * (value_of(t, first) or 0.0))
    best = points[:BEST]
    header = ["", "candidate" if record.spec.space.pool else "trial"]
    header += [f"{t.name} ({t.unit})" if t.unit else t.name for t in history.targets]
    counts = [count_of(t, first) for t in best]
    believed = [_believed(t.why) for t in best]
    # A column of ones or of dashes helps nobody.
    repeated, shown = max(counts, default=1) > 1, any(b != "–" for b in believed)
    header += [*(["mean of"] if repeated else []), *(["predicted"] if shown else [])]
    header += ["experiment", "when"]
    rows = []
    for place, (trial, count, belief) in enumerate(zip(best, counts, believed, strict=True), 1):
        row: list[str] = [str(place), _name(trial)]
        row += [with_error(trial, target) for target in history.targets]
        row += [*([str(count)] if repeated else []), *([belief] if shown else [])]
        rows.append([*row, number_of[trial.id], moment(trial.finished_at)])
    numeric = range(2, len(header))
    return table(f"The best {len(rows)} of {len(points)} measured", header, rows, numeric)


def next_tables(record: Record, outlook: Outlook) -> list[Markup]:
    """What is open, and what would be asked next."""
    out = []
    what = "candidate" if record.spec.space.pool else "point"
    waiting = record.history.pending
    if waiting:
        caption = f"Open: chosen, and not finished ({_most(waiting)})"
        rows = [(str(t.id), _name(t), t.why, t.proposer) for t in waiting[:WRONG]]
        out.append(_reasons(caption, ["trial", what], rows))
    if outlook.next:
        caption = "What the run would ask for next, if it went on now"
        proposed = [(str(i), _proposed(p), p.why, "") for i, p in enumerate(outlook.next, start=1)]
        out.append(_reasons(caption, ["", what], proposed))
    return out


def _reasons(
    caption: str, header: list[str], rows: Sequence[tuple[str, str, Mapping[str, Value], str]]
) -> Markup:
    """Recommendations; a column that no row fills is left out."""
    names = ["predicted", "90 % interval", "works", "score"]
    cells = [
        [_believed(why), _interval(why), _share(why.get("p_feasible")), _score(why)]
        for _, _, why, _ in rows
    ]
    kept = [i for i in range(len(names)) if any(row[i] != "–" for row in cells)]
    body = [
        [number_, name, *(row[i] for i in kept), _reason(proposer, why)]
        for (number_, name, why, proposer), row in zip(rows, cells, strict=True)
    ]
    numeric = range(2, 2 + len(kept))
    return table(caption, [*header, *(names[i] for i in kept), "reason"], body, numeric)


def trouble_tables(record: Record) -> list[Markup]:
    """Experiments without a value, and attempts that crashed, each with its reason."""
    out = []
    history = record.history
    bad = [t for t in history.trials if t.state in _ENDED_BADLY]
    if bad:
        rows = [[str(t.id), _name(t), t.state.value, t.reason or "–"] for t in bad[:WRONG]]
        caption = f"Without a value ({_most(bad)})"
        out.append(table(caption, ["trial", "candidate or point", "state", "reason"], rows))
    if record.crashes:
        rows = [[str(c.trial), str(c.attempt), c.kind, c.reason] for c in record.crashes[:WRONG]]
        caption = (
            f"Attempts that broke; they are retried, and are no data ({_most(record.crashes)})"
        )
        out.append(table(caption, ["trial", "attempt", "how", "reason"], rows))
    if record.broken_off:
        what = "begun again by another driver"
        out.append(el("p", f"{counted(record.broken_off, 'attempt was', 'attempts were')} {what}."))
    pruned = history.count(State.PRUNED)
    if pruned:
        were = counted(pruned, "trial was", "trials were")
        out.append(el("p", f"{were} stopped early on purpose (pruned)."))
    withdrawn = history.count(State.WITHDRAWN)
    if withdrawn:
        what = "experiments were cancelled for something better (withdrawn)"
        out.append(el("p", f"{withdrawn} {what}; they may be asked for again."))
    return out


def cost_table(record: Record) -> Markup:
    """Seconds spent, by what for."""
    history = record.history
    costs = [t.cost_s for t in history.finished if t.cost_s > 0]
    asked = len(history.trials)
    rows = [
        ["experiments, added up", duration(sum(costs))],
        ["one experiment, median", duration(median(costs)) if costs else "–"],
        ["the longest", duration(max(costs)) if costs else "–"],
        ["choosing (asking), added up", duration(record.ask_s)],
        ["choosing, a suggestion", f"{1000 * record.ask_s / asked:.0f} ms" if asked else "–"],
        ["first event", f"{moment(record.first_s)} UTC"],
        ["last event", f"{moment(record.last_s)} UTC"],
        ["sittings", str(record.sittings)],
    ]
    return table(
        "What the experiments and the choosing took", ["what", "how much"], rows, numeric=[1]
    )


def origin_table(record: Record) -> Markup:
    """What one needs to judge where the numbers are from, and to run it again."""
    spec = record.spec
    part = spec.config.get("proposer") or {}
    evaluator = spec.config.get("evaluator") or {}
    source = spec.origin.get("path", "").replace("\\", "/").rsplit("/", 1)[-1]
    rows: list[list[Markup | str]] = [
        ["journal", "sound: every record was checked against its hash"],
        ["events", str(record.verdict.events)],
        ["hash of the last event", el("code", record.verdict.hash)],
        *([["note", note] for note in record.verdict.notes]),
        ["seed", str(spec.seed)],
        ["proposer", _options(part)],
        ["evaluator", _options({"type": evaluator.get("type", "–")})],
        ["budget", f"{spec.policy.trials} trials, {spec.policy.slots} at once"],
    ]
    if source:
        rows.append(["config", source])
    if spec.origin.get("sha256"):
        rows.append(["SHA-256 of the config", el("code", spec.origin["sha256"])])
    rows.append(["versions", ", ".join(f"{k} {v}" for k, v in record.versions.items())])
    return table("Journal, seed, parts and versions", ["what", ""], rows)


def advice_table(outlook: Outlook, record: Record) -> Markup:
    """What each stopping rule says, whether the run obeys it or not."""
    asked, budget = record.history.count_asked, record.spec.policy.trials
    used = f"{asked} of {budget} trials asked"
    rows: list[list[Markup | str]] = [["budget", "obeyed", _said(asked >= budget), used]]
    rows += [
        [a.name, "obeyed" if a.on else "advice only", _said(a.stop), a.text] for a in outlook.advice
    ]
    caption = "A rule is obeyed where the config switches it on ([stop]); else it only advises"
    return table(caption, ["rule", "", "says", "because"], rows)


def _said(stop: bool) -> Markup:
    return el("b", "stop") if stop else el("span", "go on", class_="soft")


def _name(trial: Trial) -> str:
    if trial.candidate is not None:
        return shortened(trial.candidate, 80)
    return f"{named(trial)}: {shortened(_point(trial.params), 120)}"


def _proposed(proposal: Proposal) -> str:
    name = proposal.candidate
    return shortened(_point(proposal.params), 120) if name is None else shortened(name, 80)


def _point(params: Mapping[str, Value]) -> str:
    return ", ".join(f"{k} = {_short(v)}" for k, v in params.items())


def _short(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value)


def _believed(why: Mapping[str, Value]) -> str:
    mean, sd = why.get("mean"), why.get("sd")
    if not isinstance(mean, int | float):
        return "–"
    return f"{number(mean)} ± {number(sd, 2)}" if isinstance(sd, int | float) else number(mean)


def _interval(why: Mapping[str, Value]) -> str:
    low, high = why.get("low"), why.get("high")
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        return "–"
    return f"{number(low, 3)} to {number(high, 3)}"


def _share(value: object) -> str:
    return f"{100 * value:.0f} %" if isinstance(value, int | float) else "–"


def _score(why: Mapping[str, Value]) -> str:
    value = why.get("acquisition")
    return number(value, 3) if isinstance(value, int | float) else "–"


_ELSEWHERE = ("mean", "sd", "low", "high", "p_feasible", "acquisition", RETUNED)
"""What `why` holds that other columns show, or another section."""


def _reason(proposer: str, why: Mapping[str, Value]) -> str:
    """The reason in words where one was given; else whatever else `why` holds."""
    if isinstance(why.get("reason"), str):
        return shortened(why["reason"], 200)
    rest = {k: v for k, v in why.items() if k not in _ELSEWHERE and v is not None}
    spoken = [str(rest.pop("rule"))] if "rule" in rest else []
    spoken += [f"{k.replace('_', ' ')} {_short(v)}" for k, v in rest.items()]
    return shortened("; ".join(spoken) or proposer or "–", 200)


def _options(part: Mapping[str, object]) -> str:
    rest = [f"{k} = {v}" for k, v in part.items() if k != "type" and v is not None]
    return shortened(", ".join([str(part.get("type", "–")), *rest]), 200)


def _most(rows: Sequence[object] | Iterable[object]) -> str:
    count = len(list(rows))
    return str(count) if count <= WRONG else f"the first {WRONG} of {count}"
