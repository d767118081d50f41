from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from matscout.cli.bench.sweeps.arms import made, refusal
from matscout.cli.bench.sweeps.play import sweep
from matscout.cli.bench.sweeps.problems.fidelity import WHOLE
from matscout.cli.bench.sweeps.problems.named import problem
from matscout.cli.bench.sweeps.problems.problem import Observed, Problem
from matscout.cli.bench.sweeps.stepwise import stepwise
from matscout.trial import Params

POINT: Params = {f"x{i + 1}": 0.5 for i in range(6)}


def augmented(budget: int) -> Problem:
    return replace(problem("augmented_hartmann", {}), budget=budget)


@dataclass
class Stops:
    """Stops trial k where `at[k]` says; 0: not at all."""

    at: list[int]
    asked: int = 0
    told: list[int] = field(default_factory=list)

    def ask(self) -> Params | None:
        if self.asked == len(self.at):
            return None
        self.asked += 1
        return POINT

    def stopped(self, trial: int, step: int, value: float) -> bool:
        return step == self.at[trial]

    def tell(self, trial: int, seen: Observed) -> None:
        self.told.append(trial)

    def used_s(self) -> float:
        return 0.0


def test_a_stopped_trial_costs_the_steps_that_it_had_and_is_told_of_no_more() -> None:
    arm = Stops([0, 1, 3, 0, 1])
    told, ends = stepwise(augmented(4), arm, 0)
    assert arm.told == [0, 3] and len(told) == 2
    assert ends == [WHOLE, WHOLE + 1 + 3 + WHOLE]


def test_what_is_under_way_when_the_steps_are_spent_does_not_count() -> None:
    arm = Stops([0, 1, 0, 0])
    told, ends = stepwise(augmented(2), arm, 0)
    assert ends == [WHOLE] and arm.told == [0]
    assert arm.asked == 3 and len(told) == 1


@pytest.mark.parametrize("arm", ["random_asha", "tpe_asha", "optuna_gp_asha", "gp_asha"])
def test_an_arm_that_stops_trials_asks_for_more_of_them_and_repeats_itself(arm: str) -> None:
    one = augmented(8)
    first, again = (sweep(one, arm, 1, {}) for _ in range(2))
    assert replace(first, ask_s=()) == replace(again, ask_s=())
    assert len(first.ask_s) > 8
    assert first.at_s == tuple(60.0 * (n + 1) for n in range(8))
    assert list(first.regret) == sorted(first.regret, reverse=True)


@pytest.mark.parametrize("arm", ["random", "gp"])
def test_an_arm_that_stops_none_plays_whole_trials(arm: str) -> None:
    swept = sweep(augmented(3), arm, 0, {})
    assert len(swept.regret) == len(swept.at_s) == 3 and 3 <= len(swept.ask_s) <= 4


def test_a_stopped_trial_is_pruned_with_what_it_said() -> None:
    arm = made("gp_asha", augmented(8), 0, {})
    for trial, value in enumerate((-3.0, -2.0, -1.0)):
        arm.ask()
        assert arm.stopped(trial, 1, value) == (trial == 2)
    pruned = arm._history.trials[2]  # type: ignore[attr-defined]
    assert pruned.state == "pruned" and pruned.reports[-1].values == {"y": -1.0}


def test_where_trials_say_nothing_on_the_way_none_is_stopped() -> None:
    assert refusal("gp_asha", problem("branin", {}), {}) == "its trials say nothing on the way"
    assert not refusal("gp_asha", augmented(2), {})
