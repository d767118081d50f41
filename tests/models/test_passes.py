"""Steps in parts: the same gradient, bounded memory, and nothing lost when memory runs out."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from matscout.models.fit import Fit
from matscout.models.hyperparameters import FitSettings
from matscout.models.objective import Objective
from matscout.models.passes import Passes
from matscout.models.pcgrad import flat, projected, put

CPU = torch.device("cpu")
X = torch.tensor(np.random.default_rng(0).normal(size=(24, 3)), dtype=torch.float32)
Y = (X**2).sum(1).double().numpy()


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40), st.integers(0, 80), st.integers(0, 9))
def test_parts_hold_every_row_once_and_keep_their_bounds(
    weights: list[int], most: int, at_once: int
) -> None:
    sizes = np.array([0, *weights])  # row numbers from 1
    rows = torch.from_numpy(np.random.default_rng(1).permutation(len(weights)) + 1)
    parts = Passes(sizes, most).parts(rows, at_once)
    together = torch.cat(parts)
    assert sorted(together.tolist()) == sorted(rows.tolist()) and all(len(p) for p in parts)
    cut = most > 0 and sum(weights) > most
    for part in parts:
        assert not at_once or len(part) <= at_once + (not cut and at_once > 1)
        assert not cut or len(part) == 1 or sizes[part.numpy()].sum() <= most
    if cut:
        assert (np.diff(sizes[together.numpy()]) >= 0).all(), "like with like"
    elif not at_once:
        assert torch.equal(together, rows)


def made(passes: Passes | None = None, forward: Any = None, dropout: float = 0.0) -> Fit:
    settings = FitSettings(batch_size=8, clip=1.0)
    rows = np.arange(24)

    def network() -> nn.Module:
        return nn.Sequential(nn.Linear(3, 8), nn.SiLU(), nn.Dropout(dropout), nn.Linear(8, 1))

    return Fit(
        network,
        forward or (lambda net, some: net(X[some])),
        Objective("regression", Y, rows, settings, CPU),
        settings,
        rows,
        epochs=3,
        seed=np.random.SeedSequence(5),
        device=CPU,
        passes=passes,
    )


def weights(fit: Fit) -> np.ndarray:
    return torch.cat([p.detach().reshape(-1) for p in fit.network.parameters()]).numpy()


def run(fit: Fit, epochs: int = 3) -> Fit:
    while fit.epoch < epochs:
        list(fit.run_epoch())
    return fit


def test_parts_add_up_to_the_batch() -> None:
    whole = run(made())
    sizes = np.arange(24) + 1
    cut = run(made(Passes(sizes, most=40)))
    assert weights(cut) == pytest.approx(weights(whole), abs=2e-6)
    assert cut.losses == pytest.approx(whole.losses, rel=1e-5)
    assert torch.allclose(
        cut.outputs(np.array([3, 23, 0, 3])), whole.outputs(np.array([3, 23, 0, 3])), atol=1e-5
    )


class Memory:
    """A device that takes so many rows at once."""

    def __init__(self, rows: int, kind: type[RuntimeError] = torch.OutOfMemoryError) -> None:
        self.rows, self.refused, self.seen = rows, 0, []  # type: ignore[var-annotated]
        self.kind = kind

    def __call__(self, net: nn.Module, rows: Tensor) -> Tensor:
        out = net(X[rows])  # layers have drawn and counted before the memory runs out
        if len(rows) > self.rows:
            self.refused += 1
            raise self.kind("planted: can't allocate memory")
        self.seen.append(len(rows))
        return out


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, RuntimeError])  # of a GPU, and of a CPU
def test_out_of_memory_halves_the_parts_and_keeps_the_batch(
    kind: type[RuntimeError], caplog: Any
) -> None:
    memory = Memory(3, kind)
    with caplog.at_level(logging.WARNING):
        starved = run(made(forward=memory))
    assert memory.refused == 2 and set(memory.seen) == {2}, "8, then 4, then 2 for good"
    assert [r.args for r in caplog.records] == [(4,), (2,)]
    whole = run(made())
    assert starved.moves == whole.moves, "as many steps"
    assert weights(starved) == pytest.approx(weights(whole), abs=2e-6)
    assert starved.outputs(np.arange(24)).shape == (24, 1)


def test_mixed_precision_is_for_learning_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What judges, and is written down, is said in full precision."""
    entered: list[torch.dtype] = []

    def autocast(device: str, dtype: torch.dtype) -> Any:
        entered.append(dtype)
        return nullcontext()

    monkeypatch.setattr(torch, "autocast", autocast)
    fit = made()
    fit._mixed = True  # as on a GPU
    fit.outputs(np.arange(24))
    assert not entered
    run(fit, 1)
    assert entered == [torch.bfloat16] * 3


def test_a_starved_fit_goes_on_bit_for_bit() -> None:
    """Parts, random numbers of the failed tries and all: killed anywhere, it ends the same."""
    unbroken = run(made(forward=Memory(3), dropout=0.5))
    for stop in (1, 4):
        first = made(forward=Memory(3), dropout=0.5)
        for _ in range(stop):
            next(first.run_epoch(), None)
        arrays, state = first.capture()
        second = made(forward=Memory(3), dropout=0.5)
        second.restore(arrays, state)
        assert np.array_equal(weights(run(second)), weights(unbroken))
    # A device that never had the trouble, but was told to go in twos, draws the same numbers.
    told = made(dropout=0.5)
    told._at_once = 2
    assert np.array_equal(weights(run(told)), weights(unbroken))


def test_no_memory_for_one_row_is_an_error() -> None:
    with pytest.raises(torch.OutOfMemoryError, match="planted"):
        run(made(forward=Memory(0)))
    with pytest.raises(torch.OutOfMemoryError, match="planted"):
        made(forward=Memory(0)).outputs(np.arange(3))


def test_pcgrad_of_two_is_known() -> None:
    """Yu et al. 2020, equation after algorithm 1: each loses its part along the other."""
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 1.0])
    rng = np.random.default_rng(0)
    exact = (a - (a @ b) / (b @ b) * b) + (b - (a @ b) / (a @ a) * a)
    assert torch.allclose(projected([a, b], rng), exact)
    assert torch.allclose(exact, torch.tensor([0.5, 1.5]))
    friendly = torch.tensor([2.0, 1.0])
    assert torch.equal(projected([a, friendly], rng), a + friendly), "no conflict, the plain sum"
    assert torch.equal(projected([a, -a], rng), torch.zeros(2)), "opposite: nobody moves"
    assert torch.equal(projected([a], rng), a)


@given(st.integers(0, 10_000), st.integers(2, 5))
def test_pcgrad_keeps_first_order_descent(seed: int, tasks: int) -> None:
    """A projected gradient never points against the task that it was last projected on; with two
    tasks the sum descends on both."""
    rng = np.random.default_rng(seed)
    gradients = [torch.from_numpy(rng.normal(size=6)) for _ in range(tasks)]
    found = projected(gradients, np.random.default_rng(seed))
    assert torch.isfinite(found).all()
    if tasks == 2:
        assert all(float(found @ g) >= -1e-9 for g in gradients)


def test_a_vector_of_losses_is_fitted_by_surgery() -> None:
    """One step of SGD moves by the projected gradient, and parts do not change it."""

    class Two:
        part_loss = Objective.part_loss

        def loss(self, outputs: Tensor, rows: Tensor) -> Tensor:
            goal = torch.stack([X[rows, 0], -3.0 * X[rows, 0] + 1.0], dim=1)
            return (outputs - goal).square().mean(0)

    def step(passes: Passes | None) -> tuple[np.ndarray, np.ndarray, nn.Module]:
        settings = FitSettings(
            optimizer="sgd", lr=1.0, momentum=0.0, weight_decay=0.0, batch_size=64
        )
        fit = Fit(
            lambda: nn.Linear(3, 1), lambda net, some: net(X[some]), Two(), settings,  # type: ignore[arg-type]
            np.arange(24), epochs=1, seed=np.random.SeedSequence(0), device=CPU, passes=passes,
        )  # fmt: skip
        before = weights(fit)
        fresh = nn.Linear(3, 1)
        put_weights(fresh, before)
        list(fit.run_epoch())
        return before, weights(fit), fresh

    before, after, net = step(None)
    parameters = list(net.parameters())
    losses = Two().loss(net(X), torch.arange(24))
    own = [
        flat(torch.autograd.grad(one, parameters, retain_graph=True), parameters) for one in losses
    ]
    assert float(own[0] @ own[1]) < 0, "the tasks quarrel"
    exact = projected(own, np.random.default_rng(0)).numpy()
    assert before - after == pytest.approx(exact, abs=1e-5)
    _, parted, _ = step(Passes(np.ones(24), most=7))
    assert parted == pytest.approx(after, abs=1e-5)


def put_weights(network: nn.Module, values: np.ndarray) -> None:
    parameters = list(network.parameters())
    put(torch.from_numpy(values), parameters)
    with torch.no_grad():
        for parameter in parameters:
            assert parameter.grad is not None
            parameter.copy_(parameter.grad)
            parameter.grad = None
