"""Picks the proposer for a sweep, and says why. A rule of thumb, not a model: it can be read below."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

from matscout.errors import InputError, require_whole
from matscout.history import History
from matscout.propose.base import Proposer
from matscout.propose.encode import Encoding
from matscout.propose.memo import Memo
from matscout.space import Space
from matscout.trial import Proposal, State

TOO_FEW = 10
"""Trials of which a model learns nothing in time: `gp` and `tpe` would spend them on their start."""

MANY = 500
"""Trials beyond which a Gaussian process's fit, cubic in their number, costs more than it gains on
TPE, whose ask is linear in it."""

THOUSANDS = 1000
"""Trials from which a genetic algorithm has generations enough to spread over a front (20 of 50)."""

BRANCHES = 4
"""Conditions up to which a Gaussian process is used. It learns little from one branch about another
(each has parameters of its own), so that every further one divides its data; TPE's densities of
each group of parameters do with less."""

COLUMNS = 100
"""Columns up to which some hundred trials tell a Gaussian process its lengthscales. With 53, 50 of them
yes or no (AckleyMixed, 100 trials, 3 seeds), it found the optimum and TPE did not get near; beyond
100 is a guess, and an ask would take seconds."""

MOST_TARGETS = 3
"""Volumes beyond a front are added up box by box, of which there are too many with a fourth target."""

GP_S, TPE_S = 0.15, 0.012
"""Seconds that a suggestion takes, at 200 and at 1,000 trials. Were trials shorter, workers would wait
for the proposer, and more trials would find more than better ones. A bound of a limit is one model
more, as dear as the first."""

FRONT_S, FURTHER = 0.8, 4.0
"""The same at 200 trials of two targets, and by how much a third one multiplies it (six parameters,
CPU time of one suggestion after another: 0.7 and 0.9 s with two, 3.2 s with three)."""

TIMED = 10
"""The first so many complete trials say how long one takes. Not more: the choice should settle."""


class AutoProposer:
    """One of `gp`, `tpe`, `sobol` and `nsga2`, by what is known of the sweep:

    a pool: gp; two targets and more in thousands of trials: nsga2; ten trials or fewer: sobol; workers
    that would wait for the model: tpe, or sobol if even for that; more than 3 targets, 4 conditions,
    100 columns or 500 trials: tpe; else gp.

    `budget` and `workers` are the run's; `trial_s` is how long a trial takes, and if None it is the
    median cost of the first complete ones, which stand in the journal. Every proposal says under
    `auto` what was picked and why.
    """

    name = "auto"

    def __init__(self, budget: int = 100, workers: int = 1, trial_s: float | None = None) -> None:
        for option, value in (("budget", budget), ("workers", workers)):
            require_whole(f"proposer.{option}", value, 1)
        if trial_s is not None and not 0.0 < trial_s < float("inf"):
            raise InputError("proposer.trial_s", f"must be above 0 seconds, got {trial_s!r}")
        self.budget, self.workers, self.trial_s = budget, workers, trial_s
        self._size = Memo(_Size)
        self._made: dict[str, Proposer] = {}

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        name, reason = self.choice(space, history)
        if name not in self._made:
            self._made[name] = _make(name)
        proposals = self._made[name].propose(space, history, n, seed=seed)
        return [replace(p, why={**p.why, "auto": f"{name}: {reason}"}) for p in proposals]

    def choice(self, space: Space, history: History) -> tuple[str, str]:
        """The proposer by name, and the reason in words. A function of its arguments and options."""
        if space.pool is not None:
            return "gp", "the space is a pool"
        size: _Size = self._size(space)
        targets, budget = len(history.targets), self.budget
        if targets > 1 and budget >= THOUSANDS:
            return "nsga2", f"{targets} targets and {budget} trials, enough for many generations"
        if budget <= TOO_FEW:
            return "sobol", f"{budget} trials are too few to learn from"
        pace = self._pace(history)
        if pace is not None and pace < _gp_s(history):
            said = f"a suggestion is wanted every {pace:.2g} s"
            return ("tpe" if pace >= TPE_S else "sobol"), f"{said}, faster than a model is fitted"
        if targets > MOST_TARGETS:
            return "tpe", f"{targets} targets are too many to add up what lies beyond their front"
        if size.conditions > BRANCHES:
            return "tpe", f"{size.conditions} conditions divide the space into many branches"
        if size.columns > COLUMNS:
            return "tpe", f"{size.columns} columns are more than some hundred trials can tell apart"
        if budget > MANY:
            return "tpe", f"{budget} trials are too many for a Gaussian process"
        few = f"{size.conditions or 'no'} condition{'' if size.conditions == 1 else 's'}"
        front = f", {targets} targets" if targets > 1 else ""
        return "gp", f"{budget} trials, {size.columns} columns, {few}{front}"

    def _pace(self, history: History) -> float | None:
        """Seconds between two suggestions that keep all workers busy; None while it is unknown."""
        if self.trial_s is not None:
            return self.trial_s / self.workers
        if history.count(State.COMPLETE) < TIMED:
            return None
        costs = [t.cost_s for t in history.completed[:TIMED]]
        return median(costs) / self.workers if min(costs) > 0.0 else None


def _gp_s(history: History) -> float:
    """Seconds that a suggestion of gp takes."""
    bounds = sum(len(limit.bounds) for limit in history.limits)
    several = len(history.targets) - 1
    first = FRONT_S * FURTHER ** (several - 1) if several > 0 else GP_S
    return first + GP_S * bounds


class _Size:
    def __init__(self, space: Space) -> None:
        self.columns = len(Encoding(space).columns)
        self.conditions = len({repr(sorted(p.when.items())) for p in space.parameters if p.when})


def _make(name: str) -> Proposer:
    # Here, for each loads a library of its own: torch for one of them, which takes seconds.
    if name == "gp":
        from matscout.propose.gp import GpProposer

        return GpProposer()
    if name == "tpe":
        from matscout.propose.tpe import TpeProposer

        return TpeProposer()
    if name == "nsga2":
        from matscout.propose.nsga import Nsga2Proposer

        return Nsga2Proposer()
    from matscout.propose.sobol import SobolProposer

    return SobolProposer()
