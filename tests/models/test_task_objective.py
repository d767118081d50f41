"""Several targets of one network: the loss is what the networks of tables have."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from matscout.models.hyperparameters import FitSettings, GraphTaskSettings
from matscout.models.metrics import METRICS
from matscout.models.multitask import task_losses
from matscout.models.task_objective import TaskObjective


def test_the_loss_is_that_of_the_tables_multitask_networks() -> None:
    rng = np.random.default_rng(0)
    Y = rng.normal(size=(12, 3)) * [1.0, 10.0, 0.1] + [0.0, 5.0, -1.0]
    Y[rng.random((12, 3)) < 0.4] = np.nan
    Y[8:, 2] = np.nan
    train, cpu = np.arange(12), torch.device("cpu")
    goal = torch.from_numpy((Y - np.nanmean(Y, 0)) / np.nanstd(Y, 0))
    outputs = torch.from_numpy(rng.normal(size=(12, 3)))
    for rows in (torch.arange(12), torch.arange(8, 12)):
        for surgery in ("pcgrad", "none"):
            own = TaskObjective(Y, train, FitSettings(), cpu, GraphTaskSettings(surgery=surgery))
            expected = task_losses(outputs[rows], goal[rows], apart=surgery == "pcgrad")
            assert torch.allclose(own.loss(outputs[rows], rows), expected.to(outputs), atol=1e-6)
    heavy = TaskObjective(Y, train, FitSettings(), cpu, GraphTaskSettings(3.0, "pcgrad"))
    plain = TaskObjective(Y, train, FitSettings(), cpu, GraphTaskSettings(1.0, "pcgrad"))
    rows = torch.arange(12)
    ratio = heavy.loss(outputs, rows) / plain.loss(outputs, rows)
    assert ratio.tolist() == pytest.approx([1.0, 3.0, 3.0])
    said = heavy.of_task(1, outputs, METRICS["mae"])
    assert said == pytest.approx(outputs[:, 1].numpy() * np.nanstd(Y[:, 1]) + np.nanmean(Y[:, 1]))


def test_a_task_that_no_row_has_still_has_a_gradient() -> None:
    """Of zeros: PCGrad asks for every task's."""
    Y = np.array([[1.0, np.nan], [2.0, np.nan], [np.nan, 3.0], [np.nan, 4.0]])
    how = GraphTaskSettings(surgery="pcgrad")
    own = TaskObjective(Y, np.arange(4), FitSettings(), torch.device("cpu"), how)
    outputs = torch.zeros(2, 2, requires_grad=True)
    first, second = own.loss(outputs, torch.tensor([0, 1]))
    (gradient,) = torch.autograd.grad(second, outputs, retain_graph=True)
    assert second == 0 and not gradient.any() and first > 0


def test_scales_come_from_training_rows_alone() -> None:
    Y = np.array([[1.0, 10.0], [3.0, np.nan], [5.0, 30.0], [1e9, 1e9]])
    own = TaskObjective(Y, np.arange(3), FitSettings(), torch.device("cpu"), GraphTaskSettings())
    assert [(t.mean, t.spread) for t in own.tasks] == [(3.0, np.std([1, 3, 5])), (20.0, 10.0)]


@pytest.mark.parametrize("surgery", ["none", "pcgrad"])
def test_parts_add_up_to_the_batch_whatever_is_known_in_them(surgery: str) -> None:
    rng = np.random.default_rng(0)
    Y = rng.normal(size=(20, 2))
    Y[:9, 1] = np.nan
    how, rows = GraphTaskSettings(surgery=surgery), torch.arange(20)
    own = TaskObjective(Y, rows.numpy(), FitSettings(), torch.device("cpu"), how)
    outputs = torch.from_numpy(rng.normal(size=(20, 2)))
    for ends in ((0, 10, 20), (0, 9, 20), (0, 3, 12, 20)):
        parts = [rows[a:b] for a, b in pairwise(ends)]
        added = torch.stack([own.part_loss(outputs[part], part, rows) for part in parts]).sum(0)
        assert torch.allclose(added, own.loss(outputs, rows))
