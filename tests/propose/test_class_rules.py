"""Strategies for classes: each goes by its card, and fills a batch as it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from matscout.acquire.bald import Bald
from matscout.acquire.committee_kl import CommitteeKL
from matscout.acquire.entropy import Entropy
from matscout.acquire.least_confident import LeastConfident
from matscout.acquire.margin import Margin
from matscout.acquire.membership import Membership, MembershipScore
from matscout.acquire.rarity import RarityWeightedEntropy
from matscout.acquire.vote_entropy import VoteEntropy
from matscout.event import EventKind
from matscout.goal import Goal
from matscout.pool import Pool
from matscout.propose.candidates import Candidates
from matscout.propose.strategies import classes
from matscout.propose.strategies.classes import ClassRule
from matscout.propose.strategies.named import CLASSES, strategy
from matscout.propose.strategies.view import PoolView

pytestmark = pytest.mark.usefixtures("few_trees")

Tell = Callable[..., Any]
RNG = np.random.default_rng(8)
TABLE = RNG.random((80, 2))
SEEN = tuple(range(24))
GOAL = Goal("rare", threshold=0.5)


def passes(row: int) -> float:
    return float(TABLE[row, 0] + 0.3 * TABLE[row, 1] > 0.85)


def amount(row: int) -> float:
    return float(TABLE[row, 0] + 0.3 * TABLE[row, 1] - 0.35)


def viewed(
    tell: Tell,
    value: Callable[[int], float] = passes,
    *,
    seen: tuple[int, ...] = SEEN,
    pending: tuple[int, ...] = (),
    ended: tuple[int, ...] = (),
    kind: EventKind = EventKind.FAILED,
    seed: int = 0,
) -> PoolView:
    story = tell(direction="max")
    for row in seen:
        story.measured(story.asked({}, f"x{row}"), value(row))
    for row in pending:
        story.asked({}, f"x{row}")
    for row in ended:
        story.ended(story.asked({}, f"x{row}"), kind)
    columns = {"a": tuple(TABLE[:, 0].tolist()), "b": tuple(TABLE[:, 1].tolist())}
    pool = Pool(tuple(f"x{i}" for i in range(80)), columns, ("a", "b"))
    return PoolView(Candidates(pool), story.history, GOAL, seed)


CARDS: dict[str, tuple[MembershipScore, classes.Committee]] = {
    "entropy": (Entropy(), classes.by_mixture),
    "margin": (Margin(), classes.by_mixture),
    "least_confident": (LeastConfident(), classes.by_mixture),
    "vote_entropy": (VoteEntropy(), classes.by_trees),
    "consensus_entropy": (Entropy(), classes.by_trees),
    "committee_kl": (CommitteeKL(), classes.by_mixture),
    "bald": (Bald(), classes.by_process),
    "quota": (Entropy(), classes.by_mixture),
}


@pytest.mark.parametrize("value", [passes, amount])
@pytest.mark.parametrize("name", sorted(CLASSES))
def test_scores_are_the_cards_of_the_committee(
    name: str, value: Callable[[int], float], tell: Tell
) -> None:
    view = viewed(tell, value)
    positives = int((view.Y[:, 0] >= 0.5).sum())
    weighted = RarityWeightedEntropy((len(SEEN) - positives, positives)), classes.by_mixture
    card, committee = CARDS.get(name, weighted)
    members = committee(view, torch.arange(80), 10)
    assert members.shape[1] == 80 and bool(((members > 0) & (members < 1)).all())
    expected = card(Membership.binary(members))
    assert strategy(name, GOAL).scores(view).numpy() == pytest.approx(expected.numpy())
    assert float(expected.max()) > float(card(Membership.binary(torch.zeros(1))))


def test_a_quantity_has_regressors_in_its_committee_and_a_class_has_none(tell: Tell) -> None:
    assert len(classes.by_mixture(viewed(tell, amount), torch.arange(3), 10)) == 4
    assert len(classes.by_mixture(viewed(tell, passes), torch.arange(3), 10)) == 2
    assert len(classes.by_trees(viewed(tell), torch.arange(3), 10)) == 10


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_what_fails_is_worth_less_and_left_out(name: str, tell: Tell) -> None:
    near = tuple(np.argsort(np.abs(TABLE[:, 0] + 0.3 * TABLE[:, 1] - 0.85)))
    bad = tuple(int(row) for row in near if row not in SEEN)[:6]
    failed = viewed(tell, ended=bad)
    withdrawn = viewed(tell, ended=bad, kind=EventKind.ABANDONED)
    rule = strategy(name, GOAL)
    settled = -1.0 if name == "margin" else 0.0
    expected = settled + (rule.scores(withdrawn).numpy() - settled) * failed.works
    assert rule.scores(failed).numpy() == pytest.approx(expected)
    rows = [row for row, _ in rule.pick(failed, 4)]
    assert failed.works[rows].min() >= 0.5 * failed.works[failed.free].max()


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_a_batch_is_spread_and_keeps_away_from_what_is_pending(name: str, tell: Tell) -> None:
    view = viewed(tell)
    rule = strategy(name, GOAL)
    rows = [row for row, _ in rule.pick(view, 4)]
    again = viewed(tell, pending=tuple(rows))
    more = [row for row, _ in rule.pick(again, 4)]
    assert len({*rows, *more}) == 8
    best = torch.argsort(rule.scores(again)[again.free], descending=True)[:4]
    top = again.unit[again.free][best]
    assert gap(again.unit[more], again.unit[rows]) >= gap(top, again.unit[rows])
    if name != "quota":  # whose first half is spread over other candidates than its second
        assert gap(view.unit[rows]) > 0.03


def gap(X: torch.Tensor, others: torch.Tensor | None = None) -> float:
    """The least distance from X to others, or within X."""
    if others is not None:
        return float(torch.cdist(X, others).min())
    return float(torch.pdist(X).min())


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_one_class_alone_is_no_reason_to_follow_the_tables_order(name: str, tell: Tell) -> None:
    firsts = set()
    for seed in range(8):
        view = viewed(tell, lambda row: 0.0, seed=seed)
        firsts.add(strategy(name, GOAL).pick(view, 1)[0][0])
    assert len(firsts) > 4


def test_half_of_a_batch_is_kept_for_those_that_are_likely_to_pass(tell: Tell) -> None:
    view = viewed(tell)
    with_quota = ClassRule("quota", lambda labels: Entropy(), classes.by_mixture, 0.5, 20)
    without = ClassRule("entropy", lambda labels: Entropy(), classes.by_mixture, 0.0, 20)
    kept = [float(why["p_positive"]) for _, why in with_quota.pick(view, 6)]
    free = [float(why["p_positive"]) for _, why in without.pick(view, 6)]
    assert sum(p >= 0.5 for p in kept) >= 3 and sorted(kept)[-3:] >= sorted(free)[-3:]


@pytest.mark.parametrize("name", ["entropy", "vote_entropy", "quota"])
def test_one_candidate_left(name: str, tell: Tell) -> None:
    view = viewed(tell, seen=tuple(range(79)))
    assert [row for row, _ in strategy(name, GOAL).pick(view, 5)] == [79]


def test_entropy_learns_a_border_sooner_than_chance(tell: Tell) -> None:
    """Labels by the strategy against as many at random: errors on all 80, over five starts."""
    truth = np.array([passes(row) for row in range(80)]) > 0.5

    def errors(seen: tuple[int, ...]) -> int:
        p = classes.by_mixture(viewed(tell, seen=seen), torch.arange(80), 20).mean(0)
        return int(((p.numpy() > 0.5) != truth).sum())

    ours, chance = 0, 0
    for seed in range(5):
        order = tuple(np.random.default_rng(seed).permutation(80).tolist())
        seen = order[:8]
        for _ in range(4):
            view = viewed(tell, seen=seen, seed=seed)
            rows = strategy("entropy", GOAL).pick(view, 4)
            seen = (*seen, *(row for row, _ in rows))
        ours, chance = ours + errors(seen), chance + errors(order[: len(seen)])
    assert ours < chance
