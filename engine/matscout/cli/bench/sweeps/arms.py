"""The arms of `bench sweeps`: who asks for the next trial, and is told what became of it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import optuna
from optuna.pruners import BasePruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, GPSampler, TPESampler
from optuna.trial import TrialState

from matscout.cli.bench.peers import peer as peers
from matscout.cli.bench.sweeps.problems.problem import Observed, Problem
from matscout.cli.registry import proposer
from matscout.drive.config import Part
from matscout.drive.prune import SuccessiveHalving
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.parameter import Categorical, Float, Int, Parameter
from matscout.propose.base import Proposer
from matscout.propose.confirmed import Confirmed
from matscout.sampler import GpSampler
from matscout.seeds import ask_seed
from matscout.trial import Params, Value

RANDOM = "random"
TPE, OPTUNA_GP, AX = "tpe", "optuna_gp", "ax"
AUTO, GP, CONFIRMED = "auto", "gp", "gp_confirm"

ASHA = "_asha"
"""Ends the name of an arm whose trials are stopped early, by its engine's own successive halving."""

FACTOR = 3
"""Of that halving: the best third goes on."""

CONFIRM = 10
"""Trials that CONFIRMED leaves for measuring again: a tenth of a table's budget."""

STARTS = {
    RANDOM: "all random",
    "sobol": "all scrambled Sobol points",
    TPE: "10 random",
    OPTUNA_GP: "10 random",
    AX: "the centre, then 4 Sobol points",
    AUTO: "10 scrambled Sobol points where it picks gp, 10 random where it picks tpe",
    GP: "10 scrambled Sobol points",
    CONFIRMED: f"as {GP}; run.confirm = {CONFIRM}",
    **{f"{arm}{ASHA}": f"as {arm}; asha, factor {FACTOR}" for arm in (RANDOM, TPE, OPTUNA_GP, GP)},
}
"""What an arm begins with: part of it, so left as each has it. The run's seed decides the points."""

_NO_LIMITS = "it knows no outcome constraints"
_ONE_TARGET = "it looks at the first objective only"
_EXACT = "values repeat exactly"
_NO_STEPS = "its trials say nothing on the way"


class Arm(Protocol):
    """One run of one arm. Whatever was asked for and not told about is pending."""

    def ask(self) -> Params | None:
        """The next trial (0, 1, …); None: it has none before it is told more, or none at all."""

    def stopped(self, trial: int, step: int, value: float) -> bool:
        """What that trial said on the way, and whether it ends there: then it is told of no more."""

    def tell(self, trial: int, seen: Observed) -> None:
        """What that trial said."""

    def used_s(self) -> float:
        """Processor seconds so far, from wherever they are counted."""


def refusal(arm: str, problem: Problem, interpreters: Mapping[str, str]) -> str:
    """Why this arm does not play this problem; empty: it does."""
    if arm == AX:
        return "" if AX in interpreters else f"no --peer-python for {AX}"
    if arm in (GP, TPE, OPTUNA_GP, RANDOM, "sobol"):
        return ""
    if arm.endswith(ASHA):
        return "" if problem.steps else _NO_STEPS
    if arm == CONFIRMED and not problem.noisy:
        return _EXACT
    if problem.limits:
        return _NO_LIMITS
    return _ONE_TARGET if len(problem.targets) > 1 else ""


def made(arm: str, problem: Problem, seed: int, interpreters: Mapping[str, str]) -> Arm:
    """`arm` at the beginning of `problem`."""
    several = len(problem.targets) > 1
    if arm == AX:
        return PeerArm(interpreters[AX], problem, seed)
    if arm.endswith(ASHA):
        return _stopping(arm.removesuffix(ASHA), problem, seed)
    if arm == GP and (problem.limits or several):
        return OptunaArm(lambda: GpSampler(seed=seed), problem)
    if arm in _SAMPLERS:
        return OptunaArm(lambda: _SAMPLERS[arm](seed), problem)
    if arm == CONFIRMED:
        inner = Confirmed(proposer(Part(type=GP)), CONFIRM, problem.budget)
        return OurArm(inner, problem, seed)
    options = {"budget": problem.budget, "workers": problem.workers} if arm == AUTO else {}
    return OurArm(proposer(Part(type=arm, **options)), problem, seed)


def _stopping(arm: str, problem: Problem, seed: int) -> Arm:
    if arm in _SAMPLERS:
        return OptunaStoppingArm(lambda: _SAMPLERS[arm](seed), problem)
    return OurStoppingArm(proposer(Part(type=arm)), problem, seed)


def _tpe(seed: int) -> BaseSampler:
    return TPESampler(seed=seed)


def _optuna_gp(seed: int) -> BaseSampler:
    return GPSampler(seed=seed)


_SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {TPE: _tpe, OPTUNA_GP: _optuna_gp}


class _Whole:
    """Stops no trial early, and does not hear what trials say on the way."""

    def stopped(self, trial: int, step: int, value: float) -> bool:
        return False


class _Here(_Whole):
    """Thinks in this process."""

    def used_s(self) -> float:
        return time.process_time()


class OurArm(_Here):
    """A proposer of ours over a history that is kept as a run keeps it."""

    def __init__(self, asked: Proposer, problem: Problem, seed: int) -> None:
        self._proposer, self._problem, self._seed = asked, problem, seed
        self._history = History()
        targets = [{"name": t.name, "direction": t.direction} for t in problem.targets]
        self._history.apply(Event(EventKind.CREATED, body={"targets": targets, "seed": seed}))

    def ask(self) -> Params | None:
        history, trial = self._history, len(self._history.trials)
        seed = ask_seed(self._seed, trial)
        proposals = self._proposer.propose(self._problem.space, history, 1, seed=seed)
        if not proposals:
            return None
        chosen = proposals[0]
        body = {"params": chosen.params, "why": dict(chosen.why)}
        history.apply(Event(EventKind.ASKED, trial, body=body))
        history.apply(Event(EventKind.DISPATCHED, trial, 1))
        return chosen.params

    def tell(self, trial: int, seen: Observed) -> None:
        values = {t.name: v for t, v in zip(self._problem.targets, seen.values, strict=True)}
        body = {"values": values, "sem": {}, "cost_s": seen.cost_s}
        self._history.apply(Event(EventKind.MEASURED, trial, 1, body))


class OurStoppingArm(OurArm):
    """Stops trials by `[early_stopping]` asha."""

    def __init__(self, asked: Proposer, problem: Problem, seed: int) -> None:
        super().__init__(asked, problem, seed)
        self._pruner = SuccessiveHalving(factor=FACTOR)

    def stopped(self, trial: int, step: int, value: float) -> bool:
        history, name = self._history, self._problem.targets[0].name
        report = {"step": step, "values": {name: value}}
        history.apply(Event(EventKind.REPORTED, trial, 1, report))
        if not self._pruner.verdict(history, history.trials[trial]):
            return False
        history.apply(Event(EventKind.PRUNED, trial, 1, {"cost_s": 0.0}))
        return True


class OptunaArm(_Here):
    """A sampler of Optuna in a study of its own, asked for one parameter after another as Optuna's
    users do; constraints are set by `Trial.set_constraint`."""

    def __init__(
        self, sampler: Callable[[], BaseSampler], problem: Problem, pruner: BasePruner | None = None
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space, self._trials = problem.space, list[optuna.Trial]()
        up = {"min": "minimize", "max": "maximize"}
        directions = [up[t.direction] for t in problem.targets]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a sampler is experimental
            self._study = optuna.create_study(
                directions=directions, sampler=sampler(), pruner=pruner
            )

    def ask(self) -> Params | None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = self._study.ask()
            self._trials.append(trial)
            point: dict[str, Value] = {}
            for parameter in self._space.parameters:
                if self._space.is_active(parameter, point):
                    point[parameter.name] = _suggested(trial, parameter)
        return point

    def tell(self, trial: int, seen: Observed) -> None:
        asked = self._trials[trial]
        for place, value in enumerate(seen.constraints):
            asked.set_constraint(f"c{place}", value)
        self._study.tell(asked, list(seen.values))


class OptunaStoppingArm(OptunaArm):
    """Stops trials by Optuna's successive halving."""

    def __init__(self, sampler: Callable[[], BaseSampler], problem: Problem) -> None:
        pruner = SuccessiveHalvingPruner(min_resource=1, reduction_factor=FACTOR)
        super().__init__(sampler, problem, pruner)

    def stopped(self, trial: int, step: int, value: float) -> bool:
        asked = self._trials[trial]
        asked.report(value, step)
        if not asked.should_prune():
            return False
        self._study.tell(asked, state=TrialState.PRUNED)
        return True


def _suggested(trial: optuna.Trial, parameter: Parameter) -> Value:
    """Its value, by the distribution that a user of Optuna would take; of levels, the index."""
    name = parameter.name
    if isinstance(parameter, Float):
        low, high, step = parameter.low, parameter.high, parameter.step
        return float(trial.suggest_float(name, low, high, step=step, log=parameter.log))
    if isinstance(parameter, Int):
        low, high = parameter.low, parameter.high
        return int(trial.suggest_int(name, low, high, step=parameter.step, log=parameter.log))
    if isinstance(parameter, Categorical):
        choice: Value = trial.suggest_categorical(name, parameter.choices)
        return choice
    return parameter.levels[trial.suggest_int(name, 0, len(parameter.levels) - 1)]


class PeerArm(_Whole):
    """Ax, behind the pipe of peer_ax.py."""

    def __init__(self, python: str, problem: Problem, seed: int) -> None:
        self._peer = peers.running(python, AX)
        targets = [[t.name, t.direction] for t in problem.targets]
        body: dict[str, Any] = {"space": problem.space.to_dict(), "targets": targets}
        self._peer("new", **body, limits=problem.limits, seed=seed)
        self._space, self._used_s = problem.space, 0.0

    def ask(self) -> Params | None:
        answer = self._peer("ask")
        params, self._used_s = answer["params"], answer["used_s"]
        return None if params is None else self._space.check(params)

    def tell(self, trial: int, seen: Observed) -> None:
        self._peer("tell", trial=trial, values=seen.values, limits=seen.constraints)

    def used_s(self) -> float:
        """The peer's; what the pipe takes is left out."""
        return self._used_s
