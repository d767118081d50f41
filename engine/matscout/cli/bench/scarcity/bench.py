"""`matscout bench scarcity`: with few rows of a target, is what was learned from other targets worth
anything? A mixture of experts, transfer from the best one, two stages, and training from scratch, on
the same draws of rows.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matscout.cli.bench.scarcity.arms import ARMS, Effort, Experts, arms_of, task_of
from matscout.cli.bench.scarcity.figures import duels
from matscout.cli.bench.scarcity.targets import (
    TARGETS,
    Rows,
    read,
    require,
    targets_named,
)
from matscout.cli.bench.sizes import sizes_named
from matscout.cli.bench.store import Store, loaded
from matscout.cli.bench.told import tell
from matscout.drive.run import versions
from matscout.errors import InputError
from matscout.evaluate.scarcity import compare

Result = dict[str, Any]
SIZES, DRAWS = (50, 100, 200), 10
LEAST, JUDGED = 20, 250
MADE = Path("results/runs/.scarcity/chgnet.jsonl")
"""Where CHGNet's answers are kept, so that a stopped run goes on."""


@dataclass(frozen=True)
class Options:
    """The command line: targets and sizes with commas; empty: all of them."""

    data: Path | None = None
    targets: str = ""
    sizes: str = ""
    draws: int = DRAWS
    effort: Effort = field(default_factory=Effort)
    made: Path = MADE

    @property
    def rows(self) -> tuple[int, ...]:
        return sizes_named(self.sizes, LEAST, SIZES)

    def command(self, name: str) -> str:
        """What plays this one target again."""
        sizes = ",".join(str(size) for size in self.rows)
        data = "--data DATA " if self.data is not None else ""
        words = f"--targets {name} --sizes {sizes} --draws {self.draws}"
        return f"matscout bench scarcity {data}{words}"


def scarcity(options: Options, store: Store) -> Result:
    """Play the targets, and save the result after each; those that the store holds with the same sizes
    and draws are kept. InputError before anything is fitted.
    """
    names, sizes = targets_named(options.targets), options.rows
    if options.draws < 2:
        raise InputError("--draws", f"must be at least 2, got {options.draws}", "10 is usual")
    require(options.data, names)
    targets = store.kept()
    todo = []
    for name in names:
        if targets.get(name, {}).get("command") == options.command(name):
            tell(f"{name}: is there already, with the same sizes and draws")
        else:
            todo.append(name)
    if todo:
        every = {name: read(name, options.data, options.made) for name in todo}
        for name, rows in every.items():
            _fits(name, rows, sizes)
        experts = Experts(options.made, options.effort)
        for name, rows in every.items():
            targets[name] = _played(name, rows, experts, options)
            store.save(_assembled(targets))
    result = _assembled(targets)
    store.save(result)
    return result


def load(path: Path) -> Result:
    """What `bench scarcity` has written. InputError where it did not."""
    return loaded(path, "scarcity", ("versions", "targets", "arms"), "targets", TARGETS)


def _fits(name: str, rows: Rows, sizes: Sequence[int]) -> None:
    if len(rows.y) < max(sizes) + LEAST:
        what = f"{name} has {len(rows.y)} rows: {max(sizes)} leave fewer than {LEAST} to judge by"
        raise InputError("--sizes", what, "ask for fewer rows")


def _played(name: str, rows: Rows, experts: Experts, options: Options) -> Result:
    start_s = time.process_time()
    known = experts.of(name, rows.formulas)
    bodies = [expert.body for expert in known]
    task, frozen = task_of(name, rows, bodies, options.made.parent)
    tell(f"{name}: {len(frozen)} experts in {time.process_time() - start_s:.0f} s")
    found: Result = {}
    for size in options.rows:
        start_s = time.process_time()
        mae: dict[str, list[float]] = {}
        arms = arms_of(name, bodies, frozen, options.effort, size)
        for one in compare([task], arms, [size], seeds=range(options.draws), judged=JUDGED):
            mae.setdefault(one.arm, []).append(float(f"{one.mae:.6g}"))
        seconds = time.process_time() - start_s
        judged = min(JUDGED, len(rows.y) - size)
        found[str(size)] = {"judged": judged, "mae": mae, "seconds": round(seconds, 1)}
        tell(f"{name}, {size} rows: {options.draws} draws in {seconds:.0f} s")
    return {
        "said": TARGETS[name].said,
        "unit": TARGETS[name].unit,
        "rows": len(rows.y),
        "experts": [expert.name for expert in frozen],
        "learned_from": {expert.body.name: expert.rows for expert in known},
        "command": options.command(name),
        "sizes": found,
    }


def _assembled(targets: Result) -> Result:
    ordered = {name: targets[name] for name in TARGETS if name in targets}
    return {"versions": versions(), "arms": ARMS, "targets": ordered, "duels": duels(ordered)}
