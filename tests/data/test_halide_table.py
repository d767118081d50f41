"""The project's own reference table: whole, sane, and in agreement with what has been made."""

import csv
from math import comb

import pytest

from matscout.data.halide_phases import Phase, phases_text, shipped_phases
from matscout.data.halide_table import (
    most_stable,
    random_finds,
    reference_table,
    table_text,
)
from matscout.data.halides import halides, lead_free_halides


def test_the_table_holds_every_candidate_and_reads_back_as_written():
    table = reference_table()
    assert set(table) == {h.formula for h in halides()}
    for row in table.values():
        assert bool(row.failed) == (row.dH_dec_meV_atom is None)
    assert [line.split(",")[0] for line in table_text(table.values()).splitlines()[1:]] == sorted(
        table
    )


def test_most_stable_is_lowest_first():
    pool = [h.formula for h in lead_free_halides()]
    best, table = most_stable(pool, 20), reference_table()
    values = [table[f].dH_dec_meV_atom for f in best]
    assert len(best) == 20 and values == sorted(values)
    others = [table[f].dH_dec_meV_atom for f in pool if f not in best]
    assert max(values) <= min(v for v in others if v is not None)


def test_random_finds_is_the_hypergeometric_law():
    finds = random_finds(340, 20, 40)
    assert finds.mean == pytest.approx(40 * 20 / 340)
    chance = [comb(20, k) * comb(320, 40 - k) / comb(340, 40) for k in range(21)]
    below, upto = sum(chance[: finds.low]), sum(chance[: finds.high + 1])
    assert below < 0.05 <= below + chance[finds.low]
    assert upto - chance[finds.high] < 0.95 <= upto


def test_stability_ranks_what_is_made_above_what_is_not(shared_data):
    """ROC-AUC against 139 experimental labels (Bartel et al., Sci. Adv. 5, eaav0693 (2019))."""
    from sklearn.metrics import roc_auc_score

    table = reference_table()
    with open(shared_data / "perovskite_labels" / "halides.csv") as file:
        labels = {row["formula"]: int(row["is_perovskite"]) for row in csv.DictReader(file)}
    assert len(labels) == 139
    known = [f for f in labels if table[f].dH_dec_meV_atom is not None]
    assert len(known) >= 136
    auc = roc_auc_score([labels[f] for f in known], [-table[f].dH_dec_meV_atom for f in known])
    assert auc >= 0.85


def test_shipped_phases_are_those_of_one_recipe_only():
    assert shipped_phases("another recipe") == {}
    phase = Phase("SnI2", "rutile", -3.1, {"species": [], "lattice": [], "coords": []})
    assert Phase.from_json(phase.to_json()) == phase
    assert phases_text("r", {"SnI2": phase}).splitlines()[1] == phase.to_json()
    with pytest.raises(ValueError):
        Phase.from_json('{"formula": "SnI2"}')
