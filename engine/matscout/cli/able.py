"""Whether what a config names can do what it asks: several targets, limits, costs, measuring again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from matscout.cli import registry
from matscout.drive.config import Part, RunTable
from matscout.errors import InputError, did_you_mean
from matscout.limit import Limit
from matscout.space import Space
from matscout.trial import Target


def check_cost(proposer: Part, space: Space) -> None:
    """InputError where costs would be learned from parameters, and a pool has none."""
    if proposer.type == "gp" and proposer.options.get("cost") and space.pool is not None:
        what = "gp learns costs over parameters only"
        raise InputError("proposer.cost", what, "over a pool use type pool, and name a column")


def check_who_chooses(
    proposer: str, space: Space, targets: Sequence[Target], limits: Sequence[Limit]
) -> None:
    """InputError for a proposer that would ignore what it must not."""
    if proposer == "transfer" and len(targets) > 1:
        what = "'transfer' knows one target, and here are several"
        raise InputError("proposer.type", what, "use gp, or keep one target")
    if not limits:
        return
    if space.pool is not None:
        what = "are for a space of parameters, and here is a pool"
        raise InputError("limits", what, "leave them out")
    if proposer not in registry.LIMITED:
        what = f"proposer {proposer!r} does not know them"
        raise InputError("limits", what, "use auto, gp, tpe or nsga2")


def check_reported(limits: Sequence[Limit], reported: Collection[str]) -> None:
    """InputError for a limit on what the trainer does not report."""
    for limit in limits:
        if limit.name not in reported:
            mend = did_you_mean(limit.name, reported)
            raise InputError(f"limits.{limit.name}", "this trainer does not report it", mend)


def check_evaluator(
    evaluator: Any, space: Space, targets: Sequence[Target], limits: Sequence[Limit]
) -> None:
    """InputError where one that looks at what it is asked (a trainer reads its data, and knows its
    hyperparameters, what it reports and which way is better) cannot serve this."""
    if hasattr(evaluator, "check"):
        evaluator.check(tuple(space.by_name))
    if hasattr(evaluator, "check_space"):
        evaluator.check_space(space)
    if hasattr(evaluator, "check_targets"):
        evaluator.check_targets(targets)
    if limits and hasattr(evaluator, "reported"):
        check_reported(limits, evaluator.reported())


def check_confirm(run: RunTable, space: Space, targets: Sequence[Target]) -> None:
    """InputError where nobody could say what is to be measured again at the end, or when."""
    where = "run.confirm"
    if space.pool is not None:
        what = "in a pool the proposer decides what to measure again"
        raise InputError(where, what, "set replicates under [proposer], or leave it out")
    if len(targets) > 1:
        raise InputError(where, "which of several targets says what is best?", "leave it out")
    if run.confirm >= run.trials:
        what = f"must be fewer than run.trials = {run.trials}, got {run.confirm}"
        raise InputError(where, what, "a tenth of them is a good start")
