"""What the engine itself costs: no-op trials a second, beside Ray Tune and Optuna.

Everyone gets a process and a local Ray cluster of its own for each round, so that none inherits
the threads and actors of another, two workers (Optuna: its ask/tell, without any), the same
two-parameter space, and Optuna's TPE with its defaults. Ours runs with everything on: the durable
journal, the outbox, leases. Starting Ray is not counted for anyone: each warms up with a short run.
"""

from __future__ import annotations

import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from matscout.cli.bench.interleaved import interleaved
from matscout.clock import SystemClock
from matscout.drive.policy import Policy
from matscout.drive.run import RunSpec, create, reopen, sit, versions
from matscout.errors import RunFailed, one_line
from matscout.evaluate.noop import Noop
from matscout.fleet.base import Fleet
from matscout.parameter import Float
from matscout.runfolder import RunFolder
from matscout.space import Space
from matscout.trial import Target

_SPACE = Space((Float("x", 0.0, 1.0), Float("z", 1e-4, 1.0, log=True)))
_WORKERS = 2
_TUNE_DEFAULT_TRIALS = 12
"""Ray Tune without reuse_actors starts a process per trial (about 2 s each here): a dozen suffice."""


def overhead(trials: int, repeats: int) -> dict[str, Any]:
    """Trials per second of each engine (median over interleaved rounds), and the ratios."""
    engines = {name: partial(_alone, name, trials) for name in _ENGINES if name != _SLOWEST}
    rounds = interleaved(engines, repeats)
    rounds[_SLOWEST] = [_alone(_SLOWEST, _TUNE_DEFAULT_TRIALS)]
    rate = {name: round(statistics.median(values), 2) for name, values in rounds.items()}
    return {
        "command": f"matscout bench overhead --trials {trials} --repeats {repeats}",
        "trials": trials,
        "workers": _WORKERS,
        "trials_per_s": rate,
        "rounds": {name: [round(v, 2) for v in values] for name, values in rounds.items()},
        "ratio_vs_tune_reuse": round(
            statistics.median(
                ours / theirs
                for ours, theirs in zip(
                    rounds["matscout"], rounds["ray_tune_reuse_actors"], strict=True
                )
            ),
            1,
        ),
        "ratio_vs_tune_default": round(rate["matscout"] / rate["ray_tune_default"], 1),
        "ratio_vs_optuna_sqlite": round(rate["matscout"] / rate["optuna_sqlite"], 1),
        "cores": os.cpu_count(),
        "versions": versions(),
    }


def table(result: dict[str, Any]) -> str:
    """The result for a person."""
    lines = [
        f"{result['trials']} no-op trials, TPE, {result['workers']} workers, trials per second:"
    ]
    for name, rate in sorted(result["trials_per_s"].items(), key=lambda item: -item[1]):
        rounds = ", ".join(f"{value:g}" for value in result["rounds"][name])
        lines.append(f"  {name:24} {rate:8.1f}   (rounds: {rounds})")
    lines.append(
        f"  matscout is {result['ratio_vs_tune_reuse']:g} times Ray Tune with reuse_actors,"
    )
    lines.append(f"  {result['ratio_vs_tune_default']:g} times its default,")
    lines.append(f"  {result['ratio_vs_optuna_sqlite']:g} times Optuna on SQLite")
    return "\n".join(lines)


def measure(name: str, trials: int) -> float:
    """Trials per second of one engine, in this process, after a short run to warm up."""
    with tempfile.TemporaryDirectory(prefix="matscout-bench-") as scratch, _quiet():
        root = Path(scratch)
        if name == "optuna_sqlite":
            return _optuna(root, trials)
        from matscout.fleet.ray_local import local_cluster

        disconnect = local_cluster(num_cpus=2 * _WORKERS)
        try:
            engine = _ENGINES[name]
            engine(root, min(trials, 20))
            return engine(root, trials)
        finally:
            disconnect()


def _alone(name: str, trials: int) -> float:
    """`measure` in a process of its own; the last line it prints is the answer."""
    command = [sys.executable, "-m", "matscout.cli.bench.overhead", name, str(trials)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise RunFailed(f"bench: {name} ended with {done.returncode}: {one_line(last)}")
    return float(done.stdout.strip().splitlines()[-1])


def _matscout(root: Path, trials: int) -> float:
    """Our own, from the first ask to the last acknowledgement."""
    from matscout.fleet.ray_actors import RayFleet
    from matscout.propose.tpe import TpeProposer

    spec = RunSpec("bench", "sweep", _SPACE, (Target("y"),), Policy(trials=trials, slots=_WORKERS))
    with tempfile.TemporaryDirectory(dir=root) as runs:
        folder = RunFolder.of("bench", Path(runs))
        create(folder, spec)
        journal, history, spec = reopen(folder)
        fleet = RayFleet(Noop, spec.targets, folder, slots=_WORKERS, cpus=1.0)
        try:
            _until_ready(fleet)
            start = time.monotonic()
            # Closing the fleet is not the engine's cost per trial: keep it open past the clock.
            sit(
                folder,
                journal,
                history,
                spec,
                proposer=TpeProposer(),
                start_fleet=lambda: _KeptOpen(fleet),
                clock=SystemClock(),
            )
            seconds = time.monotonic() - start
        finally:
            fleet.close()
            journal.close()
        if len(history.completed) != trials:
            raise RunFailed(f"bench: {len(history.completed)} of {trials} trials completed")
    return trials / seconds


class _KeptOpen:
    """A fleet whose `close` is left to its owner."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fleet, name)

    def close(self) -> None:
        pass


def _until_ready(fleet: Any) -> None:
    """Actors start in the background; the peers' are warm when their clock starts, too."""
    while len(fleet.pids()) < fleet.slots:
        fleet.poll(0.05)


def _tune(root: Path, trials: int, reuse: bool) -> float:
    """Ray Tune with TPE through its own OptunaSearch."""
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    tuner = tune.Tuner(
        _tune_trainable(),
        param_space={"x": tune.uniform(0.0, 1.0), "z": tune.loguniform(1e-4, 1.0)},
        tune_config=tune.TuneConfig(
            metric="y",
            mode="min",
            num_samples=trials,
            max_concurrent_trials=_WORKERS,
            search_alg=OptunaSearch(seed=0),
            reuse_actors=reuse,
        ),
        run_config=tune.RunConfig(storage_path=str(root), verbose=0),
    )
    start = time.monotonic()
    results = tuner.fit()
    seconds = time.monotonic() - start
    if len(results) != trials or results.errors:
        raise RunFailed(f"bench: Ray Tune finished {len(results)} of {trials} trials")
    return trials / seconds


def _tune_trainable() -> Any:
    from ray import tune

    class NoopTrainable(tune.Trainable):
        """Done after one step, and reusable."""

        def setup(self, config: dict[str, float]) -> None:
            self.total = sum(config.values())

        def step(self) -> dict[str, Any]:
            return {"y": self.total, "done": True}

        def reset_config(self, config: dict[str, float]) -> bool:
            self.total = sum(config.values())
            return True

        def save_checkpoint(self, checkpoint_dir: str) -> None:
            return None

        def load_checkpoint(self, checkpoint: Any) -> None:
            return None

    return NoopTrainable


def _optuna(root: Path, trials: int) -> float:
    """Optuna's ask/tell on SQLite, its durable default, in one process."""
    import optuna

    with tempfile.TemporaryDirectory(dir=root) as folder:
        study = optuna.create_study(
            storage=f"sqlite:///{folder}/study.db", sampler=optuna.samplers.TPESampler(seed=0)
        )
        start = time.monotonic()
        for _ in range(trials):
            trial = study.ask()
            x = trial.suggest_float("x", 0.0, 1.0)
            study.tell(trial, x + trial.suggest_float("z", 1e-4, 1.0, log=True))
        return trials / (time.monotonic() - start)


class _quiet:
    """Peers print a lot; a benchmark's output is its table."""

    def __enter__(self) -> None:
        import optuna

        self._level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        logging.getLogger("ray").setLevel(logging.ERROR)
        os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
        os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")

    def __exit__(self, *error: object) -> None:
        import optuna

        optuna.logging.set_verbosity(self._level)


_ENGINES: dict[str, Callable[[Path, int], float]] = {
    "matscout": _matscout,
    "ray_tune_reuse_actors": partial(_tune, reuse=True),
    "optuna_sqlite": _optuna,
    "ray_tune_default": partial(_tune, reuse=False),
}
_SLOWEST = "ray_tune_default"

if __name__ == "__main__":
    print(measure(sys.argv[1], int(sys.argv[2])))
