"""What a model card says, section by section: values in, words out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from matscout.data.audit import Audit
from matscout.drive.nested import Estimate
from matscout.drive.recipe_fold import Chosen
from matscout.drive.recipe_plan import Plan
from matscout.drive.recipe_result import Honest
from matscout.drive.shift import Shift
from matscout.models.subgroups import GroupScore
from matscout.report import shift as shift_words
from matscout.report.card import Card, Rows, Section
from matscout.report.card_calibration import calibration
from matscout.report.markup import number
from matscout.trial import Params

_WEAKEST = 12
_LONG = 200


@dataclass(frozen=True)
class About:
    """What the sections say beside the figures. `ranges` are those of the inputs that are numbers,
    `elements` those of the formulas; `weakest` subgroups of the hidden rows, the weakest first; `shift`
    what is lost out of distribution (numbers only), or `no_shift` why that is not known."""

    name: str
    sha256: str
    command: str
    versions: Mapping[str, str]
    seconds: float
    made: str
    span: tuple[float, float] | None
    class_names: tuple[str, ...]
    ranges: Mapping[str, tuple[float, float]]
    elements: tuple[str, ...]
    weakest: Sequence[GroupScore]
    weak_metric: str
    shift: Shift | None = None
    no_shift: str = ""


def card(plan: Plan, found: Audit, whole: Chosen, result: Honest, about: About) -> Card:
    """The whole card."""
    metric = plan.metric.name
    tiles = [
        (number(result.outer.mean), f"{metric} on rows that no sweep saw {_span(result.outer)}"),
        *(
            (number(result.rivals[rival].mean), f"{rival}, on the same rows")
            for rival in ("dummy", "linear", "random forest")
            if rival in result.rivals
        ),
        (str(found.rows), "rows"),
    ]
    tiles += [
        (f"{c.share:.0%}", f"of hidden rows in {c.level:.0%} intervals") for c in result.covers
    ]
    return Card(
        f"{about.name}: a model of {plan.question.target}",
        f"{plan.task.capitalize()} from {Path(found.table).name}. {_mean_of(whole)}.",
        tuple(tiles),
        tuple(_sections(plan, found, whole, result, about)),
        about.made,
    )


def _sections(
    plan: Plan, found: Audit, whole: Chosen, result: Honest, about: About
) -> Iterator[Section]:
    yield Section("How good is it?", tuple(_score(plan, result)))
    yield Section("Where does it fail?", tuple(_weakest(about)))
    if about.shift is not None or about.no_shift:
        yield Section("Does it carry over?", tuple(_carries(about)))
    yield Section("What is it not for?", tuple(_limits(plan, about)))
    if result.covers:
        yield Section("How sure is it?", tuple(_covers(result)))
    chances = tuple(calibration(plan, result, about.class_names))
    if chances:
        yield Section("Are its probabilities right?", chances)
    yield Section("What was tried and chosen", tuple(_chosen(plan, whole, result)))
    yield Section("The table", tuple(_table(plan, found, about)))
    yield Section("Provenance", tuple(_origin(plan, about)))


def _score(plan: Plan, result: Honest) -> Iterator[str | Rows]:
    better = "lower" if plan.metric.direction == "min" else "higher"
    yield (
        f"{plan.metric.name} ({better} is better), nested: each of {len(result.folds)} parts of the"
        " table was hidden in turn from a sweep of its own, audit and all choices included, and"
        " judged once. Intervals are 95 %, Student's, over the outer folds."
    )
    rows = [("this model", said(result.outer), "")]
    rows += [(n, said(e), said(result.gaps[n])) for n, e in result.rivals.items()]
    header = ("model", f"{plan.metric.name} on hidden rows", "this model is better by")
    yield Rows("On the same hidden rows", header, tuple(rows), (1, 2))
    yield (
        f"The sweeps themselves claimed {said(result.inner)}: too good by"
        f" {said(result.optimism)} (below 0: too harsh)."
    )
    yield from (line.capitalize() for line in plan.why if line.startswith("beware"))
    unsure = [n for n, gap in result.gaps.items() if not gap.low > 0]
    if unsure:
        yield f"Beware: not better by more than the noise than: {', '.join(unsure)}."
    folds = [
        (f.run, number(f.inner), *(number(f.scores[n]) for n in ("recipe", *result.rivals)))
        for f in result.folds
    ]
    names = ("run", "inner", "hidden rows", *result.rivals)
    yield Rows("Fold by fold", names, tuple(folds), tuple(range(1, len(names))))


def _weakest(about: About) -> Iterator[str | Rows]:
    if not about.weakest:
        yield "No subgroup has five rows or more."
        return
    yield (
        f"{about.weak_metric} on hidden rows by subgroup, the surely weakest first. Intervals are 95 %"
        " bootstraps over the rows of the subgroup, not corrected for how many there are."
    )
    rows = tuple(
        (
            f"{one.kind} {one.group}", str(one.count), number(one.value),
            f"{number(one.low)} to {number(one.high)}",
            number(one.ratio, 3) if math.isfinite(one.ratio) else "–",
        )
        for one in about.weakest[:_WEAKEST]
    )  # fmt: skip
    header = ("subgroup", "rows", about.weak_metric, "95 % interval", "ratio to all")
    yield Rows("The weakest subgroups", header, rows, (1, 2, 3, 4))


def _carries(about: About) -> Iterator[str | Rows]:
    yield (
        "Is it right about a kind of material that it has not seen? Clusters of the inputs were left out"
        " whole, one after the other, and the same members trained on the rest (leave-one-cluster-out"
        " cross-validation: Meredig et al., Mol. Syst. Des. Eng. 3, 819 (2018))."
    )
    if about.shift is None:
        yield f"Not known: {about.no_shift}."
        return
    said_of = shift_words.sentence(about.shift)
    yield (
        f"{said_of[0].upper()}{said_of[1:]}. The performance degradation ratio (PDR) is that of the two"
        " errors, 1 where nothing is lost; its interval is a 95 % bootstrap over rows and speaks of"
        f" these clusters ({about.shift.by}) alone. The members were chosen with all rows in sight."
    )
    yield shift_words.meaning(about.shift)
    if about.shift.unjudged:
        yield f"Rows in no cluster, or in too small a one, and so not judged: {about.shift.unjudged}."
    caption = "Cluster by cluster, the worst first"
    yield Rows(caption, shift_words.HEADER, shift_words.rows(about.shift), (0, 1, 2, 3))


def _limits(plan: Plan, about: About) -> Iterator[str | Rows]:
    if about.span is not None:
        low, high = about.span
        yield (
            f"For finding values beyond {number(low)} to {number(high)}, where all targets of the table"
            " lie: models of trees cannot predict outside, and the score above says nothing of it."
        )
    if about.class_names:
        yield f"For classes other than {', '.join(about.class_names)}."
    if about.elements:
        yield (
            f"For compounds with elements other than these {len(about.elements)}:"
            f" {', '.join(about.elements)}. Two phases of one composition are one to this model."
        )
    if about.ranges:
        rows = tuple((n, number(a), number(b)) for n, (a, b) in about.ranges.items())
        yield Rows("For inputs outside these ranges", ("input", "from", "to"), rows, (1, 2))
    grouped = "group" in plan.options and "grouped" in str(plan.options["split"])
    yield (
        "For samples of another kind than those of the table: another laboratory, source or method."
        + (
            " Rows of one group were kept together, so it has been judged on new groups."
            if grouped
            else " It has been judged on rows drawn at random from the same table."
        )
    )


def _covers(result: Honest) -> Iterator[str | Rows]:
    yield (
        "Around each prediction stands a conformal interval, as wide as the residuals of the chosen"
        " models on rows that they were not trained on say. It was tested on the hidden rows."
    )
    rows = tuple(
        (f"{c.level:.0%}", f"± {number(c.half)}", f"{c.share:.1%}", f"{c.low:.1%} to {c.high:.1%}")
        for c in result.covers
    )
    header = ("promised", "half-width", "held", "95 % interval of that")
    yield Rows("Did the intervals hold?", header, rows, (0, 1, 2, 3))
    off = [c for c in result.covers if c.low > c.level or c.high < c.level]
    if off:
        yield "Beware: the promise is off by more than chance: read the share that held."


def _chosen(plan: Plan, whole: Chosen, result: Honest) -> Iterator[str | Rows]:
    yield from plan.why
    yield (
        f"Configurations tried to the end on all rows: {whole.tried}. Taken is {whole.why}, by"
        f" {plan.ranked.name} out of fold."
    )
    rows = [(str(m.trial), str(m.params.get("model")), _rest(m.params)) for m in whole.members]
    yield Rows("The members", ("trial", "model", "with"), tuple(rows), (0,))
    if whole.threshold is not None:
        yield f"Their mean score is cut at {number(whole.threshold)}."
    picked = tuple(
        (f.run, str(f.tried), ", ".join(str(m.params.get("model")) for m in f.members))
        for f in result.folds
    )
    yield Rows("What the outer folds' sweeps chose", ("run", "tried", "members"), picked, (1,))


def _table(plan: Plan, found: Audit, about: About) -> Iterator[str | Rows]:
    yield f"{found.table}: {found.rows} rows, SHA-256 {about.sha256}, target {plan.question.target}."
    rows = tuple((f.level, f.kind, _short(f.what), _short(f.means)) for f in found.findings)
    if rows:
        header = ("weight", "finding", "what was found", "what it means")
        yield Rows("What the audit found", header, rows)
    else:
        yield "The audit found nothing."


def _origin(plan: Plan, about: About) -> Iterator[str | Rows]:
    yield f"Command: {about.command}"
    yield (
        f"Seeds: {plan.question.seed} for the sweeps, {plan.question.outer_seed} for the outer folds."
        f" {about.seconds:.0f} seconds."
    )
    rows = tuple(about.versions.items())
    yield Rows("Versions", ("package", "version"), rows)


def ranges(numeric: Mapping[str, np.ndarray]) -> dict[str, tuple[float, float]]:
    """Least and largest of each column, (n,) each, without those that are empty."""
    out = {}
    for name, values in numeric.items():
        known = values[np.isfinite(values)]
        if len(known):
            out[name] = (float(known.min()), float(known.max()))
    return out


def _mean_of(whole: Chosen) -> str:
    models = " and ".join(str(m.params.get("model")) for m in whole.members)
    return f"The mean of {models}" if len(whole.members) > 1 else f"One model: {models}"


def _rest(params: Params) -> str:
    return ", ".join(f"{k} = {_value(v)}" for k, v in params.items() if k != "model")


def _value(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value)


def said(one: Estimate) -> str:
    """A mean with its interval."""
    return f"{number(one.mean)} {_span(one)}".strip()


def _span(one: Estimate) -> str:
    return f"[{number(one.low)}, {number(one.high)}]" if math.isfinite(one.low) else ""


def _short(text: str) -> str:
    return text if len(text) <= _LONG else text[: _LONG - 1] + "…"
