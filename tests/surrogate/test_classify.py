from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, log_loss

from matscout.surrogate.classify import Classifier, ConstantMembership, Membership
from matscout.surrogate.classify_forest import ForestClassifier
from matscout.surrogate.classify_gp import GpClassifier, GpMembership
from matscout.surrogate.forest import Forest
from matscout.surrogate.gp import GaussianProcess
from matscout.surrogate.membership import ExceedanceMembership, MixedMembership
from matscout.surrogate.rare_mixture import RareMixture

Tensor = torch.Tensor

CLASSIFIERS: dict[str, Callable[[], Classifier]] = {
    "forest": lambda: ForestClassifier(trees=60),
    "balanced": lambda: ForestClassifier(trees=60, balanced=True),
    "gp": GpClassifier,
}
EACH = pytest.mark.parametrize("make", CLASSIFIERS.values(), ids=CLASSIFIERS.keys())


def data(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """X (n, 4) and Y (n, 1); a tenth is above 2.1."""
    rng = np.random.default_rng(seed)
    X = rng.random((n, 4))
    y = np.sin(5 * X[:, 0]) + X[:, 1] ** 2 + X[:, 2] + 0.2 * rng.standard_normal(n)
    return torch.from_numpy(X), torch.from_numpy(y).unsqueeze(-1)


def check(membership: Membership, X: Tensor) -> Tensor:
    p, members = membership.probability(X), membership.members(X)
    assert p.shape == (len(X),) and members.shape[1:] == p.shape
    assert ((p > 0) & (p < 1)).all() and ((members >= 0) & (members <= 1)).all()
    assert torch.allclose(members.mean(0), p, atol=0.02)
    return p


@EACH
@pytest.mark.parametrize("n", [0, 1, 2, 3, 30])
@pytest.mark.parametrize("limit", [-9.0, 1.4, 9.0])
def test_however_few_and_one_class_alone(
    make: Callable[[], Classifier], n: int, limit: float
) -> None:
    X, Y = data(n)
    labels = Y[:, 0] > limit
    p = check(make().fit(X, labels), data(5, 1)[0])
    if limit != 1.4 or n == 0:
        assert torch.allclose(p, torch.full_like(p, (int(labels.sum()) + 1) / (n + 2)))


@EACH
def test_it_tells_the_classes_apart(make: Callable[[], Classifier]) -> None:
    X, Y = data(80)
    at, truth = data(500, seed=1)
    labels, answers = Y[:, 0] > 1.6, (truth[:, 0] > 1.6).numpy()
    p = check(make().fit(X, labels), at).numpy()
    base = answers.mean()
    assert average_precision_score(answers, p) > 2 * base
    constant = np.full(500, float(labels.double().mean()))
    assert log_loss(answers, p) < 0.8 * log_loss(answers, constant)


@EACH
def test_order_of_rows_and_repetition(make: Callable[[], Classifier]) -> None:
    X, Y = data(25)
    labels, at = Y[:, 0] > 1.6, data(9, 1)[0]
    order = torch.from_numpy(np.random.default_rng(1).permutation(25))
    first = make().fit(X, labels).probability(at)
    assert torch.equal(make().fit(X, labels).probability(at), first)
    assert torch.allclose(make().fit(X[order], labels[order]).probability(at), first, atol=1e-3)


def test_rows_that_contradict_each_other() -> None:
    X = torch.zeros(4, 2).double()
    labels = torch.tensor([True, False, False, False])
    for make in CLASSIFIERS.values():
        check(make().fit(X, labels), X)
    p = ForestClassifier(trees=20).fit(X, labels).probability(X)
    assert p.tolist() == pytest.approx([0.25] * 4)


def test_leaves_are_smoothed_by_the_base_rate() -> None:
    X = torch.tensor([[0.0], [0.0], [1.0], [1.0], [1.0]]).double()
    labels = torch.tensor([True, True, False, False, False])
    p = ForestClassifier(trees=10).fit(X, labels).probability(X[[0, 4]])
    assert p.tolist() == pytest.approx([(2 + 0.1 * 0.4) / 2.1, 0.1 * 0.4 / 3.1])


def test_the_gp_is_least_squares_classification() -> None:
    X, Y = data(30)
    labels = Y[:, 0] > 1.4
    membership = GpClassifier().fit(X, labels)
    assert isinstance(membership, GpMembership)
    plain = GaussianProcess().fit(X, (2.0 * labels.double() - 1.0).unsqueeze(-1))
    at = data(6, 1)[0]
    mean, sd = plain.mean_sd(at)
    slope, shift = membership.slope, membership.shift
    z = (slope * mean + shift) / torch.sqrt(1 + (slope * sd) ** 2)
    assert torch.allclose(membership.probability(at), torch.special.ndtr(z))
    # By brute force: the mean of the label over draws of f.
    draws = mean + sd * torch.randn(100_000, 1, generator=torch.Generator().manual_seed(0)).double()
    assert torch.allclose(
        torch.special.ndtr(slope * draws + shift).mean(0), membership.probability(at), atol=0.01
    )


def test_exceedance_is_the_gaussian_tail_in_any_unit() -> None:
    X, Y = data(20)
    at = data(7, 1)[0]
    posterior = GaussianProcess().fit(X, Y)
    mean, sd = posterior.mean_sd(at)
    ours = ExceedanceMembership(posterior, 1.5)
    assert torch.allclose(check(ours, at), torch.special.ndtr((mean - 1.5) / sd))
    tiny = ExceedanceMembership(GaussianProcess().fit(X, 1e-9 * Y), 1.5e-9)
    assert torch.allclose(tiny.probability(at), ours.probability(at), rtol=1e-3)


@dataclass(frozen=True)
class Rising:
    """A belief of which only the moments matter: mean x, everywhere as sure."""

    sd: float
    loc: float = 0.0
    scale: float = 1.0

    @property
    def standardised(self) -> Rising:
        return self

    def mean_sd(self, X: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return X[:, 0], torch.full((len(X),), self.sd, dtype=torch.float64)


@pytest.mark.parametrize("limit", [2.0, 40.0])
def test_a_limit_that_is_far_off_is_nearer_to_some(limit: float) -> None:
    """Φ is an exact 0 for all of them; who is likelier is known all the same, in a mixture too."""
    at = torch.linspace(0.0, 1.0, 21, dtype=torch.float64).unsqueeze(-1)
    ours = ExceedanceMembership(Rising(0.02), limit)  # type: ignore[arg-type]
    mixed = MixedMembership([ConstantMembership(0.04), ConstantMembership(0.03), ours])
    for p in (check(ours, at), check(mixed, at)):
        assert bool((p.diff() > 0).all())
    assert float(ours.probability(at).max()) <= 1e-12


def test_a_mixture_is_the_mean_of_its_parts() -> None:
    X, Y = data(20)
    at = data(7, 1)[0]
    parts = [
        ForestClassifier(trees=20).fit(X, Y[:, 0] > 1.4),
        ExceedanceMembership(Forest(trees=20).fit(X, Y), 1.4),
        ConstantMembership(0.2),
    ]
    mixed = MixedMembership(parts)
    expected = torch.stack([part.probability(at) for part in parts]).mean(0)
    assert torch.allclose(check(mixed, at), expected)
    with pytest.raises(ValueError, match="nothing"):
        MixedMembership([])


def test_before_the_first_positive_the_trees_regressor_ranks() -> None:
    X, Y = data(25)
    limit = float(Y.max()) + 0.3
    at, truth = data(400, seed=2)
    membership = RareMixture(trees=50).fit(X, Y, limit)
    p = check(membership, at)
    assert len(membership.parts) == 3
    assert len(RareMixture(trees=50).fit(X, Y, float(Y.max())).parts) == 4
    best = truth[:, 0].topk(20).indices
    ranks = p.argsort(descending=True).argsort().double()
    assert float(ranks[best].mean()) < 0.5 * 200
    alone = RareMixture(trees=50).of_labels(X, Y[:, 0] >= limit)
    assert alone.probability(at).unique().numel() == 1


def test_mistakes() -> None:
    X, Y = data(5)
    with pytest.raises(ValueError, match="bool"):
        ForestClassifier().fit(X, Y[:, 0])
    with pytest.raises(ValueError, match="bool"):
        GpClassifier().fit(X, Y > 1)
    with pytest.raises(ValueError, match="finite"):
        GpClassifier().fit(X * torch.nan, Y[:, 0] > 1)
