"""`matscout predict` with the networks of a crystal-graph run, from the command line."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from matscout import failpoint
from matscout.checkpoint import CheckpointStore
from matscout.cli.app import main
from matscout.data import structure_child, structure_files
from matscout.data.new_structures import holds_structures
from matscout.data.structure_text import structure_to_dict
from matscout.evaluate import crystal_folds, predicting_crystals
from matscout.evaluate.predicting import Guess
from matscout.runfolder import RunFolder

Matscout = Callable[..., Any]
CATIONS, ANIONS = ("Li", "Na", "K", "Rb"), ("F", "Cl", "Br", "I", "O")
CONFIG = """
name = "one"
seed = 3
[evaluator]
type = "crystal_graph"
structures = "known.jsonl"
predict = "y"
split = "kfold"
folds = 2
epochs = 3
%(more)s
[evaluator.hyperparameters]
atom_features = 8
convolutions = 1
head_features = 8
gaussians = 8
batch_size = 8
%(hyper)s
[run]
fleet = "inline"
"""


def salt(a: str, b: str, edge: float = 4.0) -> Structure:
    return Structure(Lattice.cubic(edge), [a, b], [[0, 0, 0], [0.5] * 3])


def write(home: Path, more: str = "", hyper: str = "", classes: bool = False) -> None:
    worth = np.random.default_rng(0).normal(size=(20, 2))
    records = []
    for k, (a, b) in enumerate((a, b) for a in CATIONS for b in ANIONS):
        one = salt(a, b, 3.8 + 0.02 * k)
        y = float(k % 2) if classes else float(10 + CATIONS.index(a) + 2 * ANIONS.index(b))
        z = None if k % 3 == 2 else float(worth[k, 1])
        records.append({"id": f"c{k}", "structure": structure_to_dict(one), "y": y, "z": z})
    (home / "known.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    (home / "one.toml").write_text(CONFIG % {"more": more, "hyper": hyper})
    (home / "new").mkdir(exist_ok=True)
    salt("Na", "Cl", 4.0).to(str(home / "new/a.cif"), fmt="cif")
    salt("K", "I", 6.0).to(str(home / "new/b.vasp"), fmt="poscar")
    (home / "new/c.json").write_text(json.dumps(structure_to_dict(salt("Li", "F"))))


def trained(home: Path, matscout: Matscout, *words: str, **more: Any) -> None:
    write(home, **more)
    said = matscout("train", "one.toml", *words)
    assert said.code == 0, said.err
    assert "next: matscout predict one STRUCTURES -o predictions.csv" in said.out


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Structures read in this process: starting another takes longer than all the rest."""

    def answered(module: str, requests: Iterable[Any], **_: Any) -> Iterator[Any]:
        return map(structure_child.answer, requests)

    monkeypatch.setattr(structure_files, "answers", answered)


def read(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def said_by_networks(home: Path) -> tuple[list[str], np.ndarray]:
    """What the trial has left: row names, and the predictions of rows that judged."""
    lines = read(home / "results" / "runs" / "one" / "work" / "trial-000000-01" / "predictions.csv")
    return [line["row"] for line in lines], np.array([float(line["prediction"]) for line in lines])


def test_every_kind_of_file_that_names_structures(home: Path, matscout: Matscout) -> None:
    trained(home, matscout)
    said = matscout("predict", "one", "new", "-o", "out.csv")
    assert said.code == 0, said.err
    rows = read(home / "out.csv")
    assert list(rows[0]) == ["structure", "prediction", "low", "high", "warning"]
    assert [row["structure"] for row in rows] == ["a.cif", "b.vasp", "c.json"]
    for row in rows:
        assert float(row["low"]) <= float(row["prediction"]) <= float(row["high"])
    assert rows[0]["warning"] == "" and "108 cubic angstrom an atom is above" in rows[1]["warning"]
    assert "trial 0" in said.out and "the mean of the 2 folds' networks" in said.out
    assert "1 of 3 crystals lie outside" in said.out and "beware" not in said.out
    first = (home / "out.csv").read_bytes()
    assert matscout("predict", "one", "new", "-o", "out.csv", "--force").code == 0
    assert (home / "out.csv").read_bytes() == first

    guess = [float(row["prediction"]) for row in rows]
    cell = json.dumps(structure_to_dict(salt("Li", "F")))
    (home / "new.csv").write_text(
        "sample,structure,y\n=s1,new/a.cif,12\ns2,new/b.vasp,\n"
        f's3,"{cell.replace(chr(34), chr(34) * 2)}",NA\n'
    )
    found = json.loads(matscout("predict", "one", "new.csv", "--json", "-o", "t.csv").out)
    assert found["rows"]["prediction"] == pytest.approx(guess, rel=1e-5)
    assert found["scored"] == 1 and found["score"] == pytest.approx(abs(guess[0] - 12), rel=1e-4)
    (member,) = found["members"]
    assert found["reproduced"] is True and len(member["networks_sha256"]) == 64
    told = read(home / "t.csv")
    assert [(row["sample"], row["structure"]) for row in told] == [
        ("'=s1", "new/a.cif"), ("s2", "new/b.vasp"), ("s3", "LiF"),
    ]  # fmt: skip
    (home / "new/list.csv").write_text("id,note\nb,later\na,first\n")
    for new, expected in (
        ("new", guess[1::-1]),
        ("new/b.vasp", guess[1:2]),
        ("new/c.json", guess[2:]),
    ):
        again = json.loads(matscout("predict", "one", new, "--json", "--force").out)
        assert again["rows"]["prediction"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.usefixtures("at_once")
def test_known_crystals_get_what_the_networks_said(
    home: Path, matscout: Matscout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Restored, each network says of the rows that it judged what its trial wrote down: with two folds
    the mean over both lies half-way to what the other, which has seen the crystal, says."""
    trained(home, matscout, hyper="dropout = 0.2")
    found = json.loads(matscout("predict", "one", "known.jsonl", "--json").out)
    names, left = said_by_networks(home)
    truth = np.array([10.0 + k // 5 + 2 * (k % 5) for k in range(20)])
    errors = [abs(value - truth[int(name[1:])]) for name, value in zip(names, left, strict=True)]
    assert found["inner"] == pytest.approx(np.mean(errors), rel=1e-9)
    assert found["scored"] == 20 and found["trained_on"] == 20 and found["networks"] == 2
    assert list(read(home / "predictions.csv")[0])[:4] == ["id", "structure", "y", "z"]
    # Tables that look like one structure: pandas' split, and a name that begins as a POSCAR's.
    one = [structure_to_dict(salt("Na", "Cl")), 1.0]
    split = {"index": [0], "columns": ["structure", "y"], "data": [one]}
    (home / "split.json").write_text(json.dumps(split))
    (home / "POSCARs.csv").write_text("structure,y\nnew/a.cif,1\n")
    for new in ("split.json", "POSCARs.csv"):
        assert not holds_structures(home / new)
        found = json.loads(matscout("predict", "one", new, "--json", "--force").out)
        assert found["scored"] == 1
    assert holds_structures(home / "new") and holds_structures(home / "new/c.json")

    # Numbers that are none are no prediction.
    def nothing(said: Any) -> Guess:
        return Guess(np.full(len(said[0].seen), np.nan))

    monkeypatch.setattr(predicting_crystals, "_mean", nothing)
    said = matscout("predict", "one", "new/a.cif", "-o", "none.csv")
    assert said.code == 3 and "a.cif: the networks of one give no finite" in said.err
    assert not (home / "none.csv").exists()


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "kind",
    [
        "deep_ensemble",
        *(pytest.param(k, marks=pytest.mark.slow) for k in ("dropout", "evidential")),
    ],
)
def test_stated_uncertainty_is_there(kind: str, home: Path, matscout: Matscout) -> None:
    hyper = f'uncertainty = "{kind}"\nmembers = 2\npasses = 3\ndropout = 0.1'
    trained(home, matscout, more="uncertain = true", hyper=hyper)
    assert matscout("predict", "one", "new").code == 0
    for row in read(home / "predictions.csv"):
        sd, epistemic, aleatoric = (float(row[name]) for name in ("sd", "epistemic", "aleatoric"))
        assert epistemic > 0 and aleatoric > 0
        assert sd == pytest.approx(np.hypot(epistemic, aleatoric))


@pytest.mark.usefixtures("at_once")
def test_several_numbers_and_classes(home: Path, matscout: Matscout) -> None:
    trained(home, matscout, more='also_predict = ["z"]')
    said = matscout("predict", "one", "new")
    row = read(home / "predictions.csv")[0]
    assert {"prediction", "prediction of z", "low of z", "high of z"} < set(row)
    assert "mae of z on the crystals of the run" in said.out
    shutil.rmtree(home / "results/runs/one")
    more = 'task = "classification"\nmetric = "roc_auc"'
    write(home, more=more, classes=True)
    assert matscout("train", "one.toml").code == 0
    assert matscout("predict", "one", "new", "--force").code == 0
    for row in read(home / "predictions.csv"):
        both = [float(row[f"probability of {k}"]) for k in (0, 1)]
        assert sum(both) == pytest.approx(1) and row["prediction"] in row["set"].split(" | ")
        assert row["prediction"] == str(int(np.argmax(both)))


@pytest.mark.usefixtures("at_once")
def test_mistakes_are_one_line_and_write_nothing(home: Path, matscout: Matscout) -> None:
    trained(home, matscout)
    (home / "bad").mkdir()
    (home / "bad/a.cif").write_text((home / "new/a.cif").read_text())
    (home / "bad/b.cif").write_text("data_x\nnonsense\n")
    (home / "xenon.vasp").write_text((home / "new/b.vasp").read_text().replace("K", "Xe"))
    odd = json.dumps(structure_to_dict(salt("Li", "F"))).replace('"F"', '"Qq"')
    (home / "odd.json").write_text(odd)
    (home / "rows.csv").write_text("a,b\n1,2\n")
    (home / "taken.csv").write_text("structure,low\nnew/a.cif,1\n")
    (home / "word.csv").write_text("structure,y\nnew/a.cif,high\n")
    (home / "empty").mkdir()
    shutil.copytree(home / "new", home / "long")
    (home / "long/list.csv").write_text(f"id\n{'x' * 300}\n")
    for words, what in (
        (["bad"], "b.cif: not a structure"),
        (["xenon.vasp"], "xenon.vasp: no crystal that was learned from has Xe; leave it out"),
        (["odd.json"], "no element is called 'Qq'"),
        (
            ["rows.csv"],
            "rows.csv: no column 'structure', of files or of pymatgen's JSON; it has: a, b",
        ),
        (["taken.csv"], "has a column 'low' already"),
        (["word.csv"], "line 2: 'y' must be a finite number or empty, got 'high'"),
        (["empty"], "holds no CIF, POSCAR or JSON file"),
        (["long"], "x' has no structure file; put one of NAME{.cif,.vasp,.poscar} beside it"),
        (["new", "-o", "new/p.csv"], "new/p.csv: lies in the folder of structures"),
        (["absent.cif"], "absent.cif: cannot be read"),
        (["new", "--select", "auto"], "--select: 'auto' is for tables: crystals are predicted by"),
        (["new", "--select", "avarage"], "--select: no rule is called 'avarage'; did you mean"),
        (["--final"], "--final: run 'one' has no sealed rows"),
    ):
        said = matscout("predict", "one", *words)
        assert said.code == 2 and what in said.err, (words, said.err)
        assert len(said.err.strip().splitlines()) == 1 and said.out == ""
        assert not (home / "predictions.csv").exists()


@pytest.mark.usefixtures("at_once")
def test_networks_that_cannot_be_used_are_one_line(
    home: Path, matscout: Matscout, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(home, matscout)
    folder = RunFolder(home / "results/runs/one").checkpoints(0)
    (newest,) = folder.iterdir()
    state = (newest / "state.json").read_text()

    def refused(what: str) -> None:
        said = matscout("predict", "one", "new")
        assert said.code == 2 and what in said.err and said.err.count("\n") == 1, said.err

    (newest / "state.json").write_text(state.replace('"scores"', '"scoreS"'))
    refused("broken checkpoint (state.json does not match its hash)")
    (newest / "state.json").write_text(state)
    known = (home / "known.jsonl").read_text()
    (home / "known.jsonl").write_text(known.replace('"y": 11.0', '"y": 11.5', 1))
    refused("are no longer those that it learned from; bring them back, or train it again")
    (home / "known.jsonl").write_text(known)
    assert matscout("predict", "one", "new").code == 0
    (home / "predictions.csv").unlink()
    shutil.rmtree(newest)
    refused("trial 0 of")
    refused("has left no checkpoint; train it again")
    # One that was made while it trained is of other networks than those that were scored.
    shutil.rmtree(home / "results/runs/one")
    monkeypatch.setattr(crystal_folds.Lockstep, "keep", lambda self: None)
    write(home, more="checkpoint_epochs = 2")
    assert matscout("train", "one.toml").code == 0
    refused("one: the checkpoint of trial 0 at step 12: has the networks of epoch 2 of 3; train it")


@pytest.mark.usefixtures("at_once")
def test_killed_while_the_last_networks_are_written_it_goes_on_to_the_same(
    home: Path, matscout: Matscout
) -> None:
    """There is no checkpoint on the way: they are kept whole before the trial has a value."""
    never = "checkpoint_epochs = 0\ncheckpoint_s = 0"
    trained(home, matscout, more=never)
    folder = RunFolder(home / "results/runs/one")
    first = CheckpointStore(folder.checkpoints(0)).load()
    assert first is not None and len(list(folder.checkpoints(0).iterdir())) == 1
    assert matscout("predict", "one", "new", "-o", "first.csv").code == 0
    shutil.rmtree(folder.root)
    child = os.fork()
    if child == 0:
        failpoint.arm("checkpoint.before_rename:1:kill")
        main(["train", "one.toml"])
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    said = matscout("predict", "one", "new")
    assert said.code == 2 and "no trial has a value yet; matscout resume one" in said.err
    assert matscout("resume", "one").code == 0
    again = CheckpointStore(folder.checkpoints(0)).load()
    assert again is not None and set(first.arrays) == set(again.arrays)
    assert all(np.array_equal(again.arrays[name], own) for name, own in first.arrays.items())
    assert matscout("predict", "one", "new", "-o", "again.csv").code == 0
    assert (home / "again.csv").read_bytes() == (home / "first.csv").read_bytes()


def swept(home: Path, matscout: Matscout, **more: Any) -> None:
    write(home, **more)
    sweep = (home / "one.toml").read_text()
    sweep += (
        'trials = 4\n[[targets]]\nname = "mae"\ndirection = "min"\n[proposer]\ntype = "random"\n'
    )
    sweep += '[space.parameters.lr]\ntype = "float"\nlow = 1e-4\nhigh = 1e-1\nlog = true\n'
    (home / "sweep.toml").write_text(sweep)
    assert matscout("sweep", "sweep.toml").code == 0


def left_by(home: Path, trials: Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
    """Of the rows that judged: the truths, and the mean over the trials of what each said then."""
    lines = [
        read(home / f"results/runs/one/work/trial-{trial:06d}-01/predictions.csv")
        for trial in trials
    ]
    truth, said = (
        np.mean([[float(line[name]) for line in each] for each in lines], axis=0)
        for name in ("truth", "prediction")
    )
    return truth, said


@pytest.mark.usefixtures("at_once")
def test_a_sweep_predicts_with_its_three_best_trials(home: Path, matscout: Matscout) -> None:
    swept(home, matscout)
    values = {trial: left_by(home, [trial]) for trial in range(4)}
    errors = {trial: float(np.abs(t - y).mean()) for trial, (t, y) in values.items()}
    order = sorted(errors, key=lambda trial: errors[trial])
    assert len(set(errors.values())) == 4
    said = matscout("predict", "one", "new")
    assert said.code == 0, said.err
    names = ", ".join(map(str, order[:3]))
    assert f"predicted by the mean of the 2 folds' networks of trials {names}, trained" in said.out
    assert "chosen: the mean prediction of the three best" in said.out
    assert "beware" not in said.out
    found = json.loads(matscout("predict", "one", "known.jsonl", "--json", "--force").out)
    assert [member["trial"] for member in found["members"]] == order[:3]
    assert found["networks"] == 6 and found["reproduced"] is True
    assert len({member["networks_sha256"] for member in found["members"]}) == 3
    truth, mean = left_by(home, order[:3])
    assert found["inner"] == pytest.approx(np.abs(truth - mean).mean(), rel=1e-9)
    again = json.loads(
        matscout("predict", "one", "known.jsonl", "--json", "--force", "--select", "average").out
    )
    assert again == found
    best = json.loads(
        matscout("predict", "one", "known.jsonl", "--json", "--force", "--select", "best").out
    )
    assert [member["trial"] for member in best["members"]] == order[:1]
    assert best["why"] == f"trial {order[0]} has the best mae" and best["networks"] == 2
    assert best["inner"] == pytest.approx(errors[order[0]], rel=1e-6)
    # A trial of which nothing is left is told, and not passed over.
    shutil.rmtree(RunFolder(home / "results/runs/one").checkpoints(order[2]))
    said = matscout("predict", "one", "new", "--force")
    what = "has left no checkpoint; train it again, or say --select best"
    assert said.code == 2 and f"trial {order[2]} of " in said.err and what in said.err
    assert matscout("predict", "one", "new", "--force", "--select", "best").code == 0


def test_a_table_is_not_predicted_from_structures(home: Path, matscout: Matscout) -> None:
    rows = "\n".join(f"{k},{2 * k}" for k in range(12))
    (home / "t.csv").write_text(f"a,y\n{rows}\n")
    write(home)
    (home / "one.toml").write_text(
        'name = "one"\n[evaluator]\ntype = "tabular"\ntable = "t.csv"\npredict = "y"\n'
        'model = "dummy"\nfolds = 2\n[run]\nfleet = "inline"\n'
    )
    assert matscout("train", "one.toml").code == 0
    for new in ("new", "new/a.cif", "new/c.json"):
        said = matscout("predict", "one", new)
        what = "holds crystal structures, and the run learned from a table, t.csv; name a table"
        assert said.code == 2 and what in said.err and said.err.count("\n") == 1
