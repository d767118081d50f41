"""`matscout learning-curve CONFIG.toml`: would more rows pay, for this table and this configuration?"""

from __future__ import annotations

import csv
import io
import json as jsonlib
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matscout.cli import registry
from matscout.cli.assemble import trainer_beside
from matscout.cli.train import spec_of_one, tell_left
from matscout.cli.words import tell
from matscout.data.whole_file import write_whole
from matscout.drive.learning_curve import Curve, CurvePoint, curve_of
from matscout.drive.recipe_fold import plain
from matscout.drive.sheet import check_writable
from matscout.errors import InputError, one_line
from matscout.evaluate.tabular_curve import CurveScore, curve_fits, curve_scores
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.models.metrics import Metric
from matscout.report.card_sections import said
from matscout.report.markup import counted, number
from matscout.seeds import trial_seed


def learning_curve(
    config: Path,
    points: int,
    draws: int,
    least: int,
    seed: int | None,
    out: Path | None,
    force: bool,
    json: bool,
) -> int:
    """Fit and judge at every number of rows, print what came of it, and write it where that is asked
    for. Makes no run.
    """
    if out is not None:
        check_writable(out, force)
    spec, left = spec_of_one(config, {"seed": seed}, sorted(registry.NESTS))
    trainer = trainer_beside(spec, config)
    try:
        fits = curve_fits(trainer, points=points, draws=draws, least=least)
        tell_left(left)
        scores = []
        # A run's one trial has this seed: with all rows, this is what `matscout train` says.
        for one in curve_scores(trainer, fits, trial_seed(spec.seed, 0)):
            scores.append(one)
            _progress(len(scores), len(fits))
    except InputError as error:
        raise error.within(str(config)) from None
    metric, unit = trainer.data.metric, spec.targets[0].unit
    curve = curve_of(scores, metric)
    if out is not None:
        write_whole(out, _csv(curve, metric.name).encode())
    if json:
        print(jsonlib.dumps(_plain(curve, scores, trainer, draws), indent=1, allow_nan=False))
    else:
        for line in lines(curve, trainer, draws, unit):
            print(one_line(line) if not line.startswith(" ") else line)
    return 0


def lines(curve: Curve, trainer: TabularTrainer, draws: int, unit: str) -> Iterator[str]:
    """What people read: the table, and what it means."""
    metric, folds = trainer.data.metric, len(trainer.data.folds)
    better = "lower" if metric.direction == "min" else "higher"
    of = f"{metric.name}{f' in {unit}' if unit else ''} of {trainer.model} ({better} is better)"
    over = f"{counted(folds, 'fold', 'folds')} with {counted(draws, 'draw', 'draws')} of rows"
    yield f"{trainer.table.name}: {of}, over {over}"
    table = [("rows", f"{metric.name} [95 %]", "dummy [95 %]")]
    table += [(rows_said(p), said(p.model), said(p.dummy)) for p in curve.points]
    wide = [max(len(row[k]) for row in table) for k in range(3)]
    for rows, model, dummy in table:
        yield f"  {rows:>{wide[0]}}  {model:<{wide[1]}}  {dummy}".rstrip()
    yield verdict(curve, metric, unit)
    if math.isfinite(curve.lead.low) and not curve.lead.low > 0:
        yield "beware: with all rows it does not beat the dummy by more than the noise"


def verdict(curve: Curve, metric: Metric, unit: str = "") -> str:
    """Whether more rows would pay, in one sentence. Errors fall as a power of the rows (Hestness et al.
    2017), so that a step by the same factor gains no more than the one before.
    """
    before, last = curve.points[-2:]
    step = f"from {rows_said(before)} to {rows_said(last)} rows"
    factor = number((last.least + last.most) / (before.least + before.most), 2)
    gain = said(curve.gain) + (f" {unit}" if unit else "")
    if math.isnan(curve.gain.mean):
        return f"would more rows pay? not known: a score {step} is no number"
    if not math.isfinite(curve.gain.low):
        return "would more rows pay? not known: one fold has no interval; use split = 'kfold'"
    if curve.gain.low > 0:
        return (
            f"more rows would pay: {step} {metric.name} got better by {gain};"
            f" {factor} times as many again would bring about so much at most"
        )
    if curve.gain.high < 0:
        return f"more rows would not pay here: {step} {metric.name} got worse by {gain} (below 0)"
    return (
        f"more rows are not sure to pay: {step} {metric.name} got better by {gain}, no more than the"
        " noise; better inputs or another model may bring more"
    )


def rows_said(point: CurvePoint) -> str:
    """`86`, or `86–90` where folds differ."""
    return f"{point.least}" if point.least == point.most else f"{point.least}–{point.most}"


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        tell(f"\r{done}/{total} fits", "\n" if done == total else "")


def _csv(curve: Curve, name: str) -> str:
    """The table, ready to plot."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(
        ["rows_least", "rows_most", "fits", name, f"{name}_low", f"{name}_high",
         "dummy", "dummy_low", "dummy_high"]
    )  # fmt: skip
    for p in curve.points:
        numbers = (p.model.mean, p.model.low, p.model.high, p.dummy.mean, p.dummy.low, p.dummy.high)
        shown = [repr(n) if math.isfinite(n) else "" for n in numbers]
        writer.writerow([p.least, p.most, p.fits, *shown])
    return file.getvalue()


def _plain(
    curve: Curve, scores: Sequence[CurveScore], trainer: TabularTrainer, draws: int
) -> dict[str, Any]:
    metric = trainer.data.metric
    body = {
        "table": str(trainer.table),
        "model": trainer.model,
        "metric": metric.name,
        "direction": metric.direction,
        "folds": len(trainer.data.folds),
        "draws": draws,
        **asdict(curve),
        "verdict": verdict(curve, metric),
        "fits": [
            {"rows": s.fit.size, "draw": s.fit.draw, "fold": s.fit.fold,
             "score": s.score, "dummy": s.dummy}
            for s in scores
        ],
    }  # fmt: skip
    found: dict[str, Any] = plain(body)
    return found
