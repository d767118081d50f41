"""What an audit of a table may find: the values that it consists of, and what each finding means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

LEVELS = ("blocks", "matters", "note")
"""A trainer refuses the table; a score would mislead or a model would suffer; good to know."""


@dataclass(frozen=True)
class Finding:
    """`what` was found, what it `means` for a model, and which option is the `answer`.

    `columns` and `lines` (of the file) say where; `options` are those of the evaluator `tabular`
    that answer it, ready to be merged into a config.
    """

    kind: str
    level: str
    what: str
    means: str
    answer: str
    columns: tuple[str, ...] = ()
    lines: tuple[int, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram: `low` ≤ value < `high` (the last bar holds its upper end), or a class."""

    label: str
    count: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Coverage:
    """Rows by element and by chemical system (elements joined by hyphens), the commonest first;
    `prototypes` (anonymous formula and space group) only where there are structures.
    """

    elements: Mapping[str, int]
    systems: Mapping[str, int]
    prototypes: Mapping[str, int] = field(default_factory=dict)


_TEXTS: dict[str, tuple[str, str]] = {
    "missing": (
        "a missing number is filled with one learnt from the training rows of each fold; a missing"
        " label is a label of its own",
        'hyperparameter imputer = "median" (or "mean"); leave columns out by inputs where most is'
        " missing; for a campaign's table, --drop-bad",
    ),
    "missing target": (
        "`tabular` refuses rows without a target; a campaign takes them for candidates not yet"
        " measured",
        "drop the rows from the table of a sweep",
    ),
    "unreadable": (
        "`tabular` refuses a column that mixes numbers and words",
        "mend the cells; or, for a campaign's table, --drop-bad",
    ),
    "decimal comma": (
        "`tabular` and campaigns refuse the column: to a reader a number with a comma is a word (here"
        " it was looked at with points)",
        "save the table with decimal points",
    ),
    "infinite": ("no model can learn from an infinite number", "mend the cells"),
    "units": (
        "numbers with units are text to a reader: the column becomes a set of labels",
        "write bare numbers in one unit, and the unit into the column's name",
    ),
    "unit factor": (
        "a model cannot undo a slip of units; the rows dominate every squared error",
        "look at these rows in the source, and convert them",
    ),
    "censored": (
        "the true value lies beyond a bound; the bound taken as value is right on one side only",
        "take the bounds for values: --censored (in a config censored = \"bound\"); or ask for"
        " the class beyond a threshold instead: --cut (cut)",
    ),
    "duplicates": (
        "a random split puts copies on both sides: the score is too good",
        "drop the copies, or keep them together by split = \"grouped\"",
    ),
    "contradictions": (
        "something that decides the target is not among the inputs, or a row is wrong",
        "look at these rows first; add the missing condition as a column; a robust loss"
        ' (hyperparameter loss = "huber" of mlp, metric median_ae) limits their pull',
    ),
    "noise": (
        "no model of these inputs has an rmse below this sd on one measurement; where most of the"
        " variance is there, the inputs do not say what decides the target",
        "compare the rmse with this number before tuning on; where it is most, add what is missing"
        " (structure, site, condition) as a column",
    ),
    "groups": (
        "a random split puts rows of one composition on both sides: the score says how well"
        " compositions are remembered, not how well new ones are predicted",
        'split = "grouped"',
    ),
    "sources": (
        "rows of one source share its habits; a random split hides how well a model carries over"
        " to the next source",
        'split = "grouped"',
    ),
    "id": (
        "`tabular` learns from every column but the target unless told otherwise: a name that"
        " is never seen again tells nothing, a number that counts the rows may tell their order",
        "name the columns to learn from in inputs",
    ),
    "constant": ("a column that never varies tells nothing", "leave it out of inputs"),
    "empty": (
        "hardly anything is filled in; `tabular` refuses a column that is wholly empty",
        "leave it out of inputs",
    ),
    "same columns": (
        "what is said twice counts twice: importances are shared out, distances are distorted",
        "leave one of them out of inputs",
    ),
    "shares": (
        "one column follows from the others; a column moved alone, or a mean filled into a gap, is no"
        " possible sample",
        'in a space of a campaign, a constraint simplex over these parameters'
        ' ([[space.constraints]]); for trees and Gaussian processes nothing need be done',
    ),
    "leak": (
        "a column that orders the rows as the target does is often measured with it, or"
        " computed from it, and will not be there for a new sample",
        "leave it out of inputs unless it is known before the experiment",
    ),
    "outliers": (
        "few far values decide a mean, a scale and a squared error",
        "look at the rows; if they are right: hyperparameter scaler = \"robust\", models of trees,"
        " metric = \"mae\"",
    ),
    "target outliers": (
        "few far values decide a squared error, and the folds they fall into",
        "look at the rows; if they are right: metric = \"mae\", and breakdown = true to see the"
        " tenth they are in",
    ),
    "skew": (
        "most rows lie at one end; errors at the other decide a squared error",
        'hyperparameter target_transform = "log1p" (or "sqrt", "quantile", "yeo_johnson"), to be'
        ' compared with "none" in the sweep',
    ),
    "decades": (
        "a squared or absolute error sees the largest decade only, and log1p changes nothing so far"
        " below 1",
        'hyperparameter target_transform = "quantile" or "yeo_johnson"; or learn log10 of the target,'
        " in a column of its own",
    ),
    "zeros": (
        "most models of a number predict too little for what is not zero and too much for what is",
        'model = "hurdle" (is it zero? and what is it if not?) against a single one, with'
        " breakdown = true",
    ),
    "imbalance": (
        "a model that never names the rare class is right most of the time",
        'split = "stratified", metric = "pr_auc" or "mcc" (not accuracy), breakdown = true;'
        ' hyperparameters threshold = "tuned" (two classes), weights = "balanced" against "none"',
    ),
    "target imbalance": (
        "a mean error is that of the common values; the rare end may be wrong unseen",
        'split = "stratified", also = ["tail_mae", "balanced_mae"], breakdown = true;'
        ' hyperparameter weights = "balanced" or "lds" against "none"; for a campaign goal "rare" or'
        ' "threshold"',
    ),
    "one class": ("there is nothing to tell apart", "bring rows of the other class"),
    "scarce class": (
        "with so few rows of a class a fold may have none, and any score of it is luck",
        "use fewer folds with split = \"stratified\"; publish an interval, not a number",
    ),
    "few rows": (
        "the score of a model is itself a noisy measurement, and the best of many is the luckiest",
        'objective = "cv", and matscout nested --select auto for the score to publish'
        " (docs/small-data.md)",
    ),
    "constant target": ("there is nothing to learn", "choose another target"),
    "rare elements": (
        "a model has seen these elements too seldom to know them",
        'objective = "loco" shows what a prediction for an unseen kind is worth; a campaign of'
        ' goal "model" would measure there',
    ),
    "few systems": (
        "a random split asks about the chemistry already known",
        'objective = "loco" (clusters left out) beside the split',
    ),
    "prototypes": (
        "a random split asks about the structures already known",
        'split = "grouped" by a column of prototypes',
    ),
    "diversity": (
        "random batches of rows look alike: more of the same teaches little",
        'a campaign of goal "model" picks the rows that differ; objective = "loco" shows what'
        " the narrowness costs",
    ),
}  # fmt: skip


def finding(
    kind: str,
    level: str,
    what: str,
    *,
    columns: Sequence[str] = (),
    lines: Sequence[int] = (),
    **options: object,
) -> Finding:
    """The finding of that kind, with the words that always go with it."""
    means, answer = _TEXTS[kind]
    if "group" in options:
        answer += f", group = {toml(options['group'])}"
    if "inputs" in options:
        word = ", and, for a group column is no input unless listed," if "group" in options else ":"
        answer += f"{word} inputs = {toml(options['inputs'])}"
    return Finding(kind, level, what, means, answer, tuple(columns), tuple(lines), options)


def toml(value: object) -> str:
    """A text or a list of texts, as a config writes it."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert isinstance(value, list | tuple)
    return "[" + ", ".join(toml(part) for part in value) + "]"
