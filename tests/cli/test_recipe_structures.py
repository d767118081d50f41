"""The recipe on a table of structures, and `predict` with its models."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from matscout.data import crystal_features, structure_files
from matscout.data.structure_text import structure_to_dict

Matscout = Callable[..., Any]
SPACE = (
    'parameters.model = { type = "categorical", choices = ["linear", "block_gaussian_process"] }'
)
WORDS = ["small.toml", "--data", "t.csv", "--target", "y", "--outer", "2", "--trials", "2",
         "--workers", "1", "--fleet", "inline", "--name", "few"]  # fmt: skip
PAIRS = [(a, b) for a in ("Na", "K", "Li", "Rb", "Ag") for b in ("Cl", "Br", "F", "I", "O")]


def salt(a: str, b: str, edge: float) -> Structure:
    return Structure(Lattice.cubic(edge), [a, b], [[0, 0, 0], [0.5] * 3])


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many structures were given to what stands for CHGNet, call by call."""
    calls: list[int] = []

    def features(structures: Sequence[Structure], names: Any = None) -> np.ndarray:
        calls.append(len(structures))
        return np.array([[s.volume, *s.lattice.abc] for s in structures])

    monkeypatch.setattr(crystal_features, "crystal_features", features)
    monkeypatch.setattr(structure_files, "_known", {})
    return calls


@pytest.fixture
def table(home: Path) -> Path:
    rng = np.random.default_rng(0)
    (home / "cells").mkdir()
    rows = []
    for k, (a, b) in enumerate(PAIRS):
        edge = float(rng.uniform(3, 5))
        salt(a, b, edge).to(str(home / "cells" / f"{k}.vasp"), fmt="poscar")
        rows.append(f"cells/{k}.vasp,{edge + 0.01 * float(rng.normal()):.4f}")
    (home / "t.csv").write_text("\n".join(["crystal,y", *rows]) + "\n")
    (home / "small.toml").write_text(SPACE)
    return home / "t.csv"


@pytest.mark.slow
def test_from_structures_to_a_card_and_to_predictions(
    home: Path, matscout: Matscout, table: Path, computed: list[int]
) -> None:
    said = matscout("sweep", *WORDS, "--json")
    assert said.code == 0, said.err
    whole = json.loads(said.out)
    assert any("crystal becomes composition, the 64 numbers" in w for w in whole["decisions"])
    assert whole["better_by"]["dummy"]["mean"] > 0
    folder = home / "results" / "runs" / "few"
    assert "64 numbers that CHGNet" in (folder / "card.md").read_text()
    assert sum(computed) == len(PAIRS)

    structure_files._known.clear()
    (home / "new").mkdir()
    inline = json.dumps(structure_to_dict(salt("Na", "Cl", 4.0)))
    salt("Cs", "Cl", 4.5).to(str(home / "new" / "cscl.cif"))
    (home / "new" / "new.csv").write_text(
        'crystal,note\ncscl.cif,a\n"' + inline.replace('"', '""') + '",b\n'
    )
    said = matscout("predict", "few", "new/new.csv", "-o", "out.csv", "--json")
    assert said.code == 0, said.err
    rows = list(csv.DictReader((home / "out.csv").open()))
    assert [row["crystal"] for row in rows] == ["cscl.cif", "NaCl"]
    assert "element Cs never seen" in rows[0]["warning"]
    assert abs(float(rows[1]["prediction"]) - 4.0) < 0.8
    assert sum(computed) == len(PAIRS) + 2  # nothing of the table again
    assert json.loads(said.out)["reproduced"]

    salt("Na", "Cl", 9.0).to(str(home / "cells" / "0.vasp"), fmt="poscar")
    said = matscout("predict", "few", "new/new.csv", "-o", "out.csv", "--force")
    assert said.code == 2 and "has changed since run 'few' learned from it" in said.err


def bad(home: Path) -> Iterator[tuple[str, str]]:
    yield "crystal,y\n" + "cells/0.vasp,1\n" * 20 + "cells/none.cif,2\n", "no such file"
    (home / "cells" / "x.cif").write_text("garbage")
    yield "crystal,y\n" + "cells/0.vasp,1\ncells/x.cif,2\n" * 12, "x.cif: not a structure"
    yield "crystal,y\n" + "cells/0.vasp,1\n,2\ncells/1.vasp,3\n" * 12, "line 3: no structure"


def test_mistakes_are_one_line_and_nothing_is_written(
    home: Path, matscout: Matscout, table: Path, computed: list[int]
) -> None:
    for text, what in bad(home):
        table.write_text(text)
        said = matscout("sweep", *WORDS, "--structures", "crystal")
        assert said.code == 2, (text[:40], said)
        assert what in said.err and len(said.err.splitlines()) == 1
        assert "t.csv" in said.err and "line" in said.err
        assert not list((home / "results").glob("runs/few*")) and computed == []
    table.write_text("crystal,y\n" + "cells/0.vasp,1\n" * 20)
    said = matscout("sweep", *WORDS, "--structures", "crystals")
    assert said.code == 2 and "did you mean 'crystal'" in said.err
