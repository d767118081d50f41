"""Real Tuners on a small cluster."""

from __future__ import annotations

import math
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ray import tune
from ray.tune.schedulers import ASHAScheduler, PopulationBasedTraining

from matscout.drive.run import load
from matscout.runfolder import RunFolder
from matscout.trial import State
from matscout.tune_bridge import MatscoutSearch, trainable, watch
from matscout.tune_bridge.restore import remembered

MLP = {"type": "tabular", "model": "mlp", "table": "table.csv", "predict": "y", "folds": 2}


def train(config: dict[str, Any]) -> None:
    for step in range(1, 10):
        if config["kind"] == "raises" and step == 2:
            raise ValueError("no such luck")
        bad = config["kind"] == "nan" and step > 1
        tune.report({"loss": math.nan if bad else (config["x"] - 1) ** 2 + 1 / step, "sem": 0.01})


def test_stopped_diverged_and_failed_trials_are_told_as_such(cluster: None, tmp_path: Path) -> None:
    space = {"x": tune.uniform(-5, 5), "kind": tune.choice(["works", "nan", "raises"]), "c": 1}
    points = [{"x": x, "kind": "works"} for x in (1.5, 3.0)]
    points += [{"x": 0.99, "kind": "nan"}, {"x": 1.0, "kind": "raises"}]
    points += [{"x": x, "kind": "works"} for x in (-4.0, -4.5, 4.8, 1.1)]
    search = MatscoutSearch("tpe", seed=0, points_to_evaluate=points, run=tmp_path / "run")
    tuner = tune.Tuner(
        train,
        param_space=space,
        tune_config=tune.TuneConfig(
            metric="loss",
            mode="min",
            num_samples=9,
            search_alg=search,
            scheduler=watch(search, ASHAScheduler(max_t=9, grace_period=1, reduction_factor=3)),
            max_concurrent_trials=2,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(storage_path=str(tmp_path), name="tuned", verbose=0),
    )
    results = tuner.fit()
    search.close()
    assert len(results) == 9
    history, _ = load(RunFolder(tmp_path / "run"))
    trials = {t.params["x"]: t for t in history.trials}
    assert trials[0.99].state is State.INVALID and trials[1.0].state is State.FAILED
    assert trials[0.99].reports[0].values == {"loss": pytest.approx(1.0001)}
    ended = [t for t in history.trials if t.state in (State.COMPLETE, State.PRUNED)]
    pruned = [t for t in ended if t.state is State.PRUNED]
    assert len(ended) == 7 and 0 < len(pruned) < 7
    for trial in ended:
        steps = [r.step for r in trial.reports]
        assert steps == list(range(1, steps[-1] + 1))
        assert (trial.state is State.COMPLETE) == (steps[-1] == 9)
        assert trial.sem == ({"loss": 0.01} if trial.state is State.COMPLETE else {})
    assert not history.pending and not history.in_flight
    # As Tune writes its trials, so `restore.py` reads them.
    known = remembered(tmp_path / "tuned")
    assert known is not None and len(known) == 9 and all(t.over for t in known)
    assert {t.config["x"] for t in known} == set(trials)
    assert {t.result["training_iteration"] for t in known if t.result} > {9}


@pytest.mark.slow
def test_population_based_training_improves(cluster: None, tmp_path: Path) -> None:
    """Of two networks the one that learns nothing takes over the other, again and again."""
    rng = random.Random(4)
    rows = [(rng.gauss(0, 1), rng.gauss(0, 1)) for _ in range(40)]
    lines = ["a,b,y", *(f"{a},{b},{2 * a + b}" for a, b in rows)]
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    population = PopulationBasedTraining(
        time_attr="training_iteration",
        perturbation_interval=2,
        hyperparam_mutations={"lr": tune.loguniform(1e-2, 1e-1), "dropout": [0.0, 0.05]},
        quantile_fraction=0.5,
        synch=True,
    )
    tuner = tune.Tuner(
        trainable({**MLP, "epochs": 8}, base=tmp_path),
        param_space={
            "lr": tune.grid_search([1e-6, 3e-2]),
            "dropout": 0.0,
            "hidden_features": 8,
            "schedule": "constant",
        },
        tune_config=tune.TuneConfig(
            metric="mae", mode="min", scheduler=population, reuse_actors=True
        ),
        run_config=tune.RunConfig(storage_path=str(tmp_path), name="pbt", verbose=0),
    )
    results = tuner.fit()
    assert not results.errors
    assert (tmp_path / "pbt" / "pbt_global.txt").read_text().startswith('["0_lr=0.0000", "1_lr')
    for one in results:
        assert one.config["lr"] > 1e-3, "the rate that learns nothing is gone"
        assert one.metrics["finished"] and one.metrics["training_iteration"] == 8
        assert one.metrics["mae"] < 0.7 * float(one.metrics_dataframe["mae"].iloc[0])


# -- killed ---------------------------------------------------------------------------------------

DRIVER = """
import os, sys
from pathlib import Path
from ray import tune
from matscout.fleet.ray_local import local_cluster
from matscout.tune_bridge import MatscoutSearch

folder, samples, how, die_at = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
told, live = MatscoutSearch.on_trial_complete, []

def tell(self, *args, **more):
    told(self, *args, **more)
    live[:] = [self]
    if die_at and len(self.history.finished) >= die_at:
        os.kill(os.getpid(), 9)

def train(config):
    for step in (1, 2, 3):
        tune.report({"loss": (config["x"] - 1) ** 2 + config["k"] + 1 / step})
    if config["k"] == 2:
        raise ValueError("never at two")

MatscoutSearch.on_trial_complete = tell
down = local_cluster(2)
try:
    space = {"x": tune.uniform(-5, 5), "k": tune.randint(0, 5)}
    if (folder / "tuned").exists():
        tuner = tune.Tuner.restore(str(folder / "tuned"), train, param_space=space)
    else:
        run = folder / "run" if how == "run" else None
        search = MatscoutSearch("tpe", seed=5, options={"startup": 4}, run=run)
        tuner = tune.Tuner(
            train, param_space=space,
            tune_config=tune.TuneConfig(metric="loss", mode="min", num_samples=samples,
                search_alg=search, max_concurrent_trials=1, reuse_actors=True),
            run_config=tune.RunConfig(storage_path=str(folder), name="tuned", verbose=0),
        )
    tuner.fit()
    for t in live[0].history.trials:
        print("trial", t.id, t.params["x"], t.params["k"], t.state, dict(t.values), len(t.reports))
finally:
    down()
"""


def drive(folder: Path, samples: int, how: str, die_at: int) -> tuple[int, list[str]]:
    folder.mkdir(exist_ok=True)
    words = [str(folder), str(samples), how, str(die_at)]
    environment = {**os.environ, "TUNE_GLOBAL_CHECKPOINT_S": "0" if how == "often" else "auto"}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, *words], capture_output=True, text=True, env=environment
    )
    said = done.stdout + done.stderr
    assert done.returncode in (0, -signal.SIGKILL), said
    assert "Failed to restore" not in said and "Restarting experiment" not in said, said
    return done.returncode, [line for line in said.splitlines() if line.startswith("trial ")]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["run", "often"])
def test_killed_and_restored(how: str, tmp_path: Path) -> None:
    """With a run folder, and with Tune's own snapshots after every event."""
    code, unbroken = drive(tmp_path / "a", 9, how, 0)
    assert code == 0 and len(unbroken) == 9
    code, _ = drive(tmp_path / "b", 9, how, 5)
    assert code == -signal.SIGKILL
    if how == "run":
        told = load(RunFolder(tmp_path / "b" / "run"))[0]
        assert len(told.finished) == 5
    code, again = drive(tmp_path / "b", 9, how, 0)
    assert code == 0
    # Tune may have forgotten some; then it runs as many more, and they come after.
    assert again[:9] == unbroken and len(again) <= 9 + (6 if how == "run" else 0)
