"""Whether to tune at all: a loss is declined, a strong gain is taken, in doubt one half decides."""

from __future__ import annotations

import numpy as np
import pytest

from matscout.errors import InputError
from matscout.evaluate.choose import PAYS, RULES, Tried, blend, choose
from matscout.models.metrics import METRICS

MAE = METRICS["mae"]


def tried(
    n: int, seed: int, noise: list[float], default: float, repeats: int = 2, groups: int = 0
) -> Tried:
    """Configurations whose predictions are off by a normal error with these standard deviations."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    guesses = np.stack([truth + s * rng.normal(size=(repeats, n)) for s in noise])
    unit = np.arange(n) % groups if groups else np.arange(n)
    return Tried(truth, guesses, truth + default * rng.normal(size=(repeats, n)), unit)


def test_choosing_among_equals_is_often_declined_and_said() -> None:
    """Twenty copies of the same mediocre model, all with the errors of the default and a little luck."""
    declined = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        truth = rng.normal(size=30)
        shared = truth + rng.normal(size=(1, 30))
        guesses = shared + 0.1 * rng.normal(size=(20, 1, 30))
        found = choose("auto", Tried(truth, guesses, shared, np.arange(30)), MAE)
        best = choose("best", Tried(truth, guesses, shared, np.arange(30)), MAE)
        assert (found.members == ()) == (found.share <= PAYS)
        declined += found.members == ()
        if not found.members:
            assert found.why.startswith("tuning declined") and "the defaults are used" in found.why
            assert best.members and best.inner < best.honest
    assert declined >= 8


def test_worse_configurations_are_declined() -> None:
    found = choose("auto", tried(40, 0, [2.0, 2.5, 3.0], default=0.5), MAE)
    assert found.members == () and found.gain < 0 and found.share == 0
    assert found.inner == choose("none", tried(40, 0, [2.0, 2.5, 3.0], default=0.5), MAE).inner


def test_a_strong_gain_on_many_rows_is_taken() -> None:
    data = tried(300, 1, [0.2, 1.0, 0.25, 0.3, 2.0], default=1.0)
    found = choose("auto", data, MAE)
    assert found.members == (0, 2, 3) and found.share == 1
    assert found.why.startswith("tuned: ")
    assert found.inner == choose("average", data, MAE).inner
    assert choose("best", data, MAE).members == (0,)


@pytest.mark.parametrize(
    ("name", "default"), [("mae", 0.55), pytest.param("mcc", 0.8, marks=pytest.mark.slow)]
)
def test_in_doubt_it_is_all_or_nothing(name: str, default: float) -> None:
    """Whatever the metric sees: `average` above one half, else `none`, and what that claims."""
    taken = []
    for seed in range(8):
        data = tried(20, seed, [0.9] * 6, default=default)
        if METRICS[name].sees == "label":
            parts = (data.truth, data.guesses, data.default)
            data = Tried(*((part > 0).astype(float) for part in parts), data.unit)
        found = choose("auto", data, METRICS[name])
        rule = "average" if found.share > PAYS else "none"
        other = choose(rule, data, METRICS[name])
        assert found.members == other.members and found.inner == other.inner
        if found.members:
            assert found.honest == other.honest
        taken.append(rule)
    assert len(set(taken)) == 2


def test_what_is_claimed_is_corrected_for_the_choice() -> None:
    """Of forty useless predictions the best looks good; on rows that did not choose it, it does not."""
    flattered, honest, chance = [], [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        truth = rng.normal(size=30)
        guesses = rng.normal(size=(40, 1, 30))
        found = choose("best", Tried(truth, guesses, guesses[0], np.arange(30)), MAE)
        flattered.append(found.inner)
        honest.append(found.honest)
        chance.append(np.abs(guesses - truth).mean())
    assert np.mean(flattered) < np.mean(chance) - 0.15
    assert abs(np.mean(honest) - np.mean(chance)) < 0.06


def test_rows_of_a_group_choose_and_judge_together() -> None:
    """Two groups of ten: every bootstrap that leaves one out leaves all of it out."""
    found = choose("auto", tried(20, 3, [0.5, 0.6], default=1.0, groups=2), MAE)
    assert np.isfinite(found.honest)
    alone = choose("auto", tried(20, 3, [0.5, 0.6], default=1.0, groups=1), MAE)
    assert alone.members == () and "too few rows" in alone.why


@pytest.mark.parametrize("name", ["rmse", "r2", "mcc", "pr_auc"])
def test_other_metrics(name: str) -> None:
    metric = METRICS[name]
    data = tried(60, 4, [0.1, 2.0, 0.1, 0.1], default=3.0)
    truth, guesses, default = data.truth, data.guesses, data.default
    if metric.task == "classification":
        truth = (truth > 0).astype(float)
    if metric.sees == "label":
        guesses, default = (guesses > 0).astype(float), (default > 0).astype(float)
    found = choose("auto", Tried(truth, guesses, default, data.unit), metric)
    assert sorted(found.members) == [0, 2, 3] and found.gain > 0
    assert found.inner == pytest.approx(found.honest, abs=0.1)


def test_the_same_arguments_give_the_same_choice() -> None:
    data = tried(50, 5, [0.8, 0.9, 1.0], default=1.0)
    assert choose("auto", data, MAE, 3) == choose("auto", data, MAE, 3)


def test_predictions_are_averaged_and_labels_are_voted_for() -> None:
    guesses, default = np.array([[1.0, 4.0], [3.0, 6.0]]), np.array([0.0, 1.0])
    assert blend(guesses, default, MAE).tolist() == [2.0, 5.0]
    assert blend(guesses[:0], default, MAE) is default
    votes = np.array([[0.0, 2.0], [1.0, 2.0], [1.0, 0.0], [0.0, 2.0]])
    assert blend(votes, default, METRICS["mcc"]).tolist() == [0.0, 2.0]


def test_nothing_tried_and_no_such_rule() -> None:
    data = tried(10, 6, [1.0], default=1.0)
    empty = Tried(data.truth, data.guesses[:0], data.default, data.unit)
    for rule in RULES:
        assert choose(rule, empty, MAE).members == ()
    with pytest.raises(InputError, match="no rule is called 'bset'; did you mean 'best'"):
        choose("bset", data, MAE)


def test_greedy_adds_what_helps_and_leaves_out_what_does_not() -> None:
    """Two whose errors cancel are better than one; a copy and a poor one add nothing."""
    truth = np.linspace(0.0, 1.0, 40)
    error = np.where(np.arange(40) % 2 == 0, 0.2, -0.1)
    guesses = np.stack([truth + error, truth - 1.1 * error, truth + error, truth + 5.0])[:, None]
    given = Tried(truth, guesses, truth[None] + 1.0, np.arange(40))
    assert choose("greedy", given, MAE).members == (0, 1)
    poor = Tried(truth, guesses[[0, 3]], truth[None] + 1.0, np.arange(40))
    assert choose("greedy", poor, MAE).members == (0,)
    assert len(choose("average", poor, MAE).members) == 2
    found = choose("greedy", tried(60, 0, [1.0] * 9, default=1.0), MAE)
    assert len(found.members) == 5 and found.inner < 0.7
