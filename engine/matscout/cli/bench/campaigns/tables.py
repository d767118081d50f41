"""The recorded experiments of `bench campaigns`, and how each table is played.

None of the files comes with matscout: `--data` names a folder that holds them, by the names below.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from matscout.data.experiments import Experiments, read_experiments
from matscout.drive.backtest import Case, Protocol
from matscout.errors import InputError, did_you_mean
from matscout.goal import Goal
from matscout.pool import Pool
from matscout.trial import Target

_SEED = 20210701
"""Of the subsamples: the same groups of a large table in every run."""


@dataclass(frozen=True)
class Source:
    """One file, what is measured in it, and which way is better.

    read       options of `read_experiments`
    transform  of every value before anything else: log10 for what spans decades
    best_of    a candidate's value is the best of its rows (the stable one of several structures of
               a formula), not their mean
    groups     keep so many groups, drawn once for all runs; None: all
    """

    path: str
    target: str
    direction: str
    read: dict[str, Any] = field(default_factory=dict)
    transform: str = ""
    best_of: bool = False
    groups: int | None = None
    said: str = ""


@dataclass(frozen=True)
class Table:
    """One table under one protocol. `at`: also the share found after so many experiments."""

    source: str
    kind: str
    budget: int
    init: int = 2
    batch: int = 1
    top: float = 0.05
    threshold: float | None = None
    start: str = "any"
    at: tuple[int, ...] = ()


def _simplex(names: str, target: str) -> dict[str, Any]:
    return {"header": (*names.split(), target)}


SOURCES: dict[str, Source] = {
    "crossed_barrel": Source("pv_lab/crossed_barrel.csv", "toughness", "max"),
    "agnp": Source("pv_lab/agnp.csv", "loss", "min"),
    "autoam": Source("pv_lab/autoam.csv", "Score", "max"),
    "oer_plate_3496": Source(
        "olympus/oer_plate_3496/data.csv",
        "overpotential",
        "min",
        _simplex("ni_load fe_load co_load mn_load ce_load la_load", "overpotential"),
    ),
    "photo_wf3": Source(
        "olympus/photo_wf3/data.csv",
        "degradation",
        "min",
        _simplex("mat_1 mat_2 mat_3 mat_4", "degradation"),
    ),
    "direct_arylation": Source(
        "baybe/direct_arylation.csv",
        "yield",
        "max",
        {"ignore": ("entry", "Base_SMILES", "Ligand_SMILES", "Solvent_SMILES")},
    ),
    "castelli": Source(
        "matbench_formula/castelli.csv",
        "target",
        "min",
        best_of=True,
        groups=1400,
        said="1400 formulas drawn once; of a formula's rows the most stable counts",
    ),
    "obelix": Source(
        "obelix/train.csv",
        "Ionic conductivity (S cm-1)",
        "max",
        {
            "inputs": (
                "Reduced Composition", "Space group #", "a", "b", "c", "alpha", "beta", "gamma",
            ),
            "kinds": {"Reduced Composition": "formula", "Space group #": "number"},
            "censored": "bound",
        },
        transform="log10",
        said="log10 of the conductivity; composition, space group number and lattice; "
        "of a censored value the bound",
    ),
    "hardness": Source(
        "hardness/hv_comp_load.csv", "hardness", "max",
        {"inputs": ("composition", "load"), "kinds": {"composition": "formula"}},
    ),
    "glass": Source(
        "matbench_formula/glass.csv",
        "target",
        "min",
        groups=2000,
        said="2000 formulas drawn once; wanted is the minority, which forms no glass",
    ),
    "steels": Source("matbench_formula/steels_yield.csv", "target", "max"),
    "jdft2d": Source("matbench_formula/jdft2d.csv", "target", "max"),
    "expt_gap": Source(
        "matbench_formula/expt_gap.csv", "target", "max", groups=1000,
        said="1000 formulas drawn once",
    ),
}  # fmt: skip

_RARE = {"castelli": 0.2, "obelix": -3.0, "hardness": 40.0, "glass": 0.5}
_LEARN = (
    "steels", "jdft2d", "expt_gap", "hardness", "crossed_barrel", "agnp", "oer_plate_3496",
    "photo_wf3", "direct_arylation",
)  # fmt: skip
_SMALL = frozenset({"agnp"})
"""Fewer than 200 candidates: three batches of 32 would be all there is."""

TABLES: dict[str, Table] = {
    "crossed_barrel": Table("crossed_barrel", "top", budget=250),
    "agnp": Table("agnp", "top", budget=100),
    "autoam": Table("autoam", "top", budget=100),
    **{
        name: Table(name, "top", budget=100, init=10, batch=4, top=0.01, at=(50, 100))
        for name in ("oer_plate_3496", "photo_wf3")
    },
    "direct_arylation": Table("direct_arylation", "top", budget=350, init=10, batch=4),
    **{
        name: Table(
            name, "rare", budget=150, init=10, batch=5, threshold=limit, start="with", at=(150,)
        )
        for name, limit in _RARE.items()
    },
    **{
        f"{name}_cold": Table(
            name, "rare", budget=100, init=10, batch=5, threshold=limit, start="without"
        )
        for name, limit in _RARE.items()
    },
    **{
        f"{name}_model_8": Table(name, "model", budget=72 if name in _SMALL else 112, init=16, batch=8)
        for name in _LEARN
    },
    **{
        f"{name}_model_32": Table(name, "model", budget=192, init=32, batch=32)
        for name in _LEARN
        if name not in _SMALL
    },
}  # fmt: skip

GROUPS: dict[str, tuple[str, ...]] = {
    "top": tuple(n for n, t in TABLES.items() if t.kind == "top"),
    "rare": tuple(n for n, t in TABLES.items() if t.kind == "rare" and t.start == "with"),
    "cold": tuple(n for n, t in TABLES.items() if t.kind == "rare" and t.start == "without"),
    "model": tuple(n for n, t in TABLES.items() if t.kind == "model"),
    "all": tuple(TABLES),
}


def kind_of(name: str) -> str:
    """The group that a table belongs to."""
    return "cold" if TABLES[name].start == "without" else TABLES[name].kind


def chosen(words: str) -> list[str]:
    """Names of tables, from names and groups with commas. InputError where one is unknown."""
    names: list[str] = []
    for word in (w.strip() for w in words.split(",") if w.strip()):
        if word not in TABLES and word not in GROUPS:
            raise InputError(
                "--tables", f"unknown {word!r}", did_you_mean(word, [*GROUPS, *TABLES])
            )
        names += GROUPS.get(word, (word,))
    if not names:
        raise InputError("--tables", "none is named", did_you_mean("", GROUPS))
    return list(dict.fromkeys(names))


def require(data: Path | None, names: Sequence[str]) -> Path:
    """The folder, once every file is there: nothing is played before."""
    if data is None:
        raise InputError("--data", "no folder is named", "matscout brings no recorded experiments")
    if not data.is_dir():
        raise InputError("--data", f"there is no folder {str(data)!r}")
    for name in names:
        source = SOURCES[TABLES[name].source]
        if not (data / source.path).is_file():
            mend = f"put it there, or leave {name} out of --tables"
            raise InputError(str(data / source.path), "there is no such file", mend)
    return data


def case(name: str, data: Path) -> Case:
    """The table, read and with its protocol."""
    how = TABLES[name]
    source = SOURCES[how.source]
    experiments = read_experiments(
        data / source.path, [source.target], classes=how.kind == "rare", **source.read
    )
    experiments = _of_groups(_valued(experiments, source), source.groups)
    protocol = Protocol(
        Goal(how.kind, how.top, how.threshold),
        Target(source.target, source.direction),  # type: ignore[arg-type]
        init=how.init,
        batch=how.batch,
        workers=how.batch,
        budget=min(how.budget, int(np.isfinite(experiments.mean(source.target)).sum())),
        start=how.start,
    )
    return Case(experiments, protocol)


def _valued(experiments: Experiments, source: Source) -> Experiments:
    """With the values that the protocol speaks of."""
    values = experiments.values[source.target]
    if source.transform == "log10":
        values = tuple(tuple(_log10(y, source) for y in seen) for seen in values)
    if source.best_of:
        best = min if source.direction == "min" else max
        values = tuple((best(seen),) if seen else () for seen in values)
    return replace(experiments, values={source.target: values})


def _log10(value: float, source: Source) -> float:
    if value <= 0:
        raise InputError(source.path, f"{source.target!r} holds {value:g}, which has no logarithm")
    return math.log10(value)


def _of_groups(experiments: Experiments, count: int | None) -> Experiments:
    """So many groups, whole, and in the table's order."""
    names = sorted(set(experiments.groups))
    if count is None or count >= len(names):
        return experiments
    kept = set(np.random.default_rng(_SEED).permutation(names)[:count].tolist())
    rows = [row for row, group in enumerate(experiments.groups) if group in kept]
    pool = experiments.pool
    columns = {name: tuple(column[r] for r in rows) for name, column in pool.columns.items()}
    return replace(
        experiments,
        pool=Pool(tuple(pool.ids[r] for r in rows), columns, pool.features, pool.kinds),
        values={t: tuple(seen[r] for r in rows) for t, seen in experiments.values.items()},
        groups=tuple(experiments.groups[r] for r in rows),
    )
