"""Networks fitted in stages, and side by side, as one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from matscout.models.fit import Fit
from matscout.models.hyperparameters import FitSettings, MlpSettings
from matscout.models.mlp import Mlp
from matscout.models.objective import Objective
from matscout.models.side_by_side import SideBySide
from matscout.models.staged import Stage, Staged

X = torch.linspace(-1, 1, 12)[:, None]
Y = X[:, 0].numpy() ** 2
ROWS, CPU = np.arange(12), torch.device("cpu")
HOW = FitSettings(batch_size=4)


def fit(seed: int, network: nn.Module | None = None, epochs: int = 2) -> Fit:
    return Fit(
        lambda: network or Mlp(1, 1, MlpSettings(4, 1)),
        lambda own, rows: own(X[rows]),
        Objective("regression", Y, ROWS, HOW, CPU),
        HOW, ROWS, epochs=epochs, seed=np.random.SeedSequence(seed), device=CPU,
    )  # fmt: skip


def staged() -> Staged:
    return Staged(
        [
            Stage(2, lambda before: fit(0, before), counted=False),
            Stage(1, lambda before: fit(1, before, 1)),
            Stage(3, lambda before: fit(2, before, 3)),
        ]
    )


def run(one: Any, epochs: int) -> None:
    for _ in range(epochs):
        for _ in one.run_epoch():
            pass


def test_stages_are_the_fits_one_after_the_other() -> None:
    one = staged()
    pauses = sum(1 for _ in one.run_epoch())
    assert pauses == 3 * (2 + 1) and one.epoch == 1, "the first two epochs are hidden in the first"
    run(one, 3)
    first = fit(0)
    run(first, 2)
    second = fit(1, first.network, 1)
    run(second, 1)
    third = fit(2, second.network, 3)
    run(third, 3)
    assert one.losses == [*second.losses, *third.losses] and one.epoch == 4
    assert torch.equal(one.outputs(ROWS), third.outputs(ROWS))
    assert one.moves == first.moves + second.moves + third.moves
    assert one.rows_seen == 12 * 6


def test_members_are_the_fits_beside_each_other() -> None:
    one = SideBySide([fit(0), fit(1)])
    cursor = one.run_epoch()
    seen = [one.moves for _ in cursor]
    assert seen == sorted(set(seen)) and one.epoch == 1
    run(one, 1)
    alone = [fit(0), fit(1)]
    for member in alone:
        run(member, 2)
    assert torch.equal(one.outputs(ROWS), torch.stack([m.outputs(ROWS) for m in alone]))
    assert one.losses == [np.mean(pair) for pair in zip(*(m.losses for m in alone), strict=True)]
    assert one.rows_seen == 48


@pytest.mark.parametrize("make", [staged, lambda: SideBySide([fit(0), staged()])])
def test_what_is_captured_anywhere_goes_on_from_there(make: Any) -> None:
    whole = make()
    run(whole, 3)
    for pauses in (1, 4, 8, 9, 10, 14):
        one, left = make(), pauses
        while left:
            for _ in one.run_epoch():
                left -= 1
                if not left:
                    break
        arrays, state = one.capture()
        again = make()
        again.restore(arrays, state)
        assert again.moves == one.moves and again.epoch == one.epoch
        run(again, 3 - again.epoch)
        assert torch.equal(again.outputs(ROWS), whole.outputs(ROWS))
        assert list(again.losses) == list(whole.losses)


def test_what_another_has_captured_is_refused() -> None:
    arrays, state = staged().capture()
    for other in ({**state, "stage": 3}, {**state, "stage": "1"}, {}):
        with pytest.raises(ValueError, match="holds no stage"):
            staged().restore(arrays, other)
    with pytest.raises(ValueError, match="does not hold 2 members"):
        SideBySide([fit(0), fit(1)]).restore(*SideBySide([fit(0)]).capture())
