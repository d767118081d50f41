"""A pool's features as numbers, whatever they are, and their groups."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from matscout.data.composition import composition_features, element_fractions
from matscout.errors import InputError
from matscout.pool import Pool
from matscout.propose.candidates import Candidates

FORMULAS = ("NaCl", "KCl", "Fe2O3", "NaCl", "LiF")
SOLVENTS = ("water", "DMF", "water", "THF", "DMF")
X = (1.0, 3.0, 2.0, 5.0, 4.0)


def mixed(order: tuple[int, ...] = (0, 1, 2, 3, 4)) -> Pool:
    columns = {
        "solvent": tuple(SOLVENTS[k] for k in order),
        "x": tuple(X[k] for k in order),
        "f": tuple(FORMULAS[k] for k in order),
        "rig": ("A",) * 5,
        "flat": (7,) * 5,
        "note": ("n",) * 5,
    }
    kinds = {"solvent": "category", "f": "formula", "rig": "category"}
    ids = tuple(f"id{k}" for k in order)
    return Pool(ids, columns, ("solvent", "x", "f", "rig", "flat"), kinds)


def test_numbers_alone_are_min_max_scaled_each_its_own_group() -> None:
    pool = Pool(
        ("a", "b", "c"), {"x": (1, 2, 3), "y": (5.0, 5.0, 5.0), "z": (0, 4, 1)}, ("x", "y", "z")
    )
    found = Candidates(pool)
    assert np.array_equal(found.unit, [[0, 0], [0.5, 1], [1, 0.25]]) and found.groups == [0, 1]
    assert np.array_equal(found.features, [[1, 5, 0], [2, 5, 4], [3, 5, 1]])
    assert np.array_equal(found.table, found.features)


def test_unit_of_a_mixed_pool() -> None:
    found = Candidates(mixed())
    unit, groups = found.unit, np.array(found.groups)
    assert unit.shape == (5, len(groups)) and unit.dtype == np.float64
    assert sorted(set(found.groups)) == [0, 1, 2, 3] and found.groups == sorted(found.groups)
    # Two labels are as far apart as the two ends of a number.
    hot = unit[:, groups == 0]
    assert hot.shape == (5, 3)
    assert np.linalg.norm(hot[0] - hot[1]) == pytest.approx(1) and np.array_equal(hot[0], hot[2])
    assert np.array_equal(unit[:, groups == 1], np.array([[0.0], [0.5], [0.25], [1], [0.75]]))
    block = unit[:, groups == 2]
    _, raw = composition_features(FORMULAS)
    assert block.shape[1] == (np.ptp(raw, axis=0) > 1e-9 * np.abs(raw).max(axis=0)).sum()
    # Two candidates are one apart in the root mean square, however many statistics there are.
    square = np.square(block[:, None] - block[None]).sum(-1)
    assert square.mean() == pytest.approx(1) and np.allclose(block.std(axis=0), block.std())
    assert np.array_equal(block[0], block[3])
    elements = unit[:, groups == 3]
    apart = np.linalg.norm(elements[:, None] - elements[None], axis=-1)
    assert apart[0, 2] == pytest.approx(1) and apart[0, 3] == 0  # NaCl and Fe2O3, NaCl twice
    assert apart[0, 1] == pytest.approx(math.sqrt(1 - 0.5))  # Hellinger's: half of KCl is Cl


def test_table_of_a_mixed_pool() -> None:
    table = Candidates(mixed()).table
    _, statistics = composition_features(FORMULAS)
    _, fractions = element_fractions(FORMULAS)
    hot = np.array([[s == "DMF", s == "THF", s == "water"] for s in SOLVENTS], dtype=float)
    want = [hot, np.array(X)[:, None], statistics, fractions, np.ones((5, 1)), np.full((5, 1), 7)]
    assert np.array_equal(table, np.hstack(want))


@given(st.permutations(range(5)))
def test_rows_follow_their_candidates(order: list[int]) -> None:
    one, two = Candidates(mixed()), Candidates(mixed(tuple(order)))
    assert np.array_equal(one.unit[order], two.unit) and np.array_equal(one.table[order], two.table)
    assert one.groups == two.groups


def test_rounding_is_no_variation() -> None:
    formulas = ("Ni0.1Cu0.2", "Ni0.3Cu0.6", "Ni0.7Cu1.4")  # one composition
    pool = Pool(("a", "b", "c"), {"f": formulas}, ("f",), {"f": "formula"})
    assert Candidates(pool).unit.shape == (3, 0) and Candidates(pool).groups == []


def test_the_widest_range_of_floats() -> None:
    pool = Pool(("a", "b", "c"), {"x": (-1.7e308, 0.0, 1.7e308)}, ("x",))
    assert np.array_equal(Candidates(pool).unit, [[0], [0.5], [1]])


def test_no_feature_at_all() -> None:
    found = Candidates(Pool(("a", "b"), {"note": ("p", "q")}, ()))
    assert found.unit.shape == (2, 0) and found.table.shape == (2, 0) and found.groups == []


def test_what_cannot_be_read_names_the_candidate() -> None:
    infinite = Pool(("a", "b"), {"x": (1.0, math.inf)}, ("x",))
    for read in (lambda c: c.features, lambda c: c.unit, lambda c: c.table):
        with pytest.raises(InputError, match=r"space\.pool\.x: candidate 'b' has inf"):
            read(Candidates(infinite))
    rock = Pool(("a", "b"), {"f": ("NaCl", "rock")}, ("f",), {"f": "formula"})
    with pytest.raises(InputError, match=r"space\.pool\.f: candidate 'b': 'rock' is no formula"):
        _ = Candidates(rock).unit
    gone = Pool(("a",), {"s": ("/gone.cif",)}, ("s",), {"s": "structure"})
    with pytest.raises(InputError, match=r"candidate 'a': .*cannot be read"):
        _ = Candidates(gone).unit


def test_a_category_of_too_many_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matscout.data.pool_features._MOST_CELLS", 8)
    pool = Pool(("a", "b", "c"), {"k": ("p", "q", "r")}, ("k",), {"k": "category"})
    with pytest.raises(InputError, match="3 labels for 3 candidates"):
        _ = Candidates(pool).unit


def test_labels_of_any_type() -> None:
    pool = Pool(("a", "b", "c"), {"k": (True, 2, "p")}, ("k",), {"k": "category"})
    assert Candidates(pool).unit.shape == (3, 3)


def test_structures_are_one_group_of_crystal_features(tmp_path: Path) -> None:
    pytest.importorskip("chgnet", reason="the extra 'oracle' is not installed")
    paths = []
    for name, a in (("Na", 5.6), ("K", 6.3), ("Li", 5.1)):
        crystal = Structure.from_spacegroup(
            "Fm-3m", Lattice.cubic(a), [name, "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
        )
        paths.append(str(tmp_path / f"{name}.cif"))
        Path(paths[-1]).write_text(crystal.to(fmt="cif"))
    columns = {"s": tuple(paths), "x": (1.0, 2.0, 3.0)}
    found = Candidates(Pool(("a", "b", "c"), columns, ("x", "s"), {"s": "structure"}))
    assert found.table.shape == (3, 65) and set(found.groups) == {0, 1}
    crystal = found.unit[:, np.array(found.groups) == 1]
    assert crystal.shape[1] > 30 and np.allclose(crystal.mean(0), 0)


def test_rows_of_trials_and_what_is_free(tell: Callable) -> None:
    found = Candidates(mixed())
    story = tell()
    story.asked({}, "id3")
    story.asked({}, "elsewhere")
    story.asked({}, None)
    story.asked({}, "id0")
    assert found.rows(story.history.trials) == [3, 0]
    assert found.free(story.history).tolist() == [False, True, True, False, True]
    proposal = found.proposal(1, {"rule": "test"})
    assert proposal.candidate == "id1" and proposal.params["solvent"] == "DMF"
