"""What a crystal-graph trainer does with its data, params and folds."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from matscout.clock import SystemClock
from matscout.evaluate.base import Context
from matscout.evaluate.crystal_beliefs import Beliefs
from matscout.evaluate.crystal_data import CrystalData
from matscout.evaluate.crystal_networks import Networks
from matscout.evaluate.crystal_tasks import task_scores
from matscout.evaluate.keeper import Keeper
from matscout.evaluate.lockstep import Lockstep, NetworkFold
from matscout.evaluate.trainer_options import write_beside, write_predictions
from matscout.trial import Measurement, Report

if TYPE_CHECKING:
    from matscout.evaluate.trainer_crystal import CrystalGraphTrainer

log = logging.getLogger(__name__)


def by_epochs(
    trainer: CrystalGraphTrainer, data: CrystalData, params: Mapping[str, Any], context: Context
) -> Iterator[Report | Measurement]:
    """The networks of all folds side by side, epoch after epoch."""
    networks = Networks(
        trainer, data, data.shaped(params), context.seed, torch.device(context.device)
    )
    parts = [networks.fold(number) for number in range(len(data.folds))]
    print_of = trainer.state_print(params, context.seed)
    keeper = Keeper(context.checkpoints, print_of, trainer.cadence)
    run = Lockstep(parts, data.metric, trainer.epochs, trainer.target_name, keeper)
    clock = SystemClock()
    begun_s = clock.monotonic()
    finished = yield from run.train(context)
    write_throughput(parts, clock.monotonic() - begun_s, context)
    if not finished:
        return
    if math.isfinite(sum(run.last)):
        run.keep()  # before the trial has a value: the best one has networks to predict with
    measured = trainer.measurement(
        run.last, data.dummies, data.metric.sign, "crystal-graph trainer"
    )
    beliefs = Beliefs.of(parts) if trainer.uncertain else None
    said = (
        [one.mean for one in beliefs.each]
        if beliefs
        else [part.predictions(data.metric) for part in parts]
    )
    y = data.crystals.target
    rows = [
        (int(row), number, float(y[row]), float(value))
        for number, (part, values) in enumerate(zip(parts, said, strict=True))
        for row, value in zip(part.judge, values, strict=True)
    ]
    beside = beliefs.columns() if beliefs else None
    write_predictions(context.workdir, data.crystals.ids, rows, beside)
    more = beliefs.values() if beliefs else task_scores(trainer, data, parts)
    measured = replace(measured, values={**more, **measured.values})
    if more:  # for whoever reads predictions.csv beside it
        _write_beside(context, "scores.json", measured.values)
    yield measured


def write_throughput(parts: Sequence[NetworkFold], seconds: float, context: Context) -> None:
    """Training structures a second of this attempt, judging and checkpoints included."""
    seen = sum(part.fit.rows_seen for part in parts)
    rate = seen / seconds if seconds > 0 else 0.0
    log.info("trial %d: %.0f structures/s on %s", context.trial, rate, context.device)
    about = {"structures": seen, "seconds": seconds, "structures_per_s": rate}
    _write_beside(context, "throughput.json", {**about, "device": context.device})


def _write_beside(context: Context, name: str, about: Mapping[str, float | str]) -> None:
    """A file of JSON in the attempt's folder, if it has one."""
    if context.workdir is not None:
        write_beside(context.workdir, name, json.dumps(dict(about)) + "\n")
