from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matscout.errors import InputError
from matscout.parameter import Categorical, Float
from matscout.pool import Pool
from matscout.report.markup import el, number, table
from matscout.report.projection import check_axes, places, principal_plane, spread_apart
from matscout.report.svg import Axis, Canvas, legend, legible
from matscout.space import Space

FLOATS = st.floats(allow_nan=True, allow_infinity=True)


def test_text_is_escaped_and_markup_is_not() -> None:
    inner = el("b", '<i a="1">', class_='x" onload="y')
    assert inner == '<b class="x&quot; onload=&quot;y">&lt;i a=&quot;1&quot;&gt;</b>'
    assert el("p", inner, "\x00\x1b") == f"<p>{inner}  </p>"
    assert "<script" not in table("<script>", ["<script>"], [["<script>"]])


@given(st.lists(FLOATS, max_size=8), st.booleans())
def test_every_axis_can_be_drawn(values: list[float], log: bool) -> None:
    axis = Axis.over(values, "x", log=log)
    assert np.isfinite([axis.low, axis.high]).all() and axis.low < axis.high
    assert len(axis.ticks) <= 24
    assert all(axis.low <= value <= axis.high for value, _ in axis.ticks)
    canvas = Canvas(axis, axis)
    for value in values:
        if np.isfinite(value):
            canvas.dot(value, value, "f-blue", "<&>")
    drawn = canvas.svg("k", "<title>", "a & b")
    root = ET.fromstring(drawn)  # well formed
    assert "nan" not in drawn and "inf" not in drawn
    assert root.get("aria-labelledby") == "k-title k-desc" and root.get("role") == "img"


def test_numbers_for_people() -> None:
    assert [number(v) for v in (1e7, -2.5e-9, 0.0, None, float("nan"))] == [
        "1e7",
        "−2.5e−9",
        "0",
        "–",
        "–",
    ]


def test_labels_that_would_run_into_each_other_are_left_out() -> None:
    axis = Axis.of_names([f"value {i}" for i in range(8)], "many")
    drawn = ET.fromstring(Canvas(axis, axis, 300, 200).svg("k", "a", "b"))
    words = [e for e in drawn.iter() if e.tag.endswith("text") and e.get("text-anchor") == "middle"]
    places = [float(e.attrib["x"]) for e in words if "tick" in e.attrib["class"]]
    assert len(places) == 4 and min(np.diff(places)) > 50
    assert legible([(0.0, "a"), (1.0, "b"), (40.0, "c")]) == [(0.0, "a"), (40.0, "c")]


def test_legend_says_its_words() -> None:
    assert "a &lt; b" in legend([("dot", "f-blue", "a < b")])


def test_the_principal_plane_is_the_one_of_most_variance() -> None:
    rng = np.random.default_rng(0)
    matrix = np.column_stack([rng.normal(size=200)] * 2 + [rng.normal(size=200) for _ in range(2)])
    matrix[:, 1] += 0.01 * rng.normal(size=200)
    found = principal_plane(np.column_stack([matrix, np.ones(200)]))
    assert found is not None
    xy, shares = found
    scaled = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)
    singular = np.linalg.svd(scaled, compute_uv=False) ** 2
    np.testing.assert_allclose(shares, (singular / singular.sum())[:2])
    np.testing.assert_allclose(xy.var(axis=0) / 4, shares)
    assert abs(np.corrcoef(xy[:, 0], matrix[:, 0])[0, 1]) > 0.9
    assert principal_plane(matrix[:, :1]) is None and principal_plane(matrix[:2]) is None


def test_hidden_points_are_spread_and_others_stay() -> None:
    xy = np.array([[0.0, 0.0]] * 5 + [[1.0, 1.0], [np.nan, 0.0]])
    out = spread_apart(xy)
    assert len({tuple(p) for p in out[:5].round(6).tolist()}) == 5
    np.testing.assert_array_equal(out[5:], xy[5:])
    assert np.abs(out[:5]).max() < 0.05
    np.testing.assert_array_equal(spread_apart(xy), out)


def test_axes_that_are_not_there() -> None:
    pool = Pool.from_rows([{"id": "a", "m": 1.0, "w": "x"}, {"id": "b", "m": 2.0, "w": "y"}])
    space = Space(pool=pool)
    check_axes(space, None, None)
    check_axes(space, "m", "m")
    with pytest.raises(InputError, match="--x: no column 'n'; "):
        check_axes(space, "n", "m")
    with pytest.raises(InputError, match="--y: column 'w' holds 'x'; name a column of numbers"):
        check_axes(space, "m", "w")
    with pytest.raises(InputError, match="--y: is missing beside 'm'"):
        check_axes(space, "m", None)
    sweep = Space((Float("rate", 0, 1), Categorical("kind", ("a", "b"))))
    with pytest.raises(InputError, match="--x: no parameter 'rat'; did you mean 'rate'"):
        check_axes(sweep, "rat", "rate")
    found = places(sweep, [{"rate": 0.5, "kind": "a"}], "rate", "rate")
    assert found is not None and found.xy.tolist() == [[0.5, 0.5]]
