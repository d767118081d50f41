"""`matscout bench imbalance`: which technique against rare classes helps, where, and which hurts?

Every technique around the same plain model, on the same grouped folds of four materials tables.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from matscout.cli.bench.campaigns.tables import require
from matscout.cli.bench.imbalance.arms import ARMS, Arm, arms_named, fold_scores
from matscout.cli.bench.imbalance.figures import figures
from matscout.cli.bench.imbalance.tables import SOURCES, Rows, folds, read, tables_named
from matscout.cli.bench.store import Store, loaded
from matscout.cli.bench.told import tell
from matscout.drive.run import versions

Result = dict[str, Any]
FOLDS = 5
SEEDS = 10


@dataclass(frozen=True)
class Options:
    """The command line: tables and arms with commas, empty: all of them; `seeds`: splits of each."""

    data: Path | None = None
    tables: str = ""
    arms: str = ""
    seeds: int = SEEDS

    def command(self, name: str) -> str:
        """What plays this one table again."""
        some = f" --arms {self.arms}" if self.arms else ""
        words = f"--tables {name} --seeds {self.seeds}{some}"
        return f"matscout bench imbalance --data DATA {words}"


def imbalance(options: Options, store: Store) -> Result:
    """Play the tables, and save the result after each; those that the store holds with the same seeds
    and arms are kept. InputError before anything is fitted.
    """
    names, arms = tables_named(options.tables), arms_named(options.arms)
    data = require(options.data, names)
    tables = store.kept()
    every = {name: read(name, data) for name in names}
    result = _assembled(tables)
    for name, rows in every.items():
        if tables.get(name, {}).get("command") == options.command(name):
            tell(f"{name}: is there already, with the same seeds and arms")
            continue
        tables[name] = _played(name, rows, arms, options)
        result = _assembled(tables)
        store.save(result)
    return result


def load(path: Path) -> Result:
    """What `bench imbalance` has written. InputError where it did not."""
    return loaded(path, "imbalance", ("versions", "tables"), "tables", SOURCES)


def _played(name: str, rows: Rows, arms: Sequence[Arm], options: Options) -> Result:
    splits = [fold for seed in range(options.seeds) for fold in folds(rows, FOLDS, seed)]
    scores: dict[str, list[dict[str, float]]] = {arm.name: [] for arm in arms}
    seconds = dict.fromkeys(scores, 0.0)
    start_s = time.process_time()
    for number, (train, judge) in enumerate(splits):
        seed = int(np.random.SeedSequence([number, 1]).generate_state(1)[0])
        for arm in arms:
            begun_s = time.process_time()
            scores[arm.name].append(fold_scores(arm, rows, train, judge, seed))
            seconds[arm.name] += time.process_time() - begun_s
        if (number + 1) % FOLDS == 0:
            spent_s = time.process_time() - start_s
            tell(f"{name}: {number + 1} of {len(splits)} folds in {spent_s:.0f} s")
    ratio = float(np.mean([len(judge) / len(train) for train, judge in splits]))
    return {
        "rows": len(rows.y),
        "positives": int(rows.y.sum()),
        "groups": len(set(rows.groups)),
        "inputs": int(rows.columns.x.shape[1]),
        "task": SOURCES[name].said,
        "command": options.command(name),
        "folds": len(splits),
        "arms": {
            arm.name: {
                **figures(scores[arm.name], scores.get(arm.plain), ratio),
                "plain": arm.plain,
                "seconds_per_fit": round(seconds[arm.name] / len(splits), 3),
            }
            for arm in arms
        },
    }


def _assembled(tables: Result) -> Result:
    ordered = {name: tables[name] for name in SOURCES if name in tables}
    return {"versions": versions(), "arms": {arm.name: arm.said for arm in ARMS}, "tables": ordered}
