from __future__ import annotations

import csv
import itertools
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matscout.cli.bench import latency
from matscout.cli.bench.campaigns.tables import SOURCES, TABLES, case
from matscout.cli.bench.peers import peer as peers
from matscout.drive.backtest import RANDOM, Played, Protocol
from matscout.drive.backtest_paired import Metric, compare, metrics, values
from matscout.errors import InputError, RunFailed
from matscout.goal import Goal
from matscout.trial import Target

Matscout = Callable[..., Any]


def write(path: Path, header: list[str] | None, rows: list[list[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        if header:
            writer.writerow(header)
        writer.writerows(rows)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Tiny stand-ins under the names that the protocols ask for."""
    grid = list(itertools.product(range(4), repeat=2))
    names = ["Prime Delay", "Print Speed", "X Offset Correction", "Y Offset Correction"]
    bowl = [[a, b, a * b, a + b, 10 - (a - 2) ** 2 - (b - 1) ** 2] for a, b in grid]
    write(tmp_path / "pv_lab/autoam.csv", [*names, "Score"], bowl)
    hills = [[a, b, a, a - b, 20 - a - b] for a, b in grid for _ in range(2)]
    write(tmp_path / "pv_lab/agnp.csv", ["a", "b", "c", "d", "loss"], hills)
    simplex = [[i / 9, 1 - i / 9, 0.0, 0.0, 1.0 + i] for i in range(10)]
    write(tmp_path / "olympus/photo_wf3/data.csv", None, simplex)
    metals = ["Al", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Zr", "Nb"]
    heats = [
        [f"{m}{x}", 1.0 + 0.1 * i] for i, (m, x) in enumerate(itertools.product(metals, "ONS"))
    ]
    heats[0][1] = heats[5][1] = 0.1
    write(tmp_path / "matbench_formula/castelli.csv", ["formula", "target"], [*heats, ["AlO", 5.0]])
    return tmp_path


FAKE_PYTHON = """#!{python}
import json, sys
told = {{}}
for line in sys.stdin:
    said = json.loads(line)
    do = said["do"]
    if do == "hello":
        answer = {{"versions": {{said["module"]: "fake"}}}}
    elif do == "new":
        ids, told, answer = said["ids"], {{}}, {{}}
        assert "table" not in said or len(said["table"]) == len(ids) and said["rule"] != "baybe"
        classes = said.get("classes", False)
    elif do == "tell":
        assert not classes or set(said["values"]) <= {{0.0, 1.0}}
        told.update(zip(said["ids"], said["values"]))
        answer = {{}}
    elif do == "ask":
        {ask}
        free = [i for i in ids if i not in told and i not in said["pending"]]
        answer = {{"ids": free[: said["n"]]}}
    print(json.dumps(answer), flush=True)
"""


def fake_python(folder: Path, ask: str = "pass") -> str:
    path = folder / "python"
    path.write_text(FAKE_PYTHON.format(python=sys.executable, ask=ask))
    path.chmod(0o755)
    return str(path)


def test_every_arm_plays_with_the_same_seeds_and_is_compared(
    data: Path, tmp_path: Path, matscout: Matscout
) -> None:
    out = tmp_path / "out.json"
    words = ["--tables", "autoam,agnp", "--seeds", "2", "--arms", "lcb2,lcb,baybe", "--jobs", "1"]
    said = matscout("bench", "campaigns", "--data", str(data), *words, "--out", str(out))
    assert said.code == 0, said.err
    result = json.loads(out.read_text())
    assert result["versions"]["matscout"]
    assert list(result["tables"]) == ["agnp", "autoam"]
    table = result["tables"]["autoam"]
    assert table["seeds"] == [0, 1]
    assert "--tables autoam --seeds 2 --arms lcb2,lcb,baybe" in table["command"]
    assert (table["n"], table["wanted"]) == (16, 1)
    assert table["skipped"] == {"lcb": "the same as auto", "baybe": "no --peer-python for baybe"}
    assert list(table["arms"]) == ["random", "auto", "lcb2"]
    for name, arm in table["arms"].items():
        figure = arm["metrics"]["to_80"]
        assert len(figure["per_seed"]) == 2
        assert figure["median"] == pytest.approx(np.median(figure["per_seed"]))
        assert ("vs_random" in figure) == (name != "random")
        assert ("vs_auto" in figure) == (name != "auto")
        assert arm["found"] == sorted(arm["found"])
        assert (arm["coverage"] is None) == (name == "random")
    of = table["arms"]["auto"]["coverage"]
    assert 0 <= of["picks"] <= 1 and of["n"] > 0 and of["n_pool"] > 0
    assert table["arms"]["lcb2"]["coverage"]["n_pool"] == 0
    over = result["coverage"]
    both = [over["tables"][name]["picks"] for name in ("agnp", "autoam")]
    assert over["picks"] == pytest.approx(np.mean(both), abs=1e-4)
    assert over["tables"]["autoam"] == {k: of[k] for k in ("picks", "n", "pool", "n_pool")}
    assert "auto, 90 % intervals:" in said.out and "90 % intervals of auto" in said.out
    assert "the same as auto" in said.out and "experiments to 80 %" in said.out


def test_the_peer_plays_the_same_pool_from_the_same_start(
    data: Path, tmp_path: Path, matscout: Matscout
) -> None:
    out = tmp_path / "out.json"
    python = fake_python(tmp_path)
    words = ["--tables", "autoam", "--seeds", "3", "--arms", "baybe", "--jobs", "1"]
    said = matscout(
        "bench", "campaigns", "--data", str(data), *words, "--peer-python", python, "--out", str(out)
    )  # fmt: skip
    assert said.code == 0, said.err
    result = json.loads(out.read_text())
    assert result["tables"]["autoam"]["peers"] == {"baybe": {"baybe": "fake"}}
    arms = result["tables"]["autoam"]["arms"]
    assert set(arms) == {"random", "auto", "baybe"}
    # The same start: whoever is lucky in it is as lucky as the others.
    starts = {tuple(arm["found"][:2]) for arm in arms.values()}
    assert len(starts) == 1
    assert arms["baybe"]["found"][-1] == 1.0
    # This peer takes what is left in the table's order; the wanted one is the tenth candidate.
    assert all(v is not None and v <= 12 for v in arms["baybe"]["metrics"]["to_80"]["per_seed"])


def write_model_tables(data: Path) -> None:
    """Enough candidates for a model: 150 and 60 of a smooth function."""
    rng = np.random.default_rng(0)
    names = [f"x{i}" for i in range(4)]
    for path, target, n in (("agnp", "loss", 150), ("crossed_barrel", "toughness", 160)):
        X = rng.random((n, 4))
        rows = [[*x, float(np.sin(3 * x[0]) + x[1] ** 2)] for x in X]
        write(data / f"pv_lab/{path}.csv", [*names, target], rows)


@pytest.fixture
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matscout.drive.learned._TREES", 5)


def test_a_model_is_judged_on_its_tails_and_a_second_peer_plays(
    data: Path, tmp_path: Path, matscout: Matscout, few_trees: None
) -> None:
    out, python = tmp_path / "out.json", fake_python(tmp_path)
    write_model_tables(data)
    words = ["--tables", "agnp_model_8,crossed_barrel_model_8", "--seeds", "2", "--jobs", "1"]
    words += ["--arms", "skal_gsi,skal_us,baybe", "--peer-python", f"skactiveml={python}"]
    said = matscout("bench", "campaigns", "--data", str(data), *words, "--out", str(out))
    assert said.code == 0, said.err
    result = json.loads(out.read_text())
    table = result["tables"]["agnp_model_8"]
    assert table["peers"] == {"skactiveml": {"skactiveml": "fake"}}
    assert table["skipped"] == dict.fromkeys(("skal_us", "baybe"), "it has no such goal")
    assert "skal_us, baybe: it has no such goal" in said.out
    assert set(table["arms"]) == {"random", "auto", "skal_gsi"}
    for name, arm in table["arms"].items():
        assert set(arm["metrics"]) == {"rmse", "rmse_mean", "rmse_tail"}
        assert len(arm["rmse_tenths"]) == 10 and all(v > 0 for v in arm["rmse_tenths"])
        assert (name == "random") == ("vs_random" not in arm["metrics"]["rmse_tail"])
    mean = result["mean"]["model"]
    assert mean["tables"] == ["crossed_barrel_model_8", "agnp_model_8"]
    assert set(mean["arms"]) == {"random", "auto", "skal_gsi"}
    for arm in ("auto", "skal_gsi"):
        each = [t["arms"][arm]["metrics"]["rmse_tail"] for t in result["tables"].values()]
        over = mean["arms"][arm]["rmse_tail"]
        product = np.prod([one["vs_random"]["value"] for one in each])
        assert over["vs_random"]["value"] == pytest.approx(product**0.5, rel=1e-5)
        assert over["mean"] == pytest.approx(
            np.prod([one["mean"] for one in each]) ** 0.5, rel=1e-5
        )
        low, high = over["vs_random"]["ci95"]
        assert low <= over["vs_random"]["value"] <= high


def test_tables_are_added_to_a_file_and_kept_if_they_are_there(
    data: Path, tmp_path: Path, matscout: Matscout, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, page = tmp_path / "out.json", tmp_path / "page.md"
    words = ["bench", "campaigns", "--data", str(data), "--arms", "lcb2", "--jobs", "1", "--merge"]
    words += ["--out", str(out), "--seeds", "2"]
    assert matscout(*words, "--tables", "autoam").code == 0
    first = json.loads(out.read_text())
    again = matscout(*words, "--tables", "autoam,agnp")
    assert again.code == 0, again.err
    assert "autoam: is there already, with the same arms and seeds" in again.err
    assert "agnp: played in" in again.err
    both = json.loads(out.read_text())
    assert list(both["tables"]) == ["agnp", "autoam"]
    assert both["tables"]["autoam"] == first["tables"]["autoam"]
    assert both["mean"]["top"]["tables"] == ["agnp", "autoam"] and both["coverage"]["picks"]
    # Other seeds: that table is played anew, the other stays; nothing is lost on the way.
    assert matscout(*words, "--tables", "autoam", "--seeds", "3").code == 0
    third = json.loads(out.read_text())
    assert third["tables"]["autoam"]["seeds"] == [0, 1, 2]
    assert third["tables"]["agnp"] == both["tables"]["agnp"]
    shown = matscout("bench", "campaigns", "--render", str(out), "--out", str(page))
    assert shown.code == 0 and page.read_text().startswith("# Campaigns on recorded experiments")
    assert matscout("bench", "campaigns", "--render", str(out)).out == page.read_text()
    for line in ("| autoam | ", "## Coverage", "--tables agnp --seeds 2 --arms lcb2"):
        assert line in page.read_text()
    grids = [part for part in page.read_text().split("\n\n") if part.startswith("|")]
    assert len(grids) >= 4
    for grid in grids:
        assert len({row.count("|") for row in grid.splitlines()}) == 1
    # A package that was not there then made none of those figures.
    added = {**third["versions"], "a-driver": "1.0"}
    monkeypatch.setattr("matscout.cli.bench.store.versions", lambda: added)
    assert matscout(*words, "--tables", "agnp").code == 0
    before = out.read_bytes()
    monkeypatch.setattr("matscout.cli.bench.store.versions", lambda: {"numpy": "1.0"})
    refused = matscout(*words, "--tables", "agnp")
    assert refused.code == 2 and "was made with other versions: " in refused.err
    assert "numpy" in refused.err and out.read_bytes() == before


def test_what_was_played_is_saved_when_the_next_table_breaks(
    data: Path, tmp_path: Path, matscout: Matscout
) -> None:
    out = tmp_path / "out.json"
    (data / "pv_lab/agnp.csv").write_text("a,b\n1,2\n")
    words = ["--tables", "autoam,agnp", "--seeds", "1", "--arms", "lcb2", "--jobs", "1"]
    said = matscout("bench", "campaigns", "--data", str(data), *words, "--out", str(out), "--merge")
    assert said.code == 2 and "loss" in said.err
    assert list(json.loads(out.read_text())["tables"]) == ["autoam"]


@pytest.mark.slow
def test_two_jobs_play_what_one_does_peers_too(
    data: Path, tmp_path: Path, matscout: Matscout
) -> None:
    python, tables = fake_python(tmp_path), []
    for jobs in ("1", "2"):
        out = tmp_path / f"{jobs}.json"
        words = ["--tables", "autoam", "--seeds", "3", "--arms", "baybe", "--jobs", jobs]
        words += ["--peer-python", f"baybe={python}", "--out", str(out)]
        assert matscout("bench", "campaigns", "--data", str(data), *words).code == 0
        tables.append(json.loads(out.read_text())["tables"]["autoam"])
    assert tables[0]["arms"] == tables[1]["arms"] and "baybe" in tables[0]["arms"]


def test_the_first_hit_beside_random(
    data: Path, tmp_path: Path, matscout: Matscout, few_trees: None
) -> None:
    out = tmp_path / "out.json"
    words = ["--tables", "castelli_cold", "--seeds", "2", "--arms", "lcb2,skal_us", "--jobs", "1"]
    words += ["--peer-python", f"skactiveml={fake_python(tmp_path)}"]
    said = matscout("bench", "campaigns", "--data", str(data), *words, "--out", str(out))
    assert said.code == 0, said.err
    arms = json.loads(out.read_text())["tables"]["castelli_cold"]["arms"]
    assert set(arms) == {"random", "auto", "lcb2", "skal_us"}
    first = arms["auto"]["metrics"]["first_hit"]
    assert all(v > 10 for v in first["per_seed"]) and first["vs_random"]["as"] == "ratio"
    assert len(first["vs_random"]["ci95"]) == 2 and "found" in arms["auto"]["metrics"]


def test_interpreters_by_name() -> None:
    assert peers.interpreters(None) == peers.interpreters("") == {}
    assert peers.interpreters("/a,b/python") == {"baybe": "/a,b/python"}
    assert peers.interpreters("/odd=name/python") == {"baybe": "/odd=name/python"}
    both = {"baybe": "/a/python", "skactiveml": "b/python"}
    assert peers.interpreters("baybe=/a/python, skactiveml=b/python") == both
    for words, what in (
        ("bayb=/a", "did you mean 'baybe'?"),
        ("baybe=/a,baybe=/b", "named twice"),
        ("baybe=", "has no path"),
        ("baybe=/a,/b", "unknown '/b'"),
    ):
        with pytest.raises(InputError, match=re.escape(what)):
            peers.interpreters(words)


def test_which_peer_is_for_which_goal() -> None:
    assert peers.arms_for(Goal("top")) == peers.arms_for(Goal("best")) == ("baybe",)
    assert peers.arms_for(Goal("model")) == ("skal_qbc", "skal_gsi", "bmdal_lcmd")
    assert peers.arms_for(Goal("model", threshold=1.0)) == ("skal_us",)
    assert peers.arms_for(Goal("rare", threshold=1.0)) == ("baybe", "skal_us")
    rare, kinds = Goal("rare", threshold=1.0), {"number", "formula"}
    assert peers.refusal("baybe", rare, kinds, ["baybe"]) == "it has no parameter for a formula"
    assert peers.refusal("skal_us", rare, kinds, ["skactiveml"]) == ""


def test_a_peer_is_served_from_its_file(tmp_path: Path) -> None:
    """The real script under this Python: it answers, and says what it lacks."""
    for name, package in (("skactiveml", "scikit-activeml"), ("bmdal", "bmdal_reg")):
        with pytest.raises(InputError, match=f"pip install {package} in an environment of its own"):
            peers.hello(sys.executable, name)
    peer = peers.Peer(sys.executable, "skactiveml")
    try:
        with pytest.raises(RunFailed, match="skactiveml: "):
            peer("new", ids=["a"], table=[[0.0]], rule="skal_us", classes=True, seed=0)
        with pytest.raises(RunFailed, match="AttributeError"):
            peer("sing")
    finally:
        peer.close()


def test_a_peer_that_breaks_is_left_out_with_its_reason(
    data: Path, tmp_path: Path, matscout: Matscout
) -> None:
    out = tmp_path / "out.json"
    python = fake_python(tmp_path, ask="raise SystemExit('out of ideas')")
    words = ["--tables", "autoam", "--seeds", "1", "--arms", "baybe", "--jobs", "1"]
    said = matscout(
        "bench", "campaigns", "--data", str(data), *words, "--peer-python", python, "--out", str(out)
    )  # fmt: skip
    assert said.code == 0, said.err
    table = json.loads(out.read_text())["tables"]["autoam"]
    assert "out of ideas" in table["skipped"]["baybe"]
    assert set(table["arms"]) == {"random", "auto"}


def test_rare_finds_and_learns_and_the_peer_has_no_formulas(
    data: Path, tmp_path: Path, matscout: Matscout, few_trees: None
) -> None:
    out, python = tmp_path / "out.json", fake_python(tmp_path)
    words = ["--tables", "castelli", "--seeds", "1", "--arms", "learn,find,baybe", "--jobs", "1"]
    said = matscout(
        "bench", "campaigns", "--data", str(data), *words, "--peer-python", python, "--out", str(out)
    )  # fmt: skip
    assert said.code == 0, said.err
    table = json.loads(out.read_text())["tables"]["castelli"]
    # The most stable of a formula's rows counts: AlO has two, 0.1 and 5.0.
    assert table["wanted"] == 2
    assert "formula" in table["skipped"]["baybe"]
    for arm in table["arms"].values():
        assert set(arm["metrics"]) == {"found", "share_150", "pr_auc", "pr_auc_mean"}
        assert len(arm["quality"]) == len(arm["labels"])


@pytest.mark.parametrize(
    ("words", "where"),
    [
        ([], "--data"),
        (["--data", "nowhere"], "nowhere"),
        (["--data", "DATA", "--tables", "crossed_barrel"], "crossed_barrel.csv"),
        (["--data", "DATA", "--tables", "crossed_barel"], "crossed_barrel"),
        (["--data", "DATA", "--tables", ","], "--tables"),
        (["--data", "DATA", "--tables", "autoam", "--arms", "lbc"], "lcb"),
        (["--data", "DATA", "--tables", "autoam", "--peer-python", "DATA/none"], "--peer-python"),
        (
            ["--data", "DATA", "--tables", "autoam", "--peer-python", sys.executable],
            "No module named 'baybe'",
        ),
        (
            ["--data", "DATA", "--tables", "autoam", "--peer-python", "bayb=x"],
            "did you mean 'baybe'",
        ),
        (["--render", "nowhere.json"], "nowhere.json: cannot be read"),
        (["--render", "DATA/pv_lab/autoam.csv"], "autoam.csv: is no JSON"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    words: list[str], where: str, data: Path, tmp_path: Path, matscout: Matscout
) -> None:
    out = tmp_path / "out.json"
    words = [word.replace("DATA", str(data)) for word in words]
    said = matscout("bench", "campaigns", *words, "--out", str(out))
    assert said.code == 2
    assert where in said.err and said.err.count("\n") == 1
    assert not out.exists()


def test_a_file_that_is_no_result_is_not_added_to(
    data: Path, tmp_path: Path, matscout: Matscout
) -> None:
    words = ["bench", "campaigns", "--data", str(data), "--tables", "autoam", "--merge"]
    bare = matscout(*words)
    assert bare.code == 2 and "--merge: there is no file to add to" in bare.err
    old = tmp_path / "old.json"
    old.write_text('{"tables": {}, "versions": {}}')
    refused = matscout(*words, "--out", str(old))
    assert refused.code == 2 and "is no result of bench campaigns" in refused.err
    other = matscout("bench", "history", "--render", str(old))
    assert other.code == 2 and "No such option: --render" in other.err


def played(arm: str, found: list[list[int]]) -> list[Played]:
    return [Played(arm, s, np.array(f), wanted=2, candidates=4) for s, f in enumerate(found)]


def to_80() -> Metric:
    protocol = Protocol(Goal("top"), Target("y"), init=1, budget=4)
    return metrics(protocol)[0]


def test_a_ratio_holds_against_brute_force() -> None:
    mine = [[0, 2, 2, 2], [1, 1, 2, 2], [2, 2, 2, 2], [0, 1, 2, 2], [0, 0, 2, 2]]
    others = [[0, 0, 0, 2], [0, 1, 1, 2], [1, 1, 2, 2], [1, 1, 2, 2], [1, 1, 1, 2]]
    ours, theirs = values(to_80(), played("a", mine)), values(to_80(), played(RANDOM, others))
    assert ours.tolist() == [2, 3, 1, 3, 3] and theirs.tolist() == [4, 4, 3, 3, 4]
    found = compare(to_80(), ours, theirs, budget=4)
    ratio = ours / theirs
    assert found.value == pytest.approx(np.prod(ratio) ** (1 / 5))
    draws = np.array([ratio[list(five)] for five in itertools.product(range(5), repeat=5)])
    low, high = np.percentile(np.prod(draws, axis=1) ** (1 / 5), [2.5, 97.5])
    assert found.ci95 == pytest.approx((low, high), rel=0.05)
    assert found.verdict == "better"


def test_the_same_is_a_tie_and_so_is_what_goes_both_ways() -> None:
    one = np.array([3.0, 5.0, 9.0])
    assert compare(to_80(), one, one, budget=9).verdict == "tie"
    assert compare(to_80(), one, one[::-1], budget=9).verdict == "tie"
    assert compare(to_80(), one + 1, one, budget=10).verdict == "worse"


def test_a_budget_that_did_not_suffice_counts_as_one_more() -> None:
    ours = values(to_80(), played("a", [[0, 0, 0, 1]]))
    assert ours[0] == np.inf
    assert compare(to_80(), ours, np.array([5.0]), budget=4).value == pytest.approx(1.0)


def test_every_table_names_a_source_and_a_goal_that_exists() -> None:
    for table in TABLES.values():
        assert table.source in SOURCES
        goal = Goal(table.kind, table.top, table.threshold)
        Protocol(goal, Target("y"), init=table.init, budget=table.budget, start=table.start)


@pytest.mark.parametrize(
    ("name", "candidates", "wanted"),
    [
        ("crossed_barrel", 600, 30), ("agnp", 164, 9), ("autoam", 100, 5),
        ("oer_plate_3496", 2121, 22), ("photo_wf3", 1020, 11), ("direct_arylation", 1728, 87),
        ("hardness", 1061, 108), ("obelix", None, None), ("castelli", 1400, None),
        ("glass", 2000, None), ("steels_model_8", 312, None),
    ],
)  # fmt: skip
def test_the_real_tables_are_what_the_protocols_say(
    name: str, candidates: int | None, wanted: int | None, shared_data: Path
) -> None:
    try:
        found = case(name, shared_data)
    except InputError as error:
        pytest.fail(str(error))
    if candidates is not None:
        assert len(found.rows) == candidates
    if wanted is not None:
        assert int(found.wanted.sum()) == wanted


def test_latency_says_what_it_took() -> None:
    found = latency.measure(500)
    assert found["recommend_s"] > 0 and found["fit_s"] > 0 and found["peak_mb"] > 50


@pytest.mark.slow
def test_latency_is_measured_in_a_process_of_its_own() -> None:
    result = latency.latency(latency.Options(repeats=2, pools=(500,)))
    one = result["engines"]["matscout 500"]
    assert len(one["rounds"]) == 2
    assert result["skipped"] == {"baybe": "no --peer-python"}
    assert "pool of       500" in latency.table(result)
