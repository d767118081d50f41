"""What `GpSampler` suggests, once an Optuna study has been made a space and a history."""

from __future__ import annotations

from dataclasses import dataclass

from matscout.errors import InputError
from matscout.propose.gp import LEAST_DATA, STARTS, GpProposer
from matscout.propose.instead import FAILURES, Instead
from matscout.propose.measured_cost import measured_cost
from matscout.propose.sampler.again import again
from matscout.propose.sampler.joint import joint_model
from matscout.propose.sampler.linear import impossible
from matscout.propose.sampler.told import Told
from matscout.propose.toolbox import SpaceTools, Toolbox, generator
from matscout.trial import Proposal


@dataclass(frozen=True)
class Choice:
    """The options of `GpSampler` that say how a point is chosen."""

    startup: int
    start: str
    acquisition: str | None
    beta: float | None
    cost: bool
    budget: float | None
    replicates: bool

    def proposal(self, known: Told, seed: int) -> Proposal:
        """A pure function of what is known. InputError where the constraints leave no point."""
        # Two processes that ask at once cannot see each other, and must not both take the next
        # point of one sequence.
        start = "random" if known.unseen else self.start
        try:
            if known.constraints or len(known.history.targets) > 1:
                return self._jointly(known, start, seed)
            return self._singly(known, start, seed)
        except InputError as error:
            raise impossible() if error.where == "space.constraints" else error from None

    def _singly(self, known: Told, start: str, seed: int) -> Proposal:
        # A new one: proposers keep what they derived last, which other studies must not see.
        proposer = GpProposer(
            self.startup, self.acquisition, self.beta, start, self.cost, self.budget
        )
        repeat = self._repeat(known)
        found = repeat or proposer.propose(known.space, known.history, 1, seed=seed)
        return found[0] if found else self._again(known, seed)

    def _repeat(self, known: Told) -> list[Proposal]:
        if not self.replicates or len(known.history.trials) < self.startup:
            return []
        try:
            found = again(SpaceTools(known.space), known.history)
        except FAILURES:  # the proposer meets it too, and says what became of it
            return []
        return [] if found is None else [found]

    def _jointly(self, known: Told, start: str, seed: int) -> Proposal:
        history, tools = known.history, SpaceTools(known.space)
        measured = [t for t in history.completed if history.targets[0].name in t.values]
        if len(history.trials) < self.startup or len(measured) < LEAST_DATA:
            found = STARTS[start]().propose(known.space, history, 1, seed=seed)
            return found[0] if found else self._again(known, seed)
        taken, rng = Toolbox().taken(known.space, history), generator(seed, 0)
        try:
            cost = measured_cost(tools, history, self.startup, self.budget) if self.cost else None
            model = joint_model(tools, history, known.constraints, seed, cost)
            return model.propose(taken, rng) or self._again(known, seed)
        except FAILURES as failure:
            other = Instead().propose(known.space, history, 1, seed=seed, failure=failure)
            return other[0] if other else self._again(known, seed)

    def _again(self, known: Told, seed: int) -> Proposal:
        """Every point was asked for: the best of those that are not under way, once more."""
        history, tools = known.history, SpaceTools(known.space)
        pending, rng = {tools.key(dict(t.params)) for t in history.pending}, generator(seed, 1)
        why: dict[str, str] = {}
        if history.completed:
            try:
                found = joint_model(tools, history, known.constraints, seed).propose(pending, rng)
                if found is not None:
                    return found
            except FAILURES as failure:
                why = {"fallback": str(failure)}
        point = tools.random_new(set(), rng)
        if point is None:
            raise impossible()
        return Proposal(point, why={"rule": "random", **why})
