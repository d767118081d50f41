"""Formulas: what parses, and one name for one composition."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matscout.data.formula import MAX_CHARS, amounts, canonical, is_formula, reduced_formula


def test_amounts_by_atomic_number() -> None:
    assert amounts("Fe2(SO4)3") == ((8, 12.0), (16, 3.0), (26, 2.0))
    assert amounts("Li1.3Al0.3[Ti]1.7(PO4)3")[0] == (3, 1.3)
    assert amounts("D2O") == ((1, 2.0), (8, 1.0))


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "Xx2O3",
            "X",
            "Q",
            "BASIC",
            "fe2o3",
            "Fe2O3-x",
            "Fe2O3·H2O",
            "Li+",
            "Fe(",
            "Fe-1",
        ),
        *("Fe0O0", "Fe1e400", "4", "Yes", "Fe\n", "=cmd()", "Al" * (MAX_CHARS // 2 + 1), "Fe..5"),
        *("(" * 60 + "H9" + ")999999" * 12, "(" * 100 + "H" + ")" * 99),
    ],
)
def test_what_is_no_formula_is_named(text: str) -> None:
    assert not is_formula(text)
    with pytest.raises(ValueError, match=r"formula|characters") as caught:
        amounts(text)
    assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)


def test_ways_to_write_a_composition() -> None:
    ways = ["Fe2O3", "O3Fe2", "Fe4O6", "(Fe0.4O0.6)10", "Fe0.4 O0.6", "Fe6O9", "FeO1.5"]
    assert {reduced_formula(way) for way in ways} == {"Fe2O3"}
    assert canonical("Al2O3") == canonical("O3 Al2.0") == "O3Al2" != canonical("Al4O6")
    li = ["Li1.3Al0.3Ti1.7(PO4)3", "Li7.8Al1.8Ti10.2P18.0O72.0", "Li13Al3Ti17P30O120"]
    assert len({reduced_formula(f) for f in li}) == 1
    assert reduced_formula("Fe0.623C0.00854Mn0.000104") != reduced_formula(
        "Fe0.623C0.00855Mn0.000104"
    )
    assert canonical("Fe0.62Nb0.0000616") == "Fe0.62Nb0.0000616" and is_formula(
        canonical("FeNb0.0000616")
    )


ELEMENTS = st.sampled_from(["Li", "O", "Fe", "Cs", "U", "Si"])


@given(st.dictionaries(ELEMENTS, st.integers(1, 60), min_size=1), st.integers(1, 50), st.data())
def test_reduced_is_one_for_multiples_and_orders(
    parts: dict, times: int, data: st.DataObject
) -> None:
    plain = "".join(f"{symbol}{count}" for symbol, count in parts.items())
    turned = data.draw(st.permutations(list(parts.items())))
    other = "".join(f"{symbol}{count * times}" for symbol, count in turned)
    tenth = "".join(f"{symbol}{count / 10}" for symbol, count in turned)
    name = reduced_formula(plain)
    assert reduced_formula(other) == reduced_formula(tenth) == reduced_formula(name) == name
    assert canonical(canonical(other)) == canonical(other)


@given(st.text(max_size=40))
def test_any_text_parses_or_is_refused(text: str) -> None:
    if is_formula(text):
        assert all(amount > 0 for _, amount in amounts(text)) and reduced_formula(text)


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("CuSO4.5H2O", "write CuSO4(H2O)5"),
        ("CaSO4.2H2O", "write CaSO4(H2O)2"),
        ("Na2CO3.10H2O", "write Na2CO3(H2O)10"),
        ("CaSO4.0.5H2O", "write CaSO4(H2O)0.5"),
        ("LiCl.H2O", "write LiCl(H2O)"),
        ("Cu(I)Cl", "(I) would be an element"),
        ("Fe(III)2O3", "(III) would be an element"),
        ("Fe (III) O", "(III) would be an element"),
        ("Mn(IV)O2", "(IV) would be an element"),
        ("V(V)2O5", "(V) would be an element"),
    ],
)
def test_what_a_parser_would_misread_is_refused(text: str, how: str) -> None:
    """`CuSO4.5H2O` was Cu2H4S2O11: 4.5 oxygens and a water."""
    assert not is_formula(text)
    with pytest.raises(ValueError, match=re.escape(text)) as caught:
        amounts(text)
    assert how in str(caught.value)


def test_points_and_parentheses_that_are_meant() -> None:
    assert reduced_formula("CuSO4(H2O)5") == "CuH10SO9"
    assert amounts("Al.5Ga.5As") == ((13, 0.5), (31, 0.5), (33, 1.0))
    assert amounts("Li0.5H2O")[1] == (3, 0.5)
    assert amounts("Fe(CN)6") and amounts("(InI)2") and amounts("[VIn]2")
    assert canonical("Fe0O2") == "O2"
