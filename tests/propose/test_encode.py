from __future__ import annotations

import numpy as np

from matscout.parameter import Categorical, Float, Int, Ordinal
from matscout.propose.encode import Encoding
from matscout.space import Space


def test_numbers_lie_on_the_unit_interval_on_their_own_scale() -> None:
    space = Space(
        (
            Float("x", -1, 1),
            Float("lr", 1e-4, 1, log=True),
            Int("n", 1, 5),
            Ordinal("o", (8, 16, 64)),
        )
    )
    rows = Encoding(space).rows(
        [{"x": -1.0, "lr": 1e-4, "n": 1, "o": 8}, {"x": 0.0, "lr": 1e-2, "n": 3, "o": 16}]
    )
    assert np.allclose(rows, [[0, 0, 0, 0], [0.5, 0.5, 0.5, 0.5]])


def test_two_categories_are_at_distance_one_and_share_a_group() -> None:
    space = Space((Float("x", 0, 1), Categorical("k", ("a", 1, True)), Categorical("one", (0,))))
    encoding = Encoding(space)
    rows = encoding.rows([{"x": 0.2, "k": k, "one": 0} for k in ("a", 1, True)])
    gaps = np.linalg.norm(rows[:, None] - rows[None], axis=-1)
    assert np.allclose(gaps, 1 - np.eye(3))
    assert encoding.groups == [0, 1, 1, 1]


def test_what_does_not_exist_stands_in_the_middle_and_a_column_says_so() -> None:
    space = Space(
        (
            Categorical("m", ("p", "q")),
            Float("x", 0, 1, when={"m": ("q",)}),
            Categorical("c", ("u", "v"), when={"m": ("q",)}),
            Int("n", 0, 4, when={"m": ("p",)}),
        )
    )
    encoding = Encoding(space)
    absent, present = encoding.rows([{"m": "p", "n": 4}, {"m": "q", "x": 0.9, "c": "v"}]).tolist()
    half = np.sqrt(0.5)
    assert np.allclose(absent, [half, 0, 0.5, 0, 0, 1.0, 0, 1])
    assert np.allclose(present, [0, half, 0.9, 0, half, 0.5, 1, 0])
    assert encoding.groups == [0, 0, 1, 2, 2, 3, 4, 5]  # the two conditions come last


def test_a_space_of_one_point_still_has_a_column() -> None:
    encoding = Encoding(Space((Categorical("k", ("only",)),)))
    assert encoding.rows([{"k": "only"}]).tolist() == [[0.0]]
