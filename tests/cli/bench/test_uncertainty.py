"""`matscout bench uncertainty` on a made-up table: who is judged by what, a file, a page."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matscout.cli.bench.lowdata.tables import Rows
from matscout.cli.bench.uncertainty import bench
from matscout.cli.bench.uncertainty.markdown import markdown
from matscout.cli.bench.uncertainty.models import MODELS, NOTHING
from matscout.cli.bench.uncertainty.shifts import SHIFTS, drawn

Matscout = Callable[..., Any]
ELEMENTS = (
    "Fe",
    "Ni",
    "Cr",
    "Mn",
    "Al",
    "Si",
    "Ti",
    "Co",
    "V",
    "Mo",
    "W",
    "Nb",
    "Cu",
    "Zr",
    "Hf",
    "Ta",
)


def rows(n: int = 300, groups: int = 0) -> Rows:
    rng = np.random.default_rng(0)
    named = tuple(str(k % (groups or n)) for k in range(n))
    return Rows(rng.normal(size=(n, 3)), rng.normal(size=n), named)


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("groups", [0, 120])
def test_no_row_and_no_group_is_in_two_sets(shift: str, groups: int) -> None:
    table = rows(groups=groups)
    for draw in range(3):
        found = drawn(table, shift, draw)
        sets = (found.train, found.inside, found.outside)
        assert table.groups is not None
        seen = [{table.groups[row] for row in one} for one in sets]
        assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])
        assert all(len(one) >= 20 for one in sets)
        again = drawn(table, shift, draw)
        assert np.array_equal(again.train, found.train)


def test_the_tail_is_above_all_that_was_learned() -> None:
    table = rows()
    found = drawn(table, "tail", 1)
    assert table.y[found.outside].min() > table.y[found.train].max()


@pytest.mark.parametrize("n", [10, 40])
@pytest.mark.parametrize("shift", SHIFTS)
def test_too_few_rows(n: int, shift: str) -> None:
    with pytest.raises(ValueError, match=f"of {n} rows|{n} rows are too few"):
        drawn(rows(n), shift, 0)


def test_every_model_is_played_the_file_added_to_and_a_page_made(
    tmp_path: Path, matscout: Matscout, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {name: MODELS[name] for name in (NOTHING, "jackknife_forest")}
    monkeypatch.setattr(bench, "MODELS", few)
    folder = tmp_path / "matbench_formula"
    folder.mkdir()
    pairs = list(combinations(ELEMENTS, 2))
    rng = np.random.default_rng(1)
    lines = [f"{a}{b},{len(a) + 0.1 * rng.normal()}" for a, b in pairs]
    for name in ("steels_yield", "expt_gap"):
        (folder / f"{name}.csv").write_text("\n".join(["formula,target", *lines]) + "\n")
    out = tmp_path / "u.json"
    words = ["bench", "uncertainty", "--data", str(tmp_path), "--draws", "2", "--out", str(out)]
    done = matscout(*words, "--tables", "steels")
    assert done.code == 0 and "| jackknife_forest | " in done.out
    more = matscout(*words, "--tables", "steels,expt_gap", "--merge")
    assert "steels: is there already" in more.err
    tables = json.loads(out.read_text())["tables"]
    assert list(tables) == ["steels", "expt_gap"]
    found = tables["steels"]["shifts"]["tail"]
    assert set(found) == set(few) and len(found[NOTHING]["outside"]["crps"]) == 2
    assert found["jackknife_forest"]["inside"]["crps"] < found[NOTHING]["inside"]["crps"]
    assert matscout("bench", "uncertainty", "--render", str(out)).out.strip() == more.out.strip()
    for wrong, said in (
        (["--tables", "steel"], "did you mean 'steels'"),
        (["--tables", "hardness"], "hv_comp_load.csv"),
        (["--tables", "expt_gap", "--draws", "3", "--merge"], "ask for as many draws"),
    ):
        refused = matscout(*words, *wrong)
        assert refused.code == 2 and said in refused.err and refused.err.count("\n") == 1


def test_a_figure_that_a_draw_has_not_is_a_dash() -> None:
    place = {
        "nll": [1.0, None],
        "crps": [1.0, 2.0],
        "coverage": [0.9, 0.8],
        "epistemic": [0.0, 1.0],
    }
    one = {"inside": place, "outside": place}
    table = {"rows": 9, "unit": "eV", "command": "c", "seconds": 1.0,
             "shifts": {shift: {NOTHING: one, "other": one} for shift in SHIFTS}}  # fmt: skip
    page = markdown({"level": 0.9, "tables": {"t": table}})
    assert "| other | –, – | 1.00 [1.00, 1.00], 1.00 [1.00, 1.00] | " in page
