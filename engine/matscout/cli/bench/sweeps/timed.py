"""An arm with a watch."""

from __future__ import annotations

from dataclasses import dataclass, field

from matscout.cli.bench.sweeps.arms import Arm
from matscout.cli.bench.sweeps.problems.problem import Observed
from matscout.trial import Params


@dataclass
class Timed:
    """What the arm does when told counts towards the next suggestion."""

    arm: Arm
    ask_s: list[float] = field(default_factory=list)
    _unpaid_s: float = 0.0

    def ask(self) -> Params | None:
        before_s = self.arm.used_s()
        params = self.arm.ask()
        self._unpaid_s += self.arm.used_s() - before_s
        if params is not None:
            self.ask_s.append(self._unpaid_s)
            self._unpaid_s = 0.0
        return params

    def stopped(self, trial: int, step: int, value: float) -> bool:
        return self.arm.stopped(trial, step, value)

    def tell(self, trial: int, seen: Observed) -> None:
        before_s = self.arm.used_s()
        self.arm.tell(trial, seen)
        self._unpaid_s += self.arm.used_s() - before_s

    def used_s(self) -> float:
        return self.arm.used_s()
