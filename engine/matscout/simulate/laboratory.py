"""The evaluator of the simulator: quick, and bad in every way that its scenario says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from matscout.errors import ExperimentFailed
from matscout.evaluate.base import Context, Joining, Part
from matscout.simulate.ledger import Ledger
from matscout.simulate.scenario import Scenario
from matscout.trial import Measurement, Params, Report, Target

TARGET = Target("y", "max")

INVALID: tuple[Any, ...] = (
    float("nan"), float("inf"), -float("inf"), "0.5", "many", None, 1 + 2j, [1.0, 2.0], True, 10**400,
)  # fmt: skip


@dataclass(frozen=True)
class Laboratory:
    """Every draw depends on (seed, trial, attempt) alone; of a divided trial on (seed, trial).

    So a result is known before it is measured, and can be told from that of every other attempt.
    """

    scenario: Scenario
    ledger: Ledger

    indivisible = ""

    @property
    def costly(self) -> bool:
        return self.scenario.policy.costly

    def evaluate(self, params: Params, context: Context) -> Iterator[Report | Measurement]:
        self.ledger.begun[context.trial, context.attempt] += 1
        rng = self._rng(context.trial, context.attempt)
        deaf = rng.random() < self.scenario.rates.deaf
        for step in range(1, self.scenario.steps + 1):
            yield self._report(context.trial, step)
            if context.should_stop() and not deaf:
                return
        yield self._last_word(context.trial, context.attempt)

    def truth(self, trial: int, attempt: int) -> float:
        """The value that an attempt measures, where it measures one."""
        return self._quality(trial) + (0.0 if self.scenario.parts else 1e-4 * attempt)

    # -- divided ------------------------------------------------------------------------------

    def parts(self, params: Params) -> int:
        return self.scenario.steps + 1

    def reported_before(self, params: Params, number: int) -> int:
        return number

    def part_fingerprint(self, params: Params, seed: int, number: int) -> str:
        return f"{seed} {number} {sorted(params.items())}"

    def evaluate_part(self, params: Params, number: int, context: Context) -> Part | None:
        self.ledger.begun[context.trial, context.attempt, number] += 1
        return None if context.should_stop() else Part({"number": number})

    def joining(self, params: Params, context: Context) -> Joining:
        return _Join(self, context.trial)

    # -- what it says -------------------------------------------------------------------------

    def _report(self, trial: int, step: int) -> Report:
        return Report(step, {"y": self._quality(trial) + 0.1 * np.sin(7.0 * trial + step)})

    def _quality(self, trial: int) -> float:
        return float(np.sin(12.9898 * trial + self.scenario.seed))

    def _last_word(self, trial: int, attempt: int) -> Measurement:
        rng, rates = self._rng(trial, attempt + 1000), self.scenario.rates
        luck = rng.random()
        if luck < rates.failed:
            raise ExperimentFailed("the sample broke")
        if luck < rates.failed + rates.broken:
            raise RuntimeError("the lamp went out")
        if luck < rates.failed + rates.broken + rates.invalid:
            bad: Any = INVALID[int(rng.integers(len(INVALID)))]
            return Measurement({"z": 1.0} if rng.random() < 0.2 else {"y": bad})
        return Measurement({"y": self.truth(trial, attempt)})

    def _rng(self, trial: int, attempt: int) -> np.random.Generator:
        key = (1, trial, attempt)
        return np.random.default_rng(np.random.SeedSequence(self.scenario.seed, spawn_key=key))


@dataclass
class _Join:
    """The parts of one trial say what `evaluate` would."""

    whole: Laboratory
    trial: int
    joined: int = 0

    def add(self, part: Part) -> Sequence[Report | Measurement]:
        assert part.state["number"] == self.joined, "parts are joined in their order"
        self.joined += 1
        if self.joined <= self.whole.scenario.steps:
            return [self.whole._report(self.trial, self.joined)]
        return [self.whole._last_word(self.trial, 0)]
