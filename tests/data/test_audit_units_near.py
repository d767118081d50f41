"""Slips of units among values that themselves spread over decades."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matscout.data.audit import audit
from matscout.data.audit_sheet import read_sheet
from matscout.data.audit_units import slipped
from matscout.data.audit_units_near import neighbour_space, slipped_beside


def smooth(seed: int, n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Values over three decades, which inputs explain to a quarter of one."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, size=(n, 2))
    return x, 10.0 ** (1.5 * x[:, 0] + 0.1 * rng.normal(size=n))


@settings(max_examples=25)
@given(
    st.integers(0, 10_000), st.sampled_from([1e3, 1e6]), st.booleans(), st.sampled_from([0.03, 0.1])
)
def test_slipped_rows_are_found_by_their_neighbours(
    seed: int, factor: float, above: bool, share: float
) -> None:
    x, values = smooth(seed)
    assert slipped_beside(values, x) is None
    rows = np.random.default_rng(seed + 1).choice(300, round(300 * share), replace=False)
    values[rows] *= factor if above else 1 / factor
    slip = slipped_beside(values, x)
    assert slip is not None and (slip.factor, slip.above) == (factor, above)
    assert set(slip.rows) <= set(rows.tolist()) and len(slip.rows) >= 0.8 * len(rows)


def test_the_histogram_alone_does_not_show_them() -> None:
    x, values = smooth(0)
    values[::40] *= 1e3
    assert slipped(values) is None and slipped_beside(values, x) is not None


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from(["uniform", "exponential", "lognormal", "wide"]))
def test_what_inputs_do_not_explain_is_no_slip(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    values = {
        "uniform": rng.random(200),
        "exponential": rng.exponential(size=200),
        "lognormal": 10 ** (0.45 * rng.normal(size=200)),
        "wide": 10 ** rng.uniform(-12, -2, 200),
    }[kind]
    assert slipped_beside(values, rng.normal(size=(200, 3))) is None


def test_a_default_is_no_slip_and_zeros_say_nothing() -> None:
    x, values = smooth(1)
    default = np.where(np.arange(300) % 30 == 0, 1e-4, 1 + values / values.max())
    assert slipped_beside(default, x) is None
    some = np.where(np.arange(300) % 30 == 7, 0.0, values)
    some[::30] *= 1e3
    slip = slipped_beside(some, x)
    assert slip is not None and set(slip.rows) <= set(range(0, 300, 30))
    assert slipped_beside(values[:20], x[:20]) is None


def test_the_audit_names_the_lines(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    shares = rng.uniform(0.05, 0.95, 150)
    gap = 0.02 * 10 ** (3.5 * shares + 0.05 * rng.normal(size=150))
    few = np.sort(np.argsort(gap)[5:55:10])  # a thousandfold is no more than others have
    gap[few] *= 1e3
    rows = [f"Ga{s:.3f}Al{1 - s:.3f}N,{v:.5g}" for s, v in zip(shares, gap, strict=True)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["formula,gap", *rows, "unknown,1.0", ",2.0"]) + "\n")
    (found,) = audit(path, target="gap").of("unit factor")
    assert found.lines == tuple(few + 2) and found.level == "matters"
    assert (
        "5 of 152 values of 'gap' are about a factor 10^3 above the median of the 7" in found.what
    )
    sound = [row for place, row in enumerate(rows) if place not in few]
    path.write_text("\n".join(["formula,gap", *sound]) + "\n")
    assert not audit(path, target="gap").of("unit factor")


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("matbench_formula/steels_yield.csv", "target"),
        ("matbench_formula/expt_gap.csv", "target"),
        ("hardness/hv_comp_load.csv", "hardness"),
    ],
)
def test_three_in_a_hundred_are_found_on_real_tables(
    shared_data: Path, name: str, target: str
) -> None:
    sheet = read_sheet(shared_data / name, target, {}, None, None)
    x = neighbour_space(sheet)
    assert x is not None and sheet.target is not None
    assert slipped_beside(sheet.target.values, x) is None
    for seed, factor in enumerate((1e3, 1e-3)):
        values = sheet.target.values.copy()
        known = np.flatnonzero(values > 0)
        rows = np.random.default_rng(seed).choice(known, round(0.03 * len(known)), replace=False)
        values[rows] *= factor
        slip = slipped_beside(values, x)
        assert slip is not None and len(set(slip.rows) & set(rows.tolist())) >= 0.8 * len(rows)
        assert set(slip.rows) <= set(rows.tolist())
