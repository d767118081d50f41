"""What earlier runs are worth to a sweep, and what it costs where they mislead.

Branin, Hartmann3 and Hartmann6 on grids of some thousand points (as tuning tables are), searched with
and without two earlier runs of 40 trials each. These searched

helpful     the same function moved by up to a tenth of each range, in another unit
irrelevant  a random sum of cosines, which has nothing to do with it
misleading  the function itself with its sign turned: their best is the worst there is

Paired over seeds, each of which draws its own earlier runs. `cold` is `gp` as it is; `cold-5` is `gp`
that asks its model as early as `transfer` does: what fewer starting points do by themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from matscout.drive.run import versions
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.parameter import Int
from matscout.propose.base import Proposer
from matscout.propose.gp import GpProposer
from matscout.propose.prior_run import PRIOR, PriorRun
from matscout.propose.random import RandomProposer
from matscout.propose.transfer import TransferProposer
from matscout.seeds import ask_seed
from matscout.space import Space

TRIALS, RUNS, PRIOR_TRIALS = 30, 2, 40
MOVED = 0.1
KINDS = ("helpful", "irrelevant", "misleading")
COLD = ("cold", "cold-5")
_COSINES = 64
_LEAST = 0.01
"""Of the way from the median of the space to its best value: smaller regrets are alike to whoever
tunes a model, and so near the end a ratio would only tell the best cell of a grid from the next."""

Function = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""(n, d) in [0, 1] -> (n,), to be minimised."""


@dataclass(frozen=True)
class Problem:
    """`levels` values of each of `d` parameters; `best` and `median` over that grid."""

    name: str
    d: int
    levels: int
    f: Function
    best: float
    median: float

    @classmethod
    def of(cls, name: str, function: Any, levels: int) -> Problem:
        f, d = _unit(function), function.dim
        axes = np.meshgrid(*[np.linspace(0.0, 1.0, levels)] * d, indexing="ij")
        y = f(np.stack([axis.ravel() for axis in axes], axis=1))
        return cls(name, d, levels, f, float(y.min()), float(np.median(y)))

    def regret(self, value: float) -> float:
        """What is missing to the best, as a share of what the median of the space is missing."""
        return (value - self.best) / (self.median - self.best)


def problems() -> list[Problem]:
    from botorch.test_functions import Branin, Hartmann

    plain: dict[str, Any] = {"dtype": torch.float64}
    return [
        Problem.of("Branin", Branin(**plain), 41),
        Problem.of("Hartmann3", Hartmann(3, **plain), 16),
        Problem.of("Hartmann6", Hartmann(6, **plain), 4),
    ]


def transfer(seeds: int, trials: int = TRIALS) -> dict[str, Any]:
    """Regret after each trial, by problem, arm and seed; ratios to the cold start, paired."""
    return result({p.name: curves(p, range(seeds), trials) for p in problems()}, seeds, trials)


def result(
    found: Mapping[str, dict[str, list[list[float]]]], seeds: int, trials: int
) -> dict[str, Any]:
    """What is written, of the curves of each problem."""
    return {
        "command": f"matscout bench transfer --seeds {seeds}",
        "trials": trials,
        "seeds": list(range(seeds)),
        "earlier_runs": RUNS,
        "earlier_trials": PRIOR_TRIALS,
        "versions": versions(),
        "ratios": {to: ratios(found, trials, to) for to in COLD},
        "curves": found,
    }


def curves(problem: Problem, seeds: Sequence[int], trials: int) -> dict[str, list[list[float]]]:
    """(seeds, trials) of each arm."""
    out: dict[str, list[list[float]]] = {}
    for seed in seeds:
        arms: dict[str, tuple[Proposer, list[PriorRun]]] = {
            "random": (RandomProposer(), []),
            "cold": (GpProposer(), []),
            "cold-5": (GpProposer(startup=5), []),
        }
        for kind in KINDS:
            arms[kind] = (TransferProposer(budget=trials), earlier(problem, kind, seed))
        for arm, (proposer, runs) in arms.items():
            out.setdefault(arm, []).append(play(problem, proposer, runs, trials, seed))
    return out


def play(
    problem: Problem, proposer: Proposer, runs: list[PriorRun], trials: int, seed: int
) -> list[float]:
    """The regret of the best so far after each trial, one worker."""
    space = space_of(problem)
    created: dict[str, Any] = {"targets": [{"name": "y", "direction": "min"}], "seed": seed}
    created[PRIOR] = [run.to_dict() for run in runs]
    history = History([Event(EventKind.CREATED, body=created)])
    curve: list[float] = []
    for trial in range(trials):
        (proposal,) = proposer.propose(space, history, 1, seed=ask_seed(seed, trial))
        body = {"params": dict(proposal.params), "why": dict(proposal.why)}
        history.apply(Event(EventKind.ASKED, trial, body=body))
        history.apply(Event(EventKind.DISPATCHED, trial, 1))
        place = np.array([[proposal.params[name] for name in space.by_name]], dtype=float)
        value = float(problem.f(place / (problem.levels - 1))[0])
        history.apply(Event(EventKind.MEASURED, trial, 1, {"values": {"y": value}}))
        curve.append(min(problem.regret(value), *curve[-1:], math.inf))
    return curve


def space_of(problem: Problem) -> Space:
    return Space(tuple(Int(f"x{j}", 0, problem.levels - 1) for j in range(problem.d)))


def earlier(problem: Problem, kind: str, seed: int) -> list[PriorRun]:
    """The earlier runs of a seed: three quarters of their trials at random, the rest near the best of
    those, as a search leaves them."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KINDS.index(kind),)))
    return [_run(f"{kind}-{i}", _function(problem, kind, rng), problem, rng) for i in range(RUNS)]


def _run(name: str, f: Function, problem: Problem, rng: np.random.Generator) -> PriorRun:
    d, most = problem.d, problem.levels - 1
    first = rng.integers(0, most, (3 * PRIOR_TRIALS // 4, d), endpoint=True)
    centre = first[int(f(first / most).argmin())]
    moved = np.rint(centre + 0.1 * most * rng.standard_normal((PRIOR_TRIALS - len(first), d)))
    places = np.unique(np.concatenate([first, np.clip(moved, 0, most).astype(int)]), axis=0)
    names = tuple(f"x{j}" for j in range(d))
    params = tuple(dict(zip(names, row, strict=True)) for row in places.tolist())
    values = tuple(f(places / most).tolist())
    return PriorRun(name, "", names, params, values, (None,) * len(places))


def _function(problem: Problem, kind: str, rng: np.random.Generator) -> Function:
    if kind == "misleading":
        return lambda X: -problem.f(X)
    if kind == "irrelevant":
        frequency, phase = 4.0 * rng.standard_normal((problem.d, _COSINES)), rng.random(_COSINES)
        return lambda X: np.asarray(np.cos(X @ frequency + 2.0 * np.pi * phase).sum(axis=1))
    moved, unit = MOVED * rng.uniform(-1.0, 1.0, problem.d), math.exp(rng.standard_normal())
    return lambda X: 3.0 + unit * problem.f(_mirrored(X + moved))


def _mirrored(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """What left [0, 1] is thrown back at its edge."""
    return np.asarray(1.0 - np.abs(1.0 - np.abs(X)))


def _unit(f: Any) -> Function:
    low, high = f.bounds.numpy()
    return lambda X: np.asarray(f(torch.from_numpy(low + X * (high - low))).numpy())


def ratios(
    found: Mapping[str, Mapping[str, list[list[float]]]], trials: int, to: str
) -> dict[str, dict[str, list[float]]]:
    """By arm and trial: the geometric mean over problems and seeds of regret / regret of the arm `to`,
    with its 95 % bootstrap interval over pairs. `course` is the geometric mean of all trials."""
    out: dict[str, dict[str, list[float]]] = {}
    arms = next(iter(found.values()))
    for arm in arms:
        if arm == to:
            continue
        logs = np.concatenate([_logs(of[arm]) - _logs(of[to]) for of in found.values()])
        shown = sorted({max(1, trials // 3), max(1, 2 * trials // 3), trials})
        out[arm] = {f"trial {at}": _interval(logs[:, at - 1]) for at in shown}
        out[arm]["course"] = _interval(logs.mean(axis=1))
    return out


def _logs(curves: list[list[float]]) -> NDArray[np.float64]:
    """(seeds, trials)"""
    return np.asarray(np.log(np.maximum(np.array(curves), _LEAST)))


def _interval(logs: NDArray[np.float64]) -> list[float]:
    rng = np.random.default_rng(0)
    means = rng.choice(logs, (2000, len(logs))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return [round(float(np.exp(v)), 3) for v in (logs.mean(), low, high)]


def table(result: dict[str, Any]) -> str:
    """The result for a person."""
    lines = [
        f"geometric means of a regret over that of a cold start, {len(result['seeds'])} seeds each of "
        f"{', '.join(result['curves'])}, with 95 % intervals:"
    ]
    for to, of in result["ratios"].items():
        lines.append(f"  over {to:9}" + "".join(f"{at:>22}" for at in next(iter(of.values()))))
        for arm, at in of.items():
            cells = (f"{mean:.2f} [{low:.2f}, {high:.2f}]" for mean, low, high in at.values())
            lines.append(f"    {arm:10}" + "".join(f"{cell:>22}" for cell in cells))
    return "\n".join(lines)
