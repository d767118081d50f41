"""Balanced minibatches, weights and bins inside a network's objective; put away and taken up again."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import torch
from torch.nn import functional as F

from matscout.models.fit import Fit
from matscout.models.hyperparameters import FitSettings, MlpSettings
from matscout.models.imbalance.batches import balanced_order, balances
from matscout.models.imbalance.weights import row_weights
from matscout.models.mlp import Mlp
from matscout.models.objective import Objective

CPU = torch.device("cpu")


def fit(batches: str, weights: str = "none") -> Fit:
    rng = np.random.default_rng(0)
    x, y = (
        torch.tensor(rng.normal(size=(40, 3)), dtype=torch.float32),
        np.repeat([0.0, 1.0], [34, 6]),
    )
    how = FitSettings(batches=batches, weights=weights, batch_size=8)
    objective = Objective("classification", y, np.arange(40), how, CPU, classes=2)
    return Fit(
        partial(Mlp, 3, 2, MlpSettings(hidden_features=4)), lambda net, rows: net(x[rows]), objective,
        how, np.arange(40), epochs=4, seed=np.random.SeedSequence(1), device=CPU,
    )  # fmt: skip


def test_every_batch_has_equal_shares_and_every_common_row_comes_before_it_comes_twice() -> None:
    labels = np.repeat([0, 1, 2], [30, 3, 7])
    order = balanced_order(np.arange(40), labels, np.random.default_rng(0))
    assert len(order) == 40
    for start in range(0, 36, 6):
        assert np.array_equal(np.bincount(labels[order[start : start + 6]]), [2, 2, 2])
    common = order[labels[order] == 0]
    assert len(set(common)) == len(common)
    assert [balances("two_phase", e, 5) for e in range(5)] == [True, True, False, False, False]
    assert balances("balanced", 4, 5) and not balances("shuffled", 0, 5)


def test_a_balanced_fit_goes_on_bit_for_bit() -> None:
    whole, part = fit("two_phase"), fit("two_phase")
    for _ in range(4):
        list(whole.run_epoch())
    list(part.run_epoch())
    step = part.run_epoch()
    next(step)
    arrays, state = part.capture()
    again = fit("two_phase")
    again.restore(arrays, json.loads(json.dumps(state)))
    for _ in range(3):
        list(again.run_epoch())
    assert again.losses == whole.losses
    for ours, theirs in zip(again.network.parameters(), whole.network.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_weights_multiply_the_loss_of_a_row() -> None:
    y = np.repeat([0.0, 1.0], [34, 6])
    how = FitSettings(weights="balanced")
    objective = Objective("classification", y, np.arange(40), how, CPU, classes=2)
    outputs, rows = torch.randn(40, 2, generator=torch.Generator().manual_seed(0)), torch.arange(40)
    each = F.cross_entropy(outputs, torch.tensor(y, dtype=torch.int64), reduction="none")
    own = torch.tensor(row_weights("balanced", y, classes=True), dtype=torch.float32)
    assert torch.allclose(objective.loss(outputs, rows), (each * own).mean())


def test_weights_of_numbers_come_from_training_rows() -> None:
    y = np.concatenate([np.zeros(18), [5.0, 9.0], np.full(20, 1e6)])
    how = FitSettings(weights="lds")
    objective = Objective("regression", y, np.arange(20), how, CPU)
    alone = Objective("regression", y[:20], np.arange(20), how, CPU)
    outputs, rows = torch.zeros(20, 1), torch.arange(20)
    assert torch.equal(objective.loss(outputs, rows), alone.loss(outputs, rows))
