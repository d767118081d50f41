"""Focal loss: cross-entropy at γ = 0, its slopes by finite differences, and no NaN anywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from matscout.models.boosting import LightGbmClassifier
from matscout.models.imbalance import focal as fl


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_slopes_are_those_of_the_loss(gamma: float) -> None:
    raw, step = np.linspace(-6, 6, 49), 1e-4
    for label in (0, 1):
        labels = np.full(len(raw), label)
        first, second = fl.slopes(raw, labels, gamma)
        up, at, down = (fl.binary_focal(raw + d, labels, gamma) for d in (step, 0.0, -step))
        assert np.allclose(first, (up - down) / (2 * step), atol=1e-6)
        assert np.allclose(second, (up - 2 * at + down) / step**2, atol=1e-5)
        same, above = fl.convex_slopes(raw, labels, gamma)
        assert np.array_equal(same, first)
        assert (above >= second - 1e-12).all() and (above >= 0).all()


def test_the_network_s_loss_is_the_same_and_its_definition() -> None:
    raw = np.linspace(-5, 5, 21)
    logits = torch.tensor(np.column_stack([np.zeros(21), raw]))
    for label in (0, 1):
        labels = torch.full((21,), label)
        p = torch.softmax(logits, 1)[:, label]
        found = fl.focal(logits, labels, 2.0)
        assert torch.allclose(found, -((1 - p) ** 2) * p.log())
        assert np.allclose(found.numpy(), fl.binary_focal(raw, labels.numpy(), 2.0))
    three = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    target = torch.arange(7) % 3
    assert torch.allclose(
        fl.focal(three, target, 0.0), F.cross_entropy(three, target, reduction="none")
    )


@pytest.mark.parametrize("gamma", [0.0, 0.3, 2.0])
def test_extreme_logits_have_finite_losses_and_slopes(gamma: float) -> None:
    logits = torch.tensor(
        [[0.0, 300.0], [0.0, -300.0], [1e4, -1e4], [0.0, 0.0]], requires_grad=True
    )
    loss = fl.focal(logits, torch.tensor([1, 1, 0, 1]), gamma)
    loss.sum().backward()
    assert torch.isfinite(loss).all() and torch.isfinite(logits.grad).all()
    first, second = fl.convex_slopes(np.array([800.0, -800.0]), np.array([1, 1]), gamma)
    assert np.isfinite([first, second]).all()


def test_boosting_under_focal_loss_learns_and_gamma_0_is_cross_entropy() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4))
    y = (x[:, 0] + 0.3 * rng.normal(size=300) > 1.3).astype(int)
    few = {"n_estimators": 30, "random_state": 0}
    plain = LightGbmClassifier(**few).fit(x, y).predict_proba(x)
    zero = LightGbmClassifier(loss="focal", focal_gamma=0.0, **few).fit(x, y).predict_proba(x)
    assert np.allclose(plain, zero, atol=1e-6)
    two = LightGbmClassifier(loss="focal", **few).fit(x, y)
    assert (two.predict(x) == y).mean() > 0.95 and not np.allclose(two.predict_proba(x), plain)
    heavy = LightGbmClassifier(loss="focal", **few).fit(
        x, y, sample_weight=np.where(y == 1, 9.0, 1.0)
    )
    assert heavy.predict_proba(x)[y == 1, 1].mean() > two.predict_proba(x)[y == 1, 1].mean()
