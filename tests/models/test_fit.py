"""A fit put away at any batch and taken up again equals the unbroken one, number by number."""

from __future__ import annotations

import copy
import json
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from matscout.checkpoint import Checkpoint, CheckpointStore
from matscout.models.fit import Fit, _batch_bounds
from matscout.models.hyperparameters import FitSettings
from matscout.models.objective import Objective
from matscout.models.training_state import RandomStream

EPOCHS, ROWS = 4, 13
CPU = torch.device("cpu")


def made(settings: FitSettings, seed: int = 3, rows: int = ROWS) -> Fit:
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.normal(size=(20, 3)), dtype=torch.float32)
    y = (x**2).sum(dim=1).double().numpy()
    train = np.arange(20)[::-1][:rows].copy()
    objective = Objective("regression", y, train, settings, CPU)

    def network() -> nn.Module:
        return nn.Sequential(
            nn.Linear(3, 8), nn.BatchNorm1d(8), nn.SiLU(), nn.Dropout(0.3), nn.Linear(8, 1)
        )

    return Fit(
        network,
        lambda net, chosen: net(x[chosen]),
        objective,
        settings,
        train,
        epochs=EPOCHS,
        seed=np.random.SeedSequence([seed]),
        device=CPU,
    )


def through_disk(fit: Fit, store: CheckpointStore) -> tuple[Any, Any]:
    arrays, state = fit.capture()
    store.save(Checkpoint(fit.moves, arrays, state))
    found = store.load()
    assert found is not None
    return found.arrays, found.state


def everything(fit: Fit) -> tuple[dict[str, bytes], str]:
    arrays, state = fit.capture()
    bits = {name: array.tobytes() + str(array.dtype).encode() for name, array in arrays.items()}
    return bits, json.dumps(state, sort_keys=True)


def run(fit: Fit, batches: int | None = None) -> None:
    """To the end, or for so many batches, stopping where a cooperative stop would."""
    done = 0
    while fit.epoch < EPOCHS and done != batches:
        for _ in fit.run_epoch():
            done += 1
            if done == batches:
                return


ALL = [
    FitSettings(optimizer=optimizer, schedule=schedule, momentum=momentum, batch_size=4, clip=1.0)
    for optimizer, momentum in (("adamw", 0.9), ("sgd", 0.9), ("sgd", 0.0))
    for schedule in ("cosine", "constant", "plateau")
]


@pytest.mark.parametrize("settings", ALL, ids=lambda s: f"{s.optimizer}-{s.momentum}-{s.schedule}")
def test_continued_equals_unbroken(settings: FitSettings, tmp_path_factory: Any) -> None:
    unbroken = made(settings)
    run(unbroken)
    expected = everything(unbroken)
    assert len(set(unbroken.losses)) == EPOCHS
    total = EPOCHS * 3
    for stop in range(total + 1):
        first = made(settings)
        run(first, stop)
        arrays, state = through_disk(first, CheckpointStore(tmp_path_factory.mktemp("c")))
        run(first)  # what goes on after the capture must not reach into it
        second = made(settings)
        second.restore(arrays, state)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            run(second)
        assert everything(second) == expected, f"stopped after {stop} batches"
        assert everything(first) == expected
        assert all(
            torch.equal(a, b)
            for a, b in zip(
                second.network.state_dict().values(),
                unbroken.network.state_dict().values(),
                strict=True,
            )
        )


def test_many_small_pieces() -> None:
    settings = FitSettings(batch_size=3)
    unbroken = made(settings)
    run(unbroken)
    arrays, state = made(settings).capture()
    while True:
        piece = made(settings)
        piece.restore(arrays, state)
        if piece.epoch == EPOCHS:
            break
        run(piece, 2)
        arrays, state = piece.capture()
        state = json.loads(json.dumps(state))
    assert everything(piece) == everything(unbroken)


def test_a_missing_piece_of_state_would_show() -> None:
    """Each part of the state matters: without it the continued run differs (or is refused)."""
    settings = FitSettings(batch_size=4)
    unbroken = made(settings)
    run(unbroken)
    first = made(settings)
    run(first, 5)
    whole = first.capture()
    spoilt = 0
    for part in (
        "random/cpu",
        "optimizer/0/exp_avg",
        "optimizer/0/step",
        "weights/0.bias",
        "order",
    ):
        arrays = copy.deepcopy(whole[0])
        fresh = made(settings, seed=9).capture()[0]
        run(other := made(settings, seed=9), 5)
        arrays[part] = other.capture()[0].get(part, fresh.get(part))
        if part == "optimizer/0/step":
            arrays[part] = np.array(arrays[part] + 1)
        second = made(settings)
        second.restore(arrays, whole[1])
        run(second)
        spoilt += everything(second)[0] != everything(unbroken)[0]
    assert spoilt == 5
    for part in ("generator", "position", "losses"):
        _, other_state = made(settings, seed=9).capture()
        second = made(settings)
        second.restore(whole[0], {**whole[1], part: other_state[part]})
        run(second)
        assert everything(second) != everything(unbroken), part


@pytest.mark.parametrize("missing", ["weights/0.bias", "random/cpu", "order"])
def test_what_does_not_fit_is_refused(missing: str) -> None:
    settings = FitSettings(batch_size=4)
    first = made(settings)
    run(first, 5)
    arrays, state = first.capture()
    with pytest.raises(ValueError):
        made(settings).restore({k: v for k, v in arrays.items() if k != missing}, state)
    with pytest.raises(ValueError, match="other rows"):
        made(settings).restore({**arrays, "order": np.arange(ROWS)}, state)
    with pytest.raises(ValueError):
        made(FitSettings(schedule="constant")).restore(arrays, state)
    with pytest.raises(ValueError):
        made(settings, rows=12).restore(arrays, state)
    with pytest.raises(ValueError):
        wide = {k: np.zeros((9, 9), dtype=np.float32) for k in arrays if k.startswith("weights")}
        made(settings).restore({**arrays, **wide}, state)


def test_nobody_elses_random_numbers_are_touched() -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    fit = made(FitSettings(batch_size=4))
    run(fit, 7)
    assert torch.equal(torch.rand(3), expected)
    one, other = made(FitSettings(batch_size=4)), made(FitSettings(batch_size=4))
    run(one)
    for _ in range(EPOCHS):  # two fits in lockstep draw as each would alone
        torch.rand(5)
        for _ in other.run_epoch():
            torch.rand(1)
    assert everything(one) == everything(other)


def test_a_stream_gives_back_the_state_after_an_error() -> None:
    stream = RandomStream(1, CPU)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError), stream:
        torch.rand(4)
        raise RuntimeError
    assert torch.equal(torch.get_rng_state(), before)


def test_moves_never_repeat() -> None:
    fit = made(FitSettings(batch_size=4))
    seen = [fit.moves]
    while fit.epoch < EPOCHS:
        for _ in fit.run_epoch():
            seen.append(fit.moves)
        seen.append(fit.moves)
    assert len(set(seen)) == len(seen) and seen == sorted(seen)


@pytest.mark.parametrize("size", [2, 3, 8, 50])
def test_batches_cover_all_rows_and_none_is_alone(size: int) -> None:
    for n in range(2, 40):
        bounds = _batch_bounds(n, size)
        assert [row for start, end in bounds for row in range(start, end)] == list(range(n))
        assert all(2 <= end - start <= size + 1 for start, end in bounds)


def test_a_loss_that_is_no_number_is_kept() -> None:
    fit = made(FitSettings(batch_size=4))
    with torch.no_grad():
        next(iter(fit.network.parameters()))[0, 0] = float("nan")
    list(fit.run_epoch())
    assert np.isnan(fit.losses[0])
