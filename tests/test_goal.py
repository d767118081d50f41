"""What a campaign may be after."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError

import pytest

from matscout.errors import InputError
from matscout.goal import GOALS, Goal


def test_every_goal_goes_to_a_dict_and_back() -> None:
    for kind in GOALS:
        goal = Goal(kind, 0.01, 40.0)
        assert Goal.from_dict(goal.to_dict()) == goal
    assert Goal.from_dict({}) == Goal() == Goal("best", 0.05, None)
    assert Goal.from_dict({"kind": "top", "top": 0.1}).top == 0.1


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"kind": "tpo"}, "goal: unknown 'tpo'; did you mean 'top'?"),
        ({"kid": "top"}, "goal: unknown key 'kid'; did you mean 'kind'?"),
        ({"top": 0.0}, "goal.top: must be a share between 0 and 1, got 0"),
        ({"top": 1.0}, "got 1"),
        ({"top": 5}, "got 5"),
        ({"top": math.nan}, "got nan"),
        ({"kind": "rare"}, "goal.threshold: goal 'rare' needs one; name the limit"),
        ({"kind": "threshold"}, "goal 'threshold' needs one"),
        ({"kind": "rare", "threshold": math.inf}, "must be a finite number, got inf"),
        ({"threshold": math.nan}, "must be a finite number, got nan"),
    ],
)
def test_mistakes_are_one_line(raw: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as mistake:
        Goal.from_dict(raw)
    assert message in str(mistake.value) and "\n" not in str(mistake.value)


@pytest.mark.parametrize(
    "raw", [{"top": "5%"}, {"top": None}, {"threshold": "40"}, {"kind": ["a"]}]
)
def test_what_is_no_number_is_a_mistake_too(raw: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Goal.from_dict(raw)


def test_a_goal_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Goal().top = 0.5  # type: ignore[misc]
