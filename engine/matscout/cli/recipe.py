"""`matscout sweep SPACE --data TABLE.csv --target COLUMN`: from a table to a model and its card."""

from __future__ import annotations

import hashlib
import json as jsonlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from matscout.bounded_read import read_bounded
from matscout.cli.assemble import drive, spec_from_dict
from matscout.cli.progress import Progress
from matscout.cli.recipe_card import as_json, command_of, write_cards
from matscout.cli.recipe_rows import audited, folds_of, trainer_of, visible
from matscout.cli.recipe_shift import out_of_distribution, shift_lines
from matscout.cli.words import INTERRUPTED, tell
from matscout.data.audit import Audit
from matscout.data.pools import ready_space, ready_spaces
from matscout.data.split_names import EQUAL_INPUTS
from matscout.data.table_digest import table_digest
from matscout.data.text_table import read_text_table
from matscout.data.toml_text import parse_toml, refuse_table
from matscout.drive.config import MAX_BYTES
from matscout.drive.final import set_aside
from matscout.drive.recipe_budget import Budget, spent_before
from matscout.drive.recipe_fold import (
    Chosen,
    Outside,
    chosen,
    judged,
    read_outer,
    write_members,
    write_outer,
)
from matscout.drive.recipe_plan import Plan, Question, inner_folds, planned, space_for
from matscout.drive.recipe_portfolio import affordable, portfolio
from matscout.drive.recipe_result import Honest, honest
from matscout.drive.run import RunSpec, create, load
from matscout.errors import InputError, one_line
from matscout.report.card_sections import said
from matscout.report.markup import number
from matscout.runfolder import RunFolder
from matscout.space import Space
from matscout.trial import Params

_BLOCKED = 2
RULE = "greedy"
MOST_TRIALS = 400
LATE_S = 60.0
"""A trial may take as long as its whole sweep may ask for new ones, and this at least."""
HOUR_S = 3600.0
"""What one trial may take where all of a sweep were cut off: others use the machine too."""


@dataclass(frozen=True)
class Recipe:
    """All that the sweeps have in common. `sha256` is the table's."""

    question: Question
    space: Space
    space_file: Path
    name: str
    runs: Path
    trials: int
    workers: int
    fleet: str
    json: bool
    sha256: str = ""

    def say(self, text: str) -> None:
        """To a person; where a machine reads the output, past it."""
        if self.json:
            tell(one_line(text))
        else:
            print(one_line(text), flush=True)


class Interrupted(Exception):
    """Ctrl-C in one of the sweeps: it has saved itself."""


def start(
    space: Path, question: Question, runs: Path, *, name: str | None, trials: int | None,
    minutes: float, workers: int, fleet: str, json: bool,
) -> int:  # fmt: skip
    """Audit, sweep once for each outer fold and once on all rows, average, judge, and write the card.
    Returns the exit code. The same command goes on after an interruption."""
    file, known = _space(space)
    name = name or _named(question.table)
    began = time.monotonic()
    text = read_text_table(question.table)
    question = replace(question, structure_cache=runs / ".structures")
    most = trials or MOST_TRIALS
    recipe = Recipe(question, known, file, name, runs, most, workers, fleet, json)
    found = audited(question)
    _refuse_blocked(question, found)
    classes = _classes(question, found, text.column(question.target))
    plan = planned(question, found, classes)
    if question.sealed:
        recipe, plan, found = _sealed(recipe, plan)
    recipe.say(f"audit: {_findings(found)}")
    for line in plan.why:
        recipe.say(line)
    column = plan.options.get("structures")
    if column:
        recipe.say(f"{column}: {found.rows} structures; CHGNet takes some 10 ms for each new one")
        visible(question, plan.options)  # kept on disk, for the workers to read
    recipe = replace(recipe, sha256=table_digest(question.table, column))
    budget = Budget(60 * minutes, began, question.outer + 1)
    try:
        folds = [_outer(recipe, plan, k, budget) for k in range(question.outer)]
        whole = _whole(recipe, plan, budget)
    except Interrupted:
        recipe.say("interrupted; go on with the same command")
        return INTERRUPTED
    result = honest(folds, plan.metric)
    folder = RunFolder.of(name, runs)
    write_members(folder, plan, whole, recipe.sha256)
    left_s = 60 * minutes - budget.seconds_in_all()
    shift = out_of_distribution(plan, whole, folder, workers, left_s)
    seconds = budget.seconds_in_all()
    cards = write_cards(
        folder, plan, found, whole, result, visible(recipe.question, plan.options),
        recipe.sha256, seconds, command_of(space, question, minutes, workers, name, trials),
        shift,
    )  # fmt: skip
    if json:
        print(jsonlib.dumps(as_json(plan, whole, result, seconds, cards, shift), indent=1))
    else:
        for line in [*lines(plan, whole, result), *shift_lines(shift)]:
            recipe.say(line)
        recipe.say(f"took {seconds:.0f} s; card: {' and '.join(map(str, cards))}")
    return 0


def lines(plan: Plan, whole: Chosen, result: Honest) -> list[str]:
    """What a person reads at the end."""
    name = plan.metric.name
    out = [f"outer {name}: {said(result.outer)}: what to expect of new rows"]
    for rival, gap in result.gaps.items():
        out.append(f"  {rival}: {said(result.rivals[rival])}; better than it by {said(gap)}")
    out.append(f"inner {name}: {said(result.inner)}; too good by {said(result.optimism)}")
    for cover in result.covers:
        out.append(
            f"{cover.level:.0%} intervals (± {number(cover.half)}) held {cover.share:.1%}"
            f" [{cover.low:.1%}, {cover.high:.1%}] of the hidden rows"
        )
    models = ", ".join(str(m.params.get("model")) for m in whole.members)
    out.append(f"model: the mean of {len(whole.members)} of {whole.tried} ({models})")
    return out


def _sealed(recipe: Recipe, plan: Plan) -> tuple[Recipe, Plan, Audit]:
    """The same without the sealed rows: what is decided from here on, they do not decide. They are
    drawn by who belongs together, and of classes in their shares."""
    trainer = trainer_of(plan.options)
    opened = set_aside(recipe.runs, trainer)
    asked = replace(
        recipe.question, split=plan.options["split"], group=plan.options.get("group", "")
    )
    rows = trainer.data.rows
    found = audited(asked, rows)
    own = replace(_own_plan(plan, found), rows=found.rows)
    hidden = plan.rows - len(rows)
    recipe.say(
        f"sealed: {hidden} of {plan.rows} rows are set aside; once all is chosen, look at them once:"
        f" matscout predict {recipe.name} --final"
    )
    if opened:
        recipe.say(
            f"beware: they were opened on {opened}; --final is refused to any other model than that"
        )
    return replace(recipe, question=asked), own, found


def _outer(recipe: Recipe, plan: Plan, k: int, budget: Budget) -> Outside:
    folder = RunFolder.of(f"{recipe.name}-outer-{k + 1}", recipe.runs)
    hidden = {"outer_folds": recipe.question.outer, "outer_fold": k}
    began = time.monotonic()
    rows = visible(recipe.question, {**plan.options, **hidden}).rows
    own = _own_plan(plan, audited(recipe.question, rows))
    known = read_outer(folder) if folder.holds_run else None
    if known is not None:
        spec = _spec_of(recipe, own, hidden, folder)[0]
        _check_same(folder, spec)
        budget.known(known.seconds, known.costs)
        recipe.say(f"{folder.name}: finished already")
        return known
    earlier = spent_before(folder) if folder.holds_run else 0.0
    found, first, seed, costs = _sweep(recipe, own, hidden, folder, budget)
    base = {**own.options, **hidden, "outer_judge": True}
    outside = judged(
        folder.name, own, found, first, seed, trainer_of(base),
        trainer_of({**base, "metric": own.metric.name}), recipe.workers, costs,
    )  # fmt: skip
    seconds = time.monotonic() - began
    outside = replace(outside, seconds=earlier + seconds)
    write_outer(folder, outside)
    budget.done(seconds, costs)
    name = own.metric.name
    recipe.say(
        f"{folder.name}: inner {name} {number(outside.inner)}, outer"
        f" {number(outside.scores['recipe'])}"
        f" ({_models(found)}); {outside.seconds:.0f} s"
    )
    return outside


def _whole(recipe: Recipe, plan: Plan, budget: Budget) -> Chosen:
    folder = RunFolder.of(recipe.name, recipe.runs)
    found, *_ = _sweep(recipe, plan, {}, folder, budget)
    recipe.say(f"{folder.name}: on all rows: {_models(found)}")
    return found


def _sweep(
    recipe: Recipe, plan: Plan, hidden: Mapping[str, int], folder: RunFolder, budget: Budget
) -> tuple[Chosen, Params, int, Mapping[str, float]]:
    """One sweep to its end, and what it chose; the portfolio's first point; the seed; and what each
    point cost."""
    seconds = budget.slot()
    spec, points, left = _spec_of(recipe, plan, hidden, folder, seconds, budget.costs)
    if folder.holds_run:
        _check_same(folder, spec)
        spent = spent_before(folder)
        budget.before(spent)
        seconds = (load(folder)[1].policy.budget_s or seconds) - spent
        recipe.say(f"{folder.name}: goes on for {max(seconds, 0):.0f} s")
    else:
        recipe.say(
            f"{folder.name}: {len(points) - len(left)} configurations first, then more, for"
            f" {seconds:.0f} s"
        )
        for point in left:
            recipe.say(f"{folder.name}: left out, for it would not fit: {_point(point)}")
        create(folder, spec)
    if seconds > 0:
        _drive(recipe, folder, budget_s=seconds)
    history, _ = load(folder)
    if not history.completed:
        recipe.say(f"{folder.name}: nothing was finished in time: one more may take what it needs")
        most = history.count_asked + 1
        _drive(recipe, folder, trials=most, workers=1, budget_s=HOUR_S, timeout_s=HOUR_S)
        history, _ = load(folder)
    found = chosen(folder, history, spec.seed, plan, trainer_of(_evaluator(spec)), RULE)
    costs = {spec.space.key(t.params): t.cost_s for t in history.trials if t.reports}
    return found, points[0], spec.seed, costs


def _drive(recipe: Recipe, folder: RunFolder, **more: float) -> None:
    with Progress(recipe.trials, folder.name) as progress:
        given = {"trials": recipe.trials, "workers": recipe.workers, **more}
        reason, _ = drive(folder, progress, overrides=given, baselines=False)
    if reason == "interrupted":
        raise Interrupted


def _spec_of(
    recipe: Recipe, plan: Plan, hidden: Mapping[str, int], folder: RunFolder,
    seconds: float = 60.0, costs: Mapping[str, float] | None = None,
) -> tuple[RunSpec, list[Params], list[Params]]:  # fmt: skip
    """What the sweep is, the portfolio, and which points of it are left out."""
    data = visible(recipe.question, {**plan.options, **hidden})
    y = data.table.target
    space, rows = space_for(plan, recipe.space, y), len(y)
    points = portfolio(space, plan.task, structures="structures" in plan.options)
    taken, left = affordable(points, costs or {}, space, seconds)
    folds, repeats = inner_folds(rows)
    folds = folds_of(folds, data, plan.options["split"])
    raw = {
        "name": folder.name,
        "seed": recipe.question.seed,
        "space": space.to_dict(),
        "targets": [{"name": plan.ranked.name, "direction": plan.ranked.direction}],
        "evaluator": {
            "type": "tabular", **plan.options, **hidden, "folds": folds, "repeats": repeats,
        },
        "proposer": {"type": "tpe"},
        "prior": {"enqueue": [dict(p) for p in taken]},
        "run": {
            "trials": recipe.trials, "workers": recipe.workers, "budget_s": max(seconds, 1.0),
            "timeout_s": max(seconds, LATE_S), "max_crashes": 1,
            "fleet": recipe.fleet,
        },
    }  # fmt: skip
    if folds * repeats > 3:
        # Folds of a ranking are often tied, and Wilcoxon's test then takes seconds.
        numbers = plan.task == "regression"
        raw["early_stopping"] = {"type": "wilcoxon", "p": 0.05} if numbers else {"type": "median"}
    digest = hashlib.sha256(recipe.space_file.read_bytes()).hexdigest()
    spec = spec_from_dict(raw, "sweep", {}, recipe.space_file, digest)
    # The evaluator says neither what is in the table nor what labels are judged by in the end.
    asked = {"table_sha256": recipe.sha256, "metric": plan.metric.name}
    return replace(spec, origin={**spec.origin, **asked}), points, left


def _check_same(folder: RunFolder, spec: RunSpec) -> None:
    """InputError where the folder holds a sweep of another table, space or question."""
    _, known = load(folder)
    if (
        known.space.to_dict() != spec.space.to_dict()
        or known.seed != spec.seed
        or known.config.get("evaluator") != spec.config.get("evaluator")
        or any(known.origin.get(key) != spec.origin[key] for key in ("table_sha256", "metric"))
    ):
        what = "holds a sweep of another table, space or question"
        raise InputError(str(folder.root), what, "use --name")


def _evaluator(spec: RunSpec) -> dict[str, Any]:
    return {k: v for k, v in spec.config["evaluator"].items() if k != "type"}


def _refuse_blocked(question: Question, found: Audit) -> None:
    """InputError for what no model could learn from; units say more than the cells that they spoil."""
    blocking = [f for f in found.findings if f.level == "blocks"]
    if question.takes_bounds:
        blocking = [f for f in blocking if f.kind != "censored"]
    for first in sorted(blocking, key=lambda finding: finding.kind != "units")[:1]:
        raise InputError(str(question.table), first.what, first.answer)


def _own_plan(plan: Plan, found: Audit) -> Plan:
    """The plan by what an audit of the visible rows finds, with the split that all folds share."""
    fixed = replace(
        plan.question,
        split=plan.options["split"],
        group=plan.options.get("group", ""),
        metric=plan.metric.name,
    )
    own = planned(fixed, found, plan.classes)
    # Other formulas, or other inputs where rows with equal ones belong together, would draw other rows.
    same = ["formulas", "structures"]
    if plan.options.get("group") == EQUAL_INPUTS:
        same.append("inputs")
    if any(own.options.get(key) != plan.options.get(key) for key in same):
        return plan
    return own


def _space(space: Path) -> tuple[Path, Space]:
    file = space
    if not space.exists() and str(space) in ready_spaces():
        file = ready_space(str(space))
    refuse_table(file)
    try:
        data = read_bounded(file, MAX_BYTES)
    except OSError as error:
        known = ", ".join(ready_spaces())
        raise InputError(str(space), f"cannot be read ({error.strerror})", f"or: {known}") from None
    raw = parse_toml(space, data)
    if "evaluator" in raw:
        what = "is a config with an evaluator of its own, and --data is for a space file"
        raise InputError(
            str(space), what, "leave --data out, or name search_spaces/small_table.toml"
        )
    return file, Space.from_dict(raw)


def _classes(question: Question, found: Audit, cells: Sequence[str]) -> int:
    """How many classes; 0 for numbers."""
    if question.cut is not None:
        if question.task == "regression":
            raise InputError("--cut", "makes classes", "leave out --task, or say classification")
        return 2
    task = question.task or found.task
    return len(set(cells)) if task == "classification" else 0


def _named(table: Path) -> str:
    word = re.sub(r"[^a-z0-9._-]+", "-", table.stem.lower()).strip("-._")[:40]
    return f"{word or 'table'}-sweep"


def _findings(found: Audit) -> str:
    grave = [f for f in found.findings if f.level != "note"]
    return "; ".join(f.what for f in grave) if grave else "nothing that matters was found"


def _models(found: Chosen) -> str:
    cut = "" if found.threshold is None else f", cut at {number(found.threshold)}"
    return "mean of " + " + ".join(_point(m.params) for m in found.members) + cut


def _point(params: Params) -> str:
    """The model, and what is not said in its name."""
    more = [str(params[k]) for k in ("features", "target_transform") if k in params]
    return f"{params.get('model')} ({', '.join(more)})" if more else str(params.get("model"))
