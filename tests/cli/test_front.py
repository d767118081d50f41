"""A sweep of several targets under limits, from its config to what a person sees."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matscout.drive.run import load
from matscout.runfolder import RunFolder

Matscout = Callable[..., Any]

CONFIG = """
name = "traded"
seed = 3
[space.parameters]
width = { type = "int", low = 1, high = 40 }
rate = { type = "float", low = 0.0, high = 1.0 }
[[targets]]
name = "error"
direction = "min"
[[targets]]
name = "speed"
direction = "max"
[[limits]]
name = "latency_ms"
max = 6.5
[[limits]]
name = "speed"
min = 0.2
[evaluator]
type = "function"
target = "network:measure"
[proposer]
type = "tpe"
startup = 6
[run]
trials = 16
workers = 2
fleet = "inline"
"""

NETWORK = """
def measure(params):
    width, rate = params["width"], params["rate"]
    return {
        "error": 1.0 / width + (rate - 0.4) ** 2,
        "speed": 1.0 - width / 40 + 0.1 * rate,
        "latency_ms": width / 4 + 0.5,
    }

seen = set()

def lucky(params):
    late = 9.0 if params["width"] in seen else 6.0
    seen.add(params["width"])
    return {"error": 0.1, "speed": 1.0, "latency_ms": late}

def half(params):
    if params["width"] % 2:
        return {"error": 1.0, "speed": 0.5}
    return measure(params)
"""


@pytest.fixture
def traded(home: Path) -> Path:
    (home / "traded.toml").write_text(CONFIG)
    (home / "network.py").write_text(NETWORK)
    return home


def kept(values: dict[str, float]) -> bool:
    return values["latency_ms"] <= 6.5 and values["speed"] >= 0.2


def brute(rows: list[dict[str, float]]) -> list[int]:
    """Feasible rows that no feasible row betters in one target and matches in the other."""
    pairs = {i: (-r["error"], r["speed"]) for i, r in enumerate(rows) if kept(r)}
    better = {
        i: any(q[0] >= p[0] and q[1] >= p[1] and q != p for q in pairs.values())
        for i, p in pairs.items()
    }
    return sorted((i for i, beaten in better.items() if not beaten), key=lambda i: -pairs[i][0])


def test_what_a_person_sees_of_a_front_under_limits(traded: Path, matscout: Matscout) -> None:
    said = matscout("sweep", "traded.toml")
    assert said.code == 0, said.err
    history, _ = load(RunFolder.of("traded"))
    rows = [dict(t.values) for t in history.trials]
    front, count = brute(rows), sum(map(kept, rows))
    assert 0 < count < 16 and len(front) > 1
    assert f"front: {len(front)} compromises" in said.out and "best:" not in said.out
    lines = [line for line in said.out.splitlines() if line.startswith("  trial ")]
    assert [int(line.split()[1].rstrip(":")) for line in lines] == front[:8]
    assert f"feasible: {count} of 16 measured" in said.out
    assert "latency_ms at most 6.5" in said.out

    told = json.loads(matscout("status", "traded", "--json").out)
    assert [t["trial"] for t in told["front"]] == front and told["infeasible"] == 16 - count
    assert told["best"]["trial"] == front[0]
    assert told["limits"][0] == {"name": "latency_ms", "max": 6.5}

    assert matscout("report", "traded").code == 0
    page = (RunFolder.of("traded").report).read_text()
    assert f"The front: {len(front)} of 16 measured" in page
    assert "minimise error, maximise speed" in page and "they keep every limit" in page

    assert matscout("export", "traded", "--out", "t.csv").code == 0
    with open(traded / "t.csv") as file:
        assert [row["feasible"] for row in csv.DictReader(file)] == [
            str(kept(row)).lower() for row in rows
        ]


def test_a_sweep_that_was_broken_off_goes_on_as_if_it_had_not_been(
    traded: Path, matscout: Matscout
) -> None:
    (traded / "again.toml").write_text(CONFIG.replace('"traded"', '"again"'))
    assert matscout("sweep", "traded.toml").code == 0
    assert matscout("sweep", "again.toml", "--trials", "9").code == 0
    assert matscout("resume", "again", "--trials", "16").code == 0
    whole, broken = (load(RunFolder.of(name))[0] for name in ("traded", "again"))
    assert [t.params for t in whole.trials] == [t.params for t in broken.trials]
    assert len(whole.trials) == 16 and whole.limits == broken.limits != ()


def test_an_exported_study_knows_the_limits(traded: Path, matscout: Matscout) -> None:
    import optuna

    assert matscout("sweep", "traded.toml").code == 0
    assert matscout("export", "traded", "--to", "optuna", "--out", "study.db").code == 0
    study = optuna.load_study(study_name="traded", storage="sqlite:///study.db")
    history, _ = load(RunFolder.of("traded"))
    rows = [dict(t.values) for t in history.trials]
    for trial, row in zip(study.trials, rows, strict=True):
        expected = {"latency_ms max": row["latency_ms"] - 6.5, "speed min": 0.2 - row["speed"]}
        assert trial.constraints == pytest.approx(expected)
    assert sorted(t.number for t in study.best_trials) == sorted(brute(rows))


def test_one_target_under_limits_has_a_best_feasible_trial(
    traded: Path, matscout: Matscout
) -> None:
    text = CONFIG.replace('[[targets]]\nname = "speed"\ndirection = "max"\n', "")
    (traded / "traded.toml").write_text(text.replace('type = "tpe"', 'type = "gp"'))
    said = matscout("sweep", "traded.toml", "--trials", "8")
    assert said.code == 0, said.err
    history, spec = load(RunFolder.of("traded"))
    assert [t.name for t in spec.measured] == ["error", "latency_ms", "speed"]
    rows = [dict(t.values) for t in history.trials]
    best = min((r["error"], i) for i, r in enumerate(rows) if kept(r))[1]
    assert f"best: trial {best}: error" in said.out
    assert history.best().id == best  # type: ignore[union-attr]
    assert all("p_feasible" in t.why for t in history.trials[6:])


@pytest.mark.parametrize("several", [True, False])
def test_where_nothing_is_feasible_that_is_said(
    traded: Path, matscout: Matscout, several: bool
) -> None:
    text = CONFIG.replace("max = 6.5", "max = 0.1")
    if not several:
        text = text.replace('[[targets]]\nname = "speed"\ndirection = "max"\n', "")
    (traded / "traded.toml").write_text(text)
    said = matscout("sweep", "traded.toml", "--trials", "9")
    assert said.code == 0 and "feasible: 0 of 9 measured" in said.out
    assert "best:" not in said.out and "front:" not in said.out
    assert json.loads(matscout("status", "traded", "--json").out)["best"] is None
    assert matscout("report", "traded").code == 0
    assert "No measured trial keeps the limits" in RunFolder.of("traded").report.read_text()


def test_one_lucky_measurement_makes_no_point_feasible(traded: Path, matscout: Matscout) -> None:
    text = CONFIG.replace('[[targets]]\nname = "speed"\ndirection = "max"\n', "")
    text = text.replace("network:measure", "network:lucky").replace('"tpe"\nstartup = 6', '"sobol"')
    text = text.replace("workers = 2", "workers = 1\nconfirm = 1")
    (traded / "traded.toml").write_text(text)
    said = matscout("sweep", "traded.toml", "--trials", "2")
    assert said.code == 0 and "feasible: 0 of 2 measured" in said.out and "best:" not in said.out
    history, _ = load(RunFolder.of("traded"))
    assert [t.values["latency_ms"] for t in history.trials] == [6.0, 9.0]
    assert matscout("report", "traded").code == 0
    assert "No measured trial keeps the limits" in RunFolder.of("traded").report.read_text()
    assert matscout("export", "traded", "--out", "t.csv").code == 0
    with open(traded / "t.csv") as file:
        assert [row["feasible"] for row in csv.DictReader(file)] == ["false", "false"]


@pytest.mark.parametrize("option", ["cost = true\nbudget_s = inf", "beta = inf", "beta = nan"])
def test_infinity_is_not_taken_for_an_unset_option(
    traded: Path, matscout: Matscout, option: str
) -> None:
    text = CONFIG.replace('type = "tpe"', f'type = "gp"\n{option}')
    (traded / "traded.toml").write_text(text)
    end = matscout("sweep", "traded.toml")
    assert end.code == 2 and "must be a number" in end.err and len(end.err.splitlines()) == 1
    assert not (traded / "results" / "runs" / "traded").exists()


def test_costs_are_not_learned_over_a_pool(traded: Path, matscout: Matscout) -> None:
    (traded / "pool.csv").write_text("id,a\n" + "".join(f"c{i},{i}\n" for i in range(5)))
    (traded / "traded.toml").write_text(
        'name = "traded"\n[space.pool]\nfile = "pool.csv"\nid = "id"\nfeatures = ["a"]\n'
        '[[targets]]\nname = "error"\ndirection = "min"\n'
        '[evaluator]\ntype = "function"\ntarget = "network:measure"\n'
        '[proposer]\ntype = "gp"\ncost = true\n'
    )
    end = matscout("sweep", "traded.toml")
    assert end.code == 2 and "proposer.cost: gp learns costs over parameters only" in end.err
    assert len(end.err.splitlines()) == 1
    assert not (traded / "results" / "runs" / "traded").exists()


def test_what_is_limited_must_be_measured(traded: Path, matscout: Matscout) -> None:
    text = CONFIG.replace("network:measure", "network:half").replace(
        '"tpe"\nstartup = 6', '"sobol"'
    )
    (traded / "traded.toml").write_text(text)
    assert matscout("sweep", "traded.toml").code == 0
    history, _ = load(RunFolder.of("traded"))
    odd = [t for t in history.trials if t.params["width"] % 2]  # type: ignore[operator]
    assert {t.state.value for t in odd} == {"invalid"}
    assert "no value for latency_ms" in odd[0].reason


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"tpe"\nstartup = 6', '"cmaes"', "limits: proposer 'cmaes' does not know them; use auto"),
        ("max = 6.5", "", "limits.latency_ms: limits nothing; give it min or max"),
        ("max = 6.5", "max = 6.5\nmin = 7", "min must be below max, got 7 and 6.5"),
        ("max = 6.5", "max = nan", "limits.latency_ms.max: must be a finite number"),
        ("max = 6.5", "most = 6.5", "unknown key 'most'"),
        (
            'name = "speed"\nmin',
            'name = "latency_ms"\nmin',
            "limits.latency_ms: stands there twice",
        ),
    ],
)
def test_a_mistake_is_one_line(
    traded: Path, matscout: Matscout, old: str, new: str, said: str
) -> None:
    (traded / "traded.toml").write_text(CONFIG.replace(old, new, 1))
    end = matscout("sweep", "traded.toml")
    assert end.code == 2 and said in end.err and len(end.err.splitlines()) == 1
    assert not (traded / "results" / "runs" / "traded").exists()


def test_a_campaign_knows_no_limits(traded: Path, matscout: Matscout) -> None:
    end = matscout("campaign", "new", "traded.toml")
    assert end.code == 2 and "limits: belong to a sweep" in end.err


def test_an_earlier_run_is_of_no_use_to_several_targets(traded: Path, matscout: Matscout) -> None:
    assert matscout("sweep", "traded.toml", "--trials", "3").code == 0
    text = CONFIG.replace('"tpe"\nstartup = 6', '"transfer"').replace("traded", "second")
    (traded / "second.toml").write_text(text)
    end = matscout("sweep", "second.toml", "--prior", "traded")
    assert end.code == 2 and "'transfer' knows one target" in end.err


def test_a_trainer_is_asked_whether_it_measures_what_is_limited(
    home: Path, matscout: Matscout
) -> None:
    (home / "table.csv").write_text("a,y\n" + "\n".join(f"{i},{i * 2}" for i in range(12)))
    (home / "c.toml").write_text(
        'name = "c"\n[space.parameters]\nalpha = { type = "float", low = 0.1, high = 1.0 }\n'
        '[[targets]]\nname = "mae"\ndirection = "min"\n[[limits]]\nname = "rmsee"\nmax = 1.0\n'
        '[evaluator]\ntype = "tabular"\ntable = "table.csv"\npredict = "y"\nmodel = "ridge"\n'
        'also = ["rmse"]\n'
    )
    end = matscout("sweep", "c.toml")
    assert end.code == 2 and "limits.rmsee: this trainer does not report it" in end.err
    assert "did you mean 'rmse'?" in end.err
