"""Trials whose folds are jobs of their own (`run.fold_jobs`): which can be, and how many are open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import cast

from matscout.cli import registry
from matscout.drive.config import Config
from matscout.drive.policy import Policy
from matscout.drive.prune import SuccessiveHalving, rungs
from matscout.drive.prune_hyperband import Hyperband
from matscout.drive.run import RunSpec
from matscout.errors import InputError
from matscout.evaluate.base import Divisible, Evaluator
from matscout.fleet.base import EvaluatorFactory, Fleet
from matscout.fleet.divided import Divided, open_trials
from matscout.fleet.part import DONE, MOST_PARTS, one_part
from matscout.runfolder import RunFolder

_WHERE = "run.fold_jobs"


def policy_of(config: Config, evaluator: Callable[[], Evaluator | None]) -> Policy:
    """The run's policy. Where workers share the trials, fewer of these are open at once.

    `evaluator()` is asked for only then; InputError if its trials cannot be shared.
    """
    policy, run = config.run.policy(), config.run
    if not run.fold_jobs:
        return policy
    shared = _shared(config, evaluator())
    slots = open_trials(run.workers, shared, {}, _verdicts(config, shared))
    return replace(policy, slots=max(slots, run.batch))


def fleet_of(config: Config, factory: EvaluatorFactory, spec: RunSpec, folder: RunFolder) -> Fleet:
    """Start the workers that the config asks for."""
    if not config.run.fold_jobs:
        return registry.fleet(config.run, factory, spec.measured, folder)
    folder.parts.root.mkdir(0o700, exist_ok=True)
    jobs = registry.fleet(config.run, partial(one_part, factory), (DONE,), folder.parts)
    verdicts = _verdicts(config, cast(Divisible, factory()))
    return Divided(jobs, factory, spec.measured, folder, spec.policy.slots, verdicts)


def _verdicts(config: Config, shared: Divisible) -> list[int]:
    """The steps after which a trial may be stopped."""
    pruner = registry.pruner(config.early_stopping)
    if pruner is None:
        return []
    last = shared.reported_before({}, shared.parts({}) - 1)
    if isinstance(pruner, SuccessiveHalving | Hyperband):
        return rungs(pruner.min_step, pruner.factor, 0, last)
    return list(range(1, last + 1))


def _shared(config: Config, evaluator: Evaluator | None) -> Divisible:
    mend = "leave it out"
    if config.evaluator is None or evaluator is None:
        raise InputError(_WHERE, "people bring the results: there are no folds", mend)
    if config.run.costly or evaluator.costly:
        what = "a fold may be fitted again after a crash, and these experiments are costly"
        raise InputError(_WHERE, what, "leave out one of the two")
    if not hasattr(evaluator, "evaluate_part"):
        what = f"the trials of evaluator {config.evaluator.type!r} have no folds to hand out"
        raise InputError(_WHERE, what, mend)
    if config.run.overlap and config.early_stopping is not None:
        # While a thought is waited for reports wait, too: which folds a verdict spares would depend
        # on how long the thought took.
        what = "with early stopping and overlap, what is spared would depend on the moment"
        raise InputError(_WHERE, what, "leave out one of the three")
    divisible = cast(Divisible, evaluator)
    if divisible.indivisible:
        raise InputError(_WHERE, divisible.indivisible, "leave out one of the two")
    parts = divisible.parts({})
    if not 1 < parts <= MOST_PARTS:
        raise InputError(_WHERE, f"a trial has 2 to {MOST_PARTS} folds, this one {parts}", mend)
    return divisible
