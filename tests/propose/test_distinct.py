from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from matscout.parameter import Categorical, Float, Int
from matscout.propose.distinct import Taken, key
from matscout.propose.toolbox import SpaceTools
from matscout.space import Space


def test_one_point_has_one_key() -> None:
    space = Space((Int("n", 0, 9), Float("x", 0, 1), Categorical("k", (1, True, "1"))))
    assert key(space, {"x": 1, "n": 3.0, "k": 1}) == key(space, {"n": 3, "k": 1, "x": 1.0})
    keys = {key(space, {"n": 3, "x": 1.0, "k": k}) for k in (1, True, "1")}
    assert len(keys) == 3


def test_what_does_not_exist_does_not_make_another_point() -> None:
    space = Space((Categorical("m", ("p", "q")), Int("n", 0, 9, when={"m": ("q",)})))
    assert key(space, {"m": "p", "n": 4}) == key(space, {"m": "p"})


MIXED = Space(
    (
        Categorical("m", ("p", "q", True, 1)),
        Float("x", -1, 1),
        Float("g", 0, 1, step=0.1),
        Int("n", 0, 3, when={"m": ("q",)}),
        Int("deep", 0, 2, when={"n": (1, 2)}),
    )
)
POINTS = st.fixed_dictionaries(
    {
        "m": st.sampled_from(["p", "q", True, 1]),
        "x": st.sampled_from([-1.0, 0.0, 0.1, 1.0]),
        "g": st.integers(0, 10).map(lambda k: k / 10),
        "n": st.integers(0, 3),
        "deep": st.integers(0, 2),
    }
)


@given(POINTS, POINTS, st.randoms())
def test_a_key_tells_points_apart_and_nothing_else(a: dict, b: dict, rng) -> None:  # type: ignore[no-untyped-def,type-arg]
    """Two texts are the same exactly when the parameters that exist have the same values: whatever the
    order, the kind of number, the digits lost on a grid, or what is said of parameters that do not."""
    names = list(a)
    rng.shuffle(names)
    floats = {n: a[n] + 1e-12 if n == "g" and 0 < a[n] < 1 else a[n] for n in names}
    assert key(MIXED, floats) == key(MIXED, a)
    numbers = {n: float(a[n]) if n in ("n", "deep") else a[n] for n in names}
    assert key(MIXED, numbers) == key(MIXED, a) == key(MIXED, MIXED.active(a))
    kinds = [{n: (type(v), v) for n, v in MIXED.active(point).items()} for point in (a, b)]
    assert (key(MIXED, a) == key(MIXED, b)) == (kinds[0] == kinds[1])


def test_taken_follows_the_history_and_hands_out_copies(tell) -> None:  # type: ignore[no-untyped-def]
    space, story = Space((Int("n", 0, 9),)), tell()
    taken = Taken(space, story.history)
    story.asked({"n": 3})
    first = taken.keys()
    first.add("mine")
    story.asked({"n": 4})
    assert taken.keys() == {'{"n": 3}', '{"n": 4}'}


def test_the_nearest_point_that_is_left() -> None:
    space = Space((Int("a", 0, 4), Int("b", 0, 4)))
    tools, rng = SpaceTools(space), np.random.default_rng(0)
    wanted = {"a": 2, "b": 2}
    around = {(2, 2), (1, 2), (3, 2), (2, 1)}
    taken = {key(space, {"a": a, "b": b}) for a, b in around}
    assert tools.finder.near(wanted, taken, rng) == {"a": 2, "b": 3}
    everything = {key(space, p) for p in space.points()}
    assert tools.finder.near(wanted, everything, rng) is None
    assert tools.finder.near(None, everything - {'{"a": 0, "b": 1}'}, rng) == {"a": 0, "b": 1}


def test_a_space_too_large_to_list_is_searched_around_the_point() -> None:
    space = Space(tuple(Int(n, 0, 99) for n in "abcd"))
    tools, rng = SpaceTools(space), np.random.default_rng(0)
    wanted = dict.fromkeys("abcd", 50)
    found = tools.finder.near(wanted, {key(space, wanted)}, rng)
    assert found is not None
    assert sum(abs(int(v) - 50) for v in found.values()) == 1
