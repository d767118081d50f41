"""The main job: which lead-free halide perovskites are stable? On real crystals, offline."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Any

from matscout.cli.runs import drive_shown, runs_option
from matscout.cli.words import INTERRUPTED
from matscout.data.pools import read_space
from matscout.drive.config import Config, parse_config
from matscout.drive.run import RunSpec, create, load
from matscout.errors import ExperimentFailed, InputError
from matscout.history import History
from matscout.runfolder import RunFolder, checked_name
from matscout.space import Space
from matscout.trial import State, Target

CRYSTALS = 200
"""Substituted prototypes beside the perovskites just measured: enough for a network to beat the mean,
few enough that a trial takes seconds."""


def demo(
    runs: Path,
    name: str | None,
    seed: int,
    experiments: int,
    sweep_trials: int,
    fleet: str | None,
    json: bool,
) -> int:
    """Make the demo's campaign and go through the whole of it."""
    folder = RunFolder.of(checked_name(name), runs) if name else _free(runs)
    create(folder, campaign_spec(folder.name, seed, experiments, sweep_trials, fleet or "ray"))
    return go_on(folder, {}, json)


def go_on(folder: RunFolder, overrides: dict[str, Any], json: bool) -> int:
    """Finish the campaign, then the sweep, wherever they stand, and say what was found."""
    if _drive(folder, overrides, "experiments") == "interrupted":
        return _interrupted(folder)
    history, spec = load(folder)
    sweep = None
    trials = int(spec.origin["sweep_trials"])
    if trials:
        sweep = RunFolder(folder.root.with_name(f"{folder.name}-sweep"))
        if not sweep.holds_run:
            structures = _structures(folder, history, spec.seed)
            create(sweep, sweep_spec(sweep.name, spec, structures, trials))
        if _drive(sweep, {}, "models") == "interrupted":
            return _interrupted(folder)
    found = findings(folder, history, spec, sweep)
    if json:
        print(jsonlib.dumps(found, indent=1))
    else:
        _print(found)
    return 0


def campaign_spec(name: str, seed: int, experiments: int, sweep_trials: int, fleet: str) -> RunSpec:
    """Forty experiments: ten at random, then a Gaussian process that weighs what it is unsure of."""
    from matscout.data.halides import halide_pool
    from matscout.evaluate.chgnet_oracle import TARGET

    config = parse_config(
        {
            "kind": "campaign",
            "name": name,
            "seed": seed,
            "space": {},
            "targets": [_target_table(TARGET)],
            "evaluator": {"type": "chgnet"},
            "proposer": {"type": "gp", "startup": 10},
            "run": {"trials": experiments, "workers": 2, "fleet": fleet},
        }
    )
    origin = {"made_by": "demo", "sweep_trials": str(sweep_trials)}
    return _spec(config, Space(pool=halide_pool()), origin)


def sweep_spec(name: str, campaign: RunSpec, structures: Path, trials: int) -> RunSpec:
    """A crystal-graph network on what was computed: TPE, with early stopping."""
    config = parse_config(
        {
            "kind": "sweep",
            "name": name,
            "seed": campaign.seed,
            "space": {},
            "targets": [{"name": "mae", "direction": "min", "unit": "eV/atom"}],
            "evaluator": {
                "type": "crystal_graph",
                "structures": str(structures),
                "predict": "energy_eV_atom",
                "epochs": 27,
            },
            "proposer": {"type": "tpe", "startup": 5},
            "early_stopping": {"type": "asha", "min_step": 3, "factor": 3},
            "run": {"trials": trials, "workers": 2, "fleet": campaign.config["run"]["fleet"]},
        }
    )
    return _spec(config, read_space({"ready": "crystal_graph"}, Path()), {"made_by": "demo-sweep"})


def _spec(config: Config, space: Space, origin: dict[str, str]) -> RunSpec:
    return RunSpec(
        name=config.name,
        kind=config.kind,
        space=space,
        targets=tuple(t.target() for t in config.targets),
        policy=config.run.policy(),
        seed=config.seed,
        config=config.model_dump(mode="json", exclude={"space"}),
        origin=origin,
    )


def _target_table(target: Target) -> dict[str, str]:
    return {"name": target.name, "direction": target.direction, "unit": target.unit}


def _structures(folder: RunFolder, history: History, seed: int) -> Path:
    """Crystals and CHGNet energies (eV/atom) for the sweep, kept in the campaign's folder.

    The perovskites just measured, at the lattice constants found, and substituted AFLOW prototypes.
    """
    path = folder.root / "structures.jsonl.gz"
    if not path.is_file():
        import numpy as np

        from matscout.data.halide_crystals import cubic_perovskite
        from matscout.data.prototypes import substituted
        from matscout.data.structures import StructureSet, save_structures
        from matscout.evaluate.chgnet_potential import potential

        chgnet = potential("cpu")
        ids, structures, energies = [], [], []
        for new in substituted(CRYSTALS, seed, max_sites=8):
            try:
                energy = float(chgnet.energies_eV([new.structure])[0])
            except ExperimentFailed:
                continue  # an isolated atom: no energy, no training point
            ids.append(new.id)
            structures.append(new.structure)
            energies.append(energy / len(new.structure))
        for trial in history.completed:
            a, b, x = (str(trial.params[role]) for role in "ABX")
            ids.append(str(trial.candidate).lower())
            structures.append(cubic_perovskite(a, b, x, trial.values["a0_A"]))
            energies.append(trial.values["E0_eV_atom"])
        found = StructureSet(tuple(ids), tuple(structures), np.array(energies))
        save_structures(path, found, target="energy_eV_atom")
    return path


def findings(
    folder: RunFolder, history: History, spec: RunSpec, sweep: RunFolder | None
) -> dict[str, Any]:
    """What was found, beside what a random choice of as many experiments would have found."""
    from matscout.data.halide_table import most_stable, random_finds

    assert spec.space.pool is not None
    pool = spec.space.pool.ids
    measured = [t for t in history.completed if t.candidate is not None]
    stable = most_stable(pool, _TOP)
    chance = random_finds(len(pool), _TOP, len(history.finished))
    target = history.targets[0].name
    ranked = sorted(measured, key=lambda t: t.values[target])
    out: dict[str, Any] = {
        "run": str(folder.root),
        "pool": len(pool),
        "experiments": len(history.finished),
        "failed": {str(t.candidate): t.reason for t in history.trials if t.state is State.FAILED},
        "most_stable": [
            {
                "formula": t.candidate,
                target: round(t.values[target], 2),
                "a0_A": round(t.values["a0_A"], 3),
                "B0_GPa": round(t.values["B0_GPa"], 1),
                "among_the_best": t.candidate in stable,
            }
            for t in ranked[:10]
        ],
        "top": _TOP,
        "found": sum(t.candidate in stable for t in measured),
        "random_finds": {"mean": round(chance.mean, 2), "low": chance.low, "high": chance.high},
    }
    if sweep is not None:
        models, _ = load(sweep)
        best = models.best()
        out["sweep"] = {
            "run": str(sweep.root),
            "models": len(models.finished),
            "pruned": models.count(State.PRUNED),
            "best": None if best is None else {"params": dict(best.params), **best.values},
        }
    return out


_TOP = 20


def _print(found: dict[str, Any]) -> None:
    print(
        f"\nThe most stable of {found['experiments']} lead-free halide perovskites computed with CHGNet"
    )
    print("(decomposition into AX + BX2; below zero the perovskite is the stable side):\n")
    print("  formula    meV/atom   a0 (Å)   B0 (GPa)")
    for row in found["most_stable"]:
        mark = "*" if row["among_the_best"] else " "
        print(
            f"{mark} {row['formula']:10} {row['dH_dec_meV_atom']:8.1f} {row['a0_A']:8.3f}"
            f" {row['B0_GPa']:9.1f}"
        )
    chance = found["random_finds"]
    print(
        f"\n* among the {found['top']} most stable of the whole pool ({found['pool']} candidates),"
    )
    print("  by matscout's own table of the same calculation for every candidate.")
    print(
        f"\nFound {found['found']} of those {found['top']} in {found['experiments']} experiments;"
        f" choosing at random finds {chance['mean']:.1f} ({chance['low']} to {chance['high']}"
        " in 90 of 100 tries)."
    )
    for formula, reason in found["failed"].items():
        print(f"failed: {formula}: {reason}")
    sweep = found.get("sweep")
    if sweep and sweep["best"]:
        best = sweep["best"]
        error, gap = 1000 * best["mae"], 1000 * best["gap_to_dummy"]
        print(
            f"\nCrystal-graph networks on these energies: {sweep['models']} configurations,"
            f" {sweep['pruned']} stopped early; the best errs by {error:.0f} meV/atom"
            f" on crystals it has not seen ({gap:.0f} less than guessing their mean):"
        )
        print("  " + ", ".join(f"{k} = {_short(v)}" for k, v in best["params"].items()))
    print(f"\nThe run: {found['run']}" + (f"\n     and {sweep['run']}" if sweep else ""))
    name = Path(found["run"]).name
    print(
        f"Go on with more experiments: matscout resume {name} --trials {found['experiments'] + 20}"
    )


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _drive(folder: RunFolder, overrides: dict[str, Any], noun: str) -> str:
    """A sitting of one of the demo's runs; nothing to do if it is over."""
    history, spec = load(folder)
    budget = overrides.get("trials") or spec.policy.trials
    if history.stopped and history.stopped != "interrupted" and len(history.trials) >= budget:
        return history.stopped
    return drive_shown(folder, overrides, noun=noun)


def _free(runs: Path) -> RunFolder:
    """demo, or demo-2, demo-3, … where that exists."""
    for number in range(1, 1000):
        folder = RunFolder.of("demo" if number == 1 else f"demo-{number}", runs)
        if not folder.root.exists():
            return folder
    raise InputError(str(runs), "holds 999 demos", "remove some, or give one a --name")


def _interrupted(folder: RunFolder) -> int:
    print(f"interrupted; go on with: matscout resume {folder.name}{runs_option(folder)}")
    return INTERRUPTED
