"""`matscout bench lowdata` on made-up alloys: fair draws, the trainer's models, honest ratios."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import t as student

from matscout.cli.bench.lowdata import cell as low
from matscout.cli.bench.lowdata.figures import means, versus
from matscout.cli.bench.lowdata.models import guesses
from matscout.models import tabular

Matscout = Callable[..., Any]


def alloys(folder: Path, n: int = 40) -> Path:
    rng = np.random.default_rng(0)
    rows = []
    for iron in rng.uniform(0.2, 0.9, size=n).tolist():
        rows.append(f"Fe{iron:.4f}Ni{1 - iron:.4f},{500 + 300 * iron + 20 * rng.normal():.2f}")
    path = folder / "matbench_formula" / "steels_yield.csv"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(["formula,target", *rows]) + "\n")
    return folder


def test_the_models_are_the_trainers() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(50, 6))
    y = np.abs(x[:, 0] + rng.normal(size=50))
    found = guesses(low.SEARCH, x[:30], y[:30], x[30:], 3)
    for (model, params), ours in zip(low.SEARCH, found, strict=True):
        pipe = tabular.pipeline(model, "regression", tabular.Columns(x[:30], 6), params, 3)
        theirs = tabular.fit(pipe, x[:30], y[:30]).predict(x[30:])
        assert ours == pytest.approx(theirs, rel=1e-9), (model, params)


def test_a_draw_hides_the_rest_and_keeps_groups_whole() -> None:
    groups = [f"g{k % 9}" for k in range(60)]
    for seed in range(5):
        few, rest = low.draw(60, 20, None, seed)
        assert sorted([*few, *rest]) == list(range(60)) and len(few) == 20
        more, _ = low.draw(60, 30, None, seed)
        assert set(few) <= set(more)
        few, rest = low.draw(60, 20, groups, seed)
        assert len(few) == 20 and not {groups[k] for k in few} & {groups[k] for k in rest}
        assert set(low.draw(60, 10, groups, seed)[0]) <= set(few)
    assert low.draw(60, 20, None, 0)[0].tolist() != low.draw(60, 20, None, 1)[0].tolist()


def test_every_rule_scores_the_same_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(low, "SEARCH", low.SEARCH[:5])
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 3))
    one = low.cell(x, x[:, 0] + 0.1 * rng.normal(size=60), None, 30, 0)
    # Logarithms are left out, for the target is negative; here the first five have none.
    assert one.tried.guesses.shape == (5, 2, 30) and np.isfinite(one.tried.guesses).all()
    found = low.scores(one, 0)
    assert tuple(found) == low.RULES
    errors = np.abs(one.outer - one.truth).mean(axis=1)
    assert found["extra trees"].outer == pytest.approx(errors[0])
    assert found["robert"].outer == pytest.approx(errors[np.argmin(one.robert)])
    inner = np.abs(one.tried.guesses - one.tried.truth).mean(axis=(1, 2))
    assert found["best"].outer == pytest.approx(errors[np.argmin(inner)])
    assert found["best"].inner == pytest.approx(inner.min())
    plain = one.outer[:3].mean(axis=0)
    assert found["none"].outer == pytest.approx(np.abs(plain - one.truth).mean())
    top = one.outer[np.argsort(inner)[:3]].mean(axis=0)
    assert found["average"].outer == pytest.approx(np.abs(top - one.truth).mean())
    assert found["auto"].outer == found["average" if found["auto"].tuned else "none"].outer
    assert found["auto"].why.startswith("tuned: " if found["auto"].tuned else "tuning declined: ")


def test_ratios_by_hand() -> None:
    logs = np.array([0.1, -0.2, 0.05, -0.1])
    found = versus([logs])
    half = student.ppf(0.975, 3) * logs.std(ddof=1) / 2
    assert found["value"] == pytest.approx(np.exp(logs.mean()), rel=1e-5)
    assert found["ci95"] == pytest.approx(np.exp(logs.mean() + np.array([-half, half])), rel=1e-5)
    assert found["verdict"] == "tie"
    assert versus([np.full(5, -0.1) + 1e-3 * np.arange(5)])["verdict"] == "better"
    assert versus([np.zeros(4)])["verdict"] == "tie"
    assert versus([np.zeros(1)])["value"] is None
    assert means({}) == {}


def test_played_written_kept_and_rendered(
    tmp_path: Path, matscout: Matscout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(low, "SEARCH", low.SEARCH[:4])
    data, out = alloys(tmp_path / "data"), tmp_path / "low.json"
    words = ["bench", "lowdata", "--data", str(data), "--tables", "steels", "--sizes", "12,20"]
    words += ["--draws", "2", "--out", str(out)]
    said = matscout(*words)
    assert said.code == 0, said.err
    result = json.loads(out.read_text())
    one = result["tables"]["steels"]["sizes"]["20"]
    assert one["judged"] == [20, 20] and tuple(one["rules"]) == low.RULES
    assert one["rules"]["none"]["to_none"]["value"] == 1
    auto = one["rules"]["auto"]["outer"]
    assert one["rules"]["best"]["auto_to_it"]["value"] == pytest.approx(
        np.exp(np.mean(np.log(auto) - np.log(one["rules"]["best"]["outer"]))), rel=1e-4
    )
    assert len(one["why"]) == 2 and "on rows that did not choose it" in one["why"][0]
    assert "| 20 | 20 | auto |" in said.out and "tuned in" in said.out
    again = matscout(*words, "--merge")
    assert again.code == 0 and "is there already" in again.err
    page = tmp_path / "low.md"
    assert matscout("bench", "lowdata", "--render", str(out), "--out", str(page)).code == 0
    assert page.read_text() == said.out.rstrip("\n") + "\n"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--tables", "steals"], "no table 'steals'; did you mean 'steels'?"),
        (["--sizes", "5"], "must be whole numbers >= 10"),
        (["--sizes", "20,many"], "must be whole numbers >= 10"),
        (["--sizes", "40"], "steels has 40 rows, and 40 leave none to judge by"),
        (["--tables", "jdft2d"], "jdft2d.csv: does not exist"),
        (["--merge"], "there is no file to add to"),
    ],
)
def test_mistakes_fit_nothing(
    words: list[str], what: str, tmp_path: Path, matscout: Matscout
) -> None:
    given = words if "--tables" in words else ["--tables", "steels", *words]
    said = matscout("bench", "lowdata", "--data", str(alloys(tmp_path / "data")), *given)
    assert said.code == 2 and what in said.err and len(said.err.strip().splitlines()) == 1
