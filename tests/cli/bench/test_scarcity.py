"""`matscout bench scarcity` on made-up properties of real prototypes: who learned from what, a page."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matscout.cli.bench.scarcity import arms, bench, targets
from matscout.cli.bench.scarcity.arms import ARMS, Effort, Experts
from matscout.cli.bench.scarcity.figures import duels
from matscout.cli.bench.scarcity.markdown import markdown
from matscout.cli.bench.scarcity.targets import TARGETS, Rows, targets_named, without
from matscout.data.formation_enthalpies import FormationEnthalpies, formation_enthalpies
from matscout.data.formula import reduced_formula
from matscout.data.prototypes import Substituted, substituted
from matscout.errors import InputError
from matscout.evaluate.pretraining import POINT, REST, PretrainingSet

Matscout = Callable[..., Any]
TINY = Effort(graphs=4, heads=20, second=2, expert_epochs=2, sources=60, rest_sources=50)


def made_up(crystals: list[Substituted]) -> np.ndarray:
    """Columns that hang on size and composition, some of them unknown."""
    volume = np.array([c.structure.volume / len(c.structure) for c in crystals])
    z = np.array([np.mean([site.specie.Z for site in c.structure]) for c in crystals])
    table = np.column_stack([-0.1 * volume, z / 50, z - volume, volume, 3000 / volume])
    table[::7, len(POINT) :] = np.nan
    return table


def _tiny_options(kind: Any, *words: Any) -> Any:
    return replace(kind(*words), effort=TINY)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[set[str]]:
    """No CHGNet and next to no training; a list of what experts have learned from, as it goes on."""

    def stub(n: int, seed: int, *, rest: bool, cache: Path) -> PretrainingSet:
        crystals = substituted(n, seed, max_sites=4)
        names = (*POINT, *REST) if rest else POINT
        return PretrainingSet(tuple(crystals), names, made_up(crystals)[:, : len(names)])

    learned: list[set[str]] = []
    plain = arms.views_of

    def listening(rows: Rows, store: Path) -> Any:
        learned.append(set(rows.formulas))
        return plain(rows, store)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(targets, "pretraining_set", stub)
    monkeypatch.setattr(targets, "SCARCE_CRYSTALS", 60)
    monkeypatch.setattr(arms, "views_of", listening)
    known = formation_enthalpies()
    few = FormationEnthalpies(known.formulas[:150], known.enthalpy[:150], known.uncertainty[:150])
    monkeypatch.setattr(targets, "formation_enthalpies", lambda: few)
    given = bench.Options
    tiny_options = partial(_tiny_options, given)
    monkeypatch.setattr(bench, "Options", tiny_options)
    return learned


def fake(name: str, rows: Rows, experts: Any, options: Any) -> dict[str, Any]:
    """What playing would return."""
    rng = np.random.default_rng(len(name))
    sizes = {
        str(size): {
            "judged": 20,
            "mae": {arm: rng.uniform(1.0, 2.0, options.draws).round(3).tolist() for arm in ARMS},
            "seconds": 0.0,
        }
        for size in options.rows
    }
    about = {"said": TARGETS[name].said, "unit": TARGETS[name].unit, "rows": len(rows.y)}
    return {**about, "experts": ["energy"], "command": options.command(name), "sizes": sizes}


def test_the_file_is_added_to_and_becomes_a_page(
    tmp_path: Path, matscout: Matscout, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Rows(("NaCl",) * 60, np.arange(60.0))
    monkeypatch.setattr(bench, "read", lambda name, data, made: rows)
    monkeypatch.setattr(bench, "_played", fake)
    out = tmp_path / "scarcity.json"
    words = ["bench", "scarcity", "--sizes", "20,30", "--draws", "3"]
    done = matscout(*words, "--targets", "magmom", "--out", str(out))
    assert done.code == 0 and "| experts | pairwise |" in done.out
    more = matscout(*words, "--targets", "magmom,enthalpy", "--out", str(out), "--merge")
    assert "magmom: is there already" in more.err
    both = json.loads(out.read_text())
    assert list(both["targets"]) == ["enthalpy", "magmom"], "in the order of TARGETS"
    duel = both["duels"][1]
    assert duel["wins"] + duel["ties"] + duel["losses"] == 4
    assert matscout("bench", "scarcity", "--render", str(out)).out.strip() == more.out.strip()
    assert "no target" in matscout(*words, "--targets", "magmon").err
    assert "needs a folder" in matscout(*words, "--targets", "phonons").err
    few = matscout("bench", "scarcity", "--sizes", "50", "--targets", "magmom")
    assert few.code == 2 and "50 leave fewer than 20" in few.err
    assert matscout("bench", "scarcity", "--sizes", "5", "--targets", "magmom").code == 2


@pytest.mark.slow
def test_every_arm_is_played_on_the_same_draws(
    tiny: list[set[str]], tmp_path: Path, matscout: Matscout
) -> None:
    out = tmp_path / "scarcity.json"
    words = ["bench", "scarcity", "--sizes", "20", "--draws", "2", "--targets", "magmom,enthalpy"]
    assert matscout(*words, "--out", str(out)).code == 0
    targets = json.loads(out.read_text())["targets"]
    assert targets["magmom"]["experts"] == ["energy", "volume", "bulk_modulus", "enthalpy"]
    cell = targets["magmom"]["sizes"]["20"]
    assert set(cell["mae"]) == set(ARMS) and cell["judged"] == 40
    assert all(len(each) == 2 and min(each) > 0 for each in cell["mae"].values())
    assert "scratch columns" not in targets["enthalpy"]["sizes"]["20"]["mae"]


def test_experts_never_saw_a_composition_of_their_target(
    tiny: list[set[str]], tmp_path: Path
) -> None:
    experts = Experts(tmp_path / "made.jsonl", TINY)
    (volume, *_) = experts._rows("volume").formulas
    known = reduced_formula(formation_enthalpies().formulas[0])
    found = experts.of("enthalpy", ["NaCl", volume, known])
    assert [e.body.name for e in found] == ["energy", "magmom", "volume", "bulk_modulus"]
    assert not any({"NaCl", volume, known} & seen for seen in tiny)
    assert len(tiny) == 2, "energy and moment are of the same crystals, volume and modulus too"
    assert 0 < found[2].rows < len(experts._rows("volume").y), "what is left is told"
    tiny.clear()
    assert experts.of("jdft2d", [volume])[-1].body.name == "enthalpy"
    assert known in tiny[-1] and volume not in set().union(*tiny), "another target, others to hide"


def test_the_enthalpies_formulas_are_written_as_those_of_other_tables(tmp_path: Path) -> None:
    """pymatgen writes Li2O2, and the table of phonons LiO: one would not find the other."""
    rows = targets.read("enthalpy", None, tmp_path)
    assert "LiO" in rows.formulas and "Li2O2" not in rows.formulas
    assert rows.formulas == tuple(map(reduced_formula, rows.formulas))
    assert len(set(rows.formulas)) == len(rows.y) == len(formation_enthalpies())


def test_rows_go_with_their_structures_and_targets() -> None:
    crystals = substituted(5, 0, max_sites=4)
    rows = Rows(tuple("abcab"), np.arange(5.0), tuple(c.structure for c in crystals))
    left = without(rows, frozenset("ac"))
    assert left.formulas == ("b", "b") and left.y.tolist() == [1.0, 4.0]
    assert left.structures == (crystals[1].structure, crystals[4].structure)
    assert targets_named("") == list(TARGETS)
    with pytest.raises(InputError, match="did you mean 'phonons'"):
        targets_named("phonon")


def test_duels_come_from_the_errors_of_every_draw() -> None:
    cell = {
        "mae": {"experts": [1.0, 1.1, 0.9], "pairwise": [2.0, 2.0, 2.1], "forest": [1.0, 1.0, 1.0]}
    }
    found = duels({"energy": {"sizes": {"50": cell}}, "volume": {"sizes": {"50": cell}}})
    assert [(d["one"], d["other"]) for d in found] == [
        ("experts", "pairwise"),
        ("experts", "forest"),
    ]
    assert (found[0]["wins"], found[0]["lower"], found[1]["ties"]) == (2, 2, 2)
    assert found[0]["win_share_ci95"] == [1.0, 1.0] and found[0]["ratio"] < 0.6
    alone = duels({"energy": {"sizes": {"50": cell, "100": cell}}})[0]
    assert alone["wins"] == 2 and alone["ratio"] == found[0]["ratio"]
    assert alone["ratio_ci95"] is None and alone["win_share_ci95"] is None, "one target, no spread"


def test_the_page_says_how_much_experts_learned_from() -> None:
    cell = {"judged": 20, "mae": {arm: [1.0, 2.0] for arm in ARMS}}
    target = {
        "said": "", "unit": "eV", "rows": 99, "experts": ["energy", "chgnet"],
        "learned_from": {"energy": 346}, "command": "", "sizes": {"50": cell},
    }  # fmt: skip
    targets = {"phonons": target}
    page = markdown({"arms": ARMS, "targets": targets, "duels": duels(targets)})
    assert "experts: energy (346 rows), chgnet\n" in page
    assert "| experts | forest | 0–1–0 | 0.00 | 0 of 1 | 1.000 |" in page
