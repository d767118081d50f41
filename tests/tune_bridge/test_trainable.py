"""Our trainers under Tune's hands, without Tune: saved, restored, reused, perturbed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
import torch
from ray.tune.trainable import trainable as tunes

from matscout.checkpoint import CheckpointStore
from matscout.data.prototypes import substituted
from matscout.data.structures import StructureSet, save_structures
from matscout.errors import ExperimentFailed, InputError, RunFailed
from matscout.tune_bridge import trainable

MLP = {"type": "tabular", "model": "mlp", "table": "table.csv", "predict": "y", "folds": 2}
PARAMS = {"hidden_features": 4, "hidden_layers": 1, "lr": 0.02, "batch_size": 8}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(2)
    rows = [f"{a},{b},{a * 2 + b}" for a, b in rng.normal(size=(30, 2))]
    (folder / "table.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    crystals = [new.structure for new in substituted(12, seed=1, max_sites=4)]
    target = np.array([s.volume / len(s) for s in crystals])
    names = tuple(map(str, range(len(crystals))))
    save_structures(folder / "crystals.jsonl", StructureSet(names, tuple(crystals), target))
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Without a Tuner, Tune makes its folders in the user's home."""
    monkeypatch.setattr(tunes, "DEFAULT_STORAGE_PATH", str(tmp_path / "ray_results"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    yield


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {
    "mlp": ({**MLP, "epochs": 4}, PARAMS, 4),
    "sgd": ({**MLP, "epochs": 3}, {**PARAMS, "optimizer": "sgd", "schedule": "plateau"}, 3),
    "crystal": (
        {"type": "crystal_graph", "structures": "crystals.jsonl", "epochs": 3},
        {"atom_features": 4, "convolutions": 1, "head_features": 4, "gaussians": 8},
        3,
    ),
    "trees": (
        {**MLP, "model": "extra_trees", "folds": 4},
        {"n_estimators": 3, "max_features": "sqrt"},
        4,
    ),
    "rows": ({**MLP, "model": "ridge", "fidelity": "rows"}, {"alpha": 0.1}, 3),
}


def run(one: Any, steps: int) -> list[dict[str, Any]]:
    return [{k: v for k, v in one.train().items() if kept(k)} for _ in range(steps)]


def kept(key: str) -> bool:
    return key in ("mae", "mae_sem", "gap_to_dummy", "done", "finished", "training_iteration")


@pytest.mark.parametrize("case", CASES)
def test_saved_anywhere_and_gone_on_with_elsewhere(case: str, data: Path, tmp_path: Path) -> None:
    table, params, steps = CASES[case]
    make = trainable(table, base=data, seed=3)
    unbroken = make(dict(params))
    told = run(unbroken, steps)
    assert [t["done"] for t in told] == [False] * (steps - 1) + [True]
    assert [t["finished"] for t in told] == [t["done"] for t in told]
    assert told[-1]["mae"] > 0 and "gap_to_dummy" in told[-1]
    for at in (0, 2, steps):
        first = make(dict(params))
        before = run(first, at)
        saved = first.save(str(tmp_path / f"at-{at}"))
        assert before + run(first, steps - at) == told  # saving changes nothing
        second = make({**params, "lr": 0.5} if case == "mlp" else dict(params))
        assert second.reset(dict(params))
        second.restore(saved)
        assert second.training_iteration == at
        after = run(second, steps - at) if at < steps else run(second, 1)
        assert after == (told[at:] if at < steps else [{**told[-1], "training_iteration": at + 1}])
        first.stop()
        second.stop()
    unbroken.stop()


def test_no_file_is_left_behind(data: Path, tmp_path: Path) -> None:
    one = trainable({**MLP, "epochs": 2}, base=data)(dict(PARAMS))
    run(one, 1)
    saved = one.save(str(tmp_path / "saved"))
    names = {p.name for p in Path(saved.checkpoint.path).rglob("*") if p.is_file()}
    assert names == {"trial.json", "state.json", "arrays.safetensors"}
    home = one._home
    assert home.exists()
    one.stop()
    assert not home.exists()


def test_a_restored_network_goes_on_with_perturbed_hyperparameters(
    data: Path, tmp_path: Path
) -> None:
    make = trainable({**MLP, "epochs": 6}, base=data)
    good = make(dict(PARAMS))
    before = run(good, 3)
    saved = good.save(str(tmp_path / "good"))
    # Of a rate of nearly zero, the network stays where the good one was.
    still = make({**PARAMS, "lr": 0.5})
    run(still, 2)
    assert still.reset({**PARAMS, "lr": 1e-8, "weight_decay": 0.0, "batch_size": 5})
    still.restore(saved)
    frozen = run(still, 1)[0]
    assert frozen["training_iteration"] == 4
    assert frozen["mae"] == pytest.approx(before[-1]["mae"], rel=1e-4)
    assert frozen["mae"] != pytest.approx(run(good, 1)[0]["mae"], rel=1e-4)
    # What it saves then is its own, and its place in the schedule is kept.
    own = still.save(str(tmp_path / "mine"))
    mine = CheckpointStore(Path(own.checkpoint.path)).load()
    theirs = CheckpointStore(Path(saved.checkpoint.path)).load()
    assert mine is not None and theirs is not None
    for new, old in zip(mine.state["folds"], theirs.state["folds"], strict=True):
        (group,), (other,) = new["optimizer"]["groups"], old["optimizer"]["groups"]
        assert group["initial_lr"] == pytest.approx(1e-8) and group["weight_decay"] == 0.0
        assert new["scheduler"]["base_lrs"] == pytest.approx([1e-8])
        share = (1 + math.cos(math.pi * 4 / 6)) / (1 + math.cos(math.pi * 3 / 6))
        assert group["lr"] / 1e-8 == pytest.approx(share * other["lr"] / PARAMS["lr"])
    again = make({**PARAMS, "lr": 1e-8, "weight_decay": 0.0, "batch_size": 5})
    again.restore(own)
    assert run(again, 1) == run(still, 1)


def test_what_a_trained_network_cannot_take_up(data: Path, tmp_path: Path) -> None:
    make = trainable({**MLP, "epochs": 3}, base=data)
    one = make(dict(PARAMS))
    run(one, 1)
    saved = one.save(str(tmp_path / "saved"))
    for change in ({"hidden_features": 8}, {"optimizer": "sgd"}, {"scaler": "robust"}):
        other = make({**PARAMS, **change})
        with pytest.raises(InputError, match=f"params.{next(iter(change))}: changed after"):
            other.restore(saved)
    trees = trainable({**MLP, "model": "extra_trees"}, base=data)
    fitted = trees({"n_estimators": 3})
    run(fitted, 1)
    with pytest.raises(InputError, match="use mlp or crystal_graph with PBT"):
        trees({"n_estimators": 4}).restore(fitted.save(str(tmp_path / "fitted")))
    longer = trainable({**MLP, "epochs": 9}, base=data)(dict(PARAMS))
    with pytest.raises(RunFailed, match="belongs to other data or options"):
        longer.restore(saved)
    (weights,) = (tmp_path / "saved").rglob("arrays.safetensors")
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(RunFailed, match="no sound checkpoint"):
        make(dict(PARAMS)).restore(saved)
    (tmp_path / "saved" / "trial.json").write_text("{")
    with pytest.raises(RunFailed, match=r"trial\.json cannot be read"):
        make(dict(PARAMS)).restore(saved)


def test_the_evaluator_of_a_config(data: Path) -> None:
    lines = "\n".join(f"{key} = {value!r}" for key, value in MLP.items()).replace("'", '"')
    (data / "sweep.toml").write_text(
        'name = "a"\n[space.parameters.lr]\ntype = "float"\nlow = 0.1\nhigh = 0.2\n'
        f'[[targets]]\nname = "mae"\ndirection = "min"\n[evaluator]\n{lines}\nepochs = 2\n'
    )
    make = trainable(data / "sweep.toml")
    assert make.__name__ == "tabular_trainer"
    one = make(dict(PARAMS))
    assert [r["done"] for r in run(one, 2)] == [False, True]
    with pytest.raises(ExperimentFailed, match="no such hyperparameter; did you mean 'lr'"):
        make({"lrr": 0.1}).train()


def test_seeds(data: Path) -> None:
    make = trainable({**MLP, "epochs": 1}, base=data, seed=3)
    told = [run(make(config), 1)[0]["mae"] for config in (PARAMS, {**PARAMS, "seed": 3})]
    assert told[0] == told[1] != run(make({**PARAMS, "seed": 4}), 1)[0]["mae"]


@pytest.mark.parametrize(
    ("lent", "seen", "device"),
    [([], True, "cpu"), ([0], True, "cuda:0"), (["4"], True, "cuda:0"), ([0], False, "cpu")],
)
def test_the_device_is_a_gpu_where_ray_has_lent_one_and_torch_sees_it(
    data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    lent: list[Any], seen: bool, device: str,
) -> None:  # fmt: skip
    """As `ray.get_gpu_ids` has them in an actor: none, of whatever the machine has, where the trial
    asked for none. Ray shows the worker those alone, so that the first is the one lent."""
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "get_gpu_ids", lambda: lent)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: seen)
    one = trainable({**MLP, "epochs": 2}, base=data)(dict(PARAMS))
    assert one._context().device == one._context().device == device
    said = [line for line in caplog.messages if "torch sees none" in line]
    assert len(said) == (bool(lent) and not seen), "nobody is slow unawares, and told once"
    assert device != "cpu" or run(one, 2)[-1]["done"]
    one.stop()


def test_mistakes_are_one_line(data: Path) -> None:
    with pytest.raises(InputError, match=r"trainer\.type: is missing"):
        trainable({"table": "table.csv"})
    with pytest.raises(InputError, match="trains nothing step by step"):
        trainable({"type": "function", "target": "math:sin"})
    with pytest.raises(InputError, match="nowhere"):
        trainable({**MLP, "table": "nowhere.csv"}, base=data)
    with pytest.raises(InputError, match="unknown key 'modle'"):
        trainable({**MLP, "modle": "mlp"}, base=data)
