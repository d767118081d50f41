"""`matscout bench NAME --render FILE`, where the file is damaged or of something else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matscout.cli.bench.shown import render
from matscout.errors import InputError

Matscout = Callable[..., Any]
RESULTS = Path(__file__).parents[3] / "results"
PARTS = {"campaigns": "tables", "faults": "figures", "imbalance": "tables", "lowdata": "tables",
         "scarcity": "targets", "sweeps": "problems", "uncertainty": "tables"}  # fmt: skip


def rendered(matscout: Matscout, name: str, path: Path, text: str) -> int:
    """The exit code: 0 where the page told of nothing that is damaged."""
    path.write_text(text)
    page = path.with_suffix(".md")
    found = matscout("bench", name, "--render", str(path), "--out", str(page))
    assert found.out == "" and page.exists() == (found.code == 0)
    if found.code != 0:
        assert found.code == 2 and path.name in found.err and "--out has written" in found.err
        assert found.err.count("\n") == 1 and "internal" not in found.err
        return 2
    page.unlink()
    return 0


@pytest.mark.parametrize("name", PARTS)
def test_a_damaged_result_is_one_line(name: str, tmp_path: Path, matscout: Matscout) -> None:
    text = (RESULTS / f"{name}.json").read_text()
    whole, path = json.loads(text), tmp_path / "x.json"
    for damaged in ("[" * 100_000, text[: len(text) // 2], "", "[]", "\0"):
        assert rendered(matscout, name, path, damaged) == 2
    empty = {**whole, PARTS[name]: dict.fromkeys(whole[PARTS[name]], 1)}
    assert rendered(matscout, name, path, json.dumps(empty)) == 2


def test_a_number_that_is_not_there(tmp_path: Path, matscout: Matscout) -> None:
    whole = json.loads((RESULTS / "faults.json").read_text())
    del whole["cores"]
    assert rendered(matscout, "faults", tmp_path / "x.json", json.dumps(whole)) == 2


@pytest.mark.parametrize(
    "raised", [KeyError("cores"), TypeError(), IndexError(), AttributeError(), RecursionError(),
               ValueError(), ZeroDivisionError()],
)  # fmt: skip
def test_whatever_the_page_runs_into(raised: Exception, tmp_path: Path) -> None:
    def page(result: Any) -> str:
        raise raised

    with pytest.raises(InputError, match=r"x\.json: is not what --out has written") as caught:
        render(tmp_path / "x.json", None, lambda path: {}, page)
    assert caught.value.__cause__ is raised


def test_a_mistake_that_is_named_keeps_its_words(tmp_path: Path) -> None:
    def load(path: Path) -> Any:
        raise InputError(str(path), "holds a problem")

    with pytest.raises(InputError, match=r"holds a problem$"):
        render(tmp_path / "x.json", None, load, lambda result: "")
