"""`matscout bench campaigns`: every strategy on recorded experiments, paired over seeds.

All arms of a table have the same candidates, the same random start and the same seeds; the peer,
where there is one, plays in a process of its own. What is said is said with its interval.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from matscout.cli import peer as peers
from matscout.cli.bench_tables import SOURCES, TABLES, case, chosen, require
from matscout.drive.backtest import RANDOM, Case, Played
from matscout.drive.backtest_paired import Metric, compare, metrics, values
from matscout.drive.backtest_play import cores, play_all
from matscout.drive.run import versions
from matscout.errors import InputError, RunFailed
from matscout.goal import Goal
from matscout.propose.base import Proposer
from matscout.propose.pool import PoolProposer
from matscout.propose.strategies.named import AUTO, NEED_LIMIT, default, strategy

ARMS = {
    "top": (AUTO, "lcb", "lcb2", "log_ei", "forest_ucb"),
    "rare": (AUTO, "find", "balance", "learn", "sd", "lcb2", "log_ei", "forest_ucb"),
    "model": (AUTO, "lcmd", "core_set", "top_sd"),
}
"""By the goal's kind, where no arms are named. `random` always plays."""

Save = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Options:
    """The command line. arms: with commas; empty: those that suit each goal, and the peer."""

    data: Path | None = None
    tables: str = "top"
    seeds: int = 10
    arms: str = ""
    peer_python: str | None = None
    jobs: int | None = None

    @property
    def command(self) -> str:
        words = ["matscout bench campaigns --data DATA", f"--tables {self.tables}"]
        words.append(f"--seeds {self.seeds}")
        words += [f"--arms {self.arms}"] if self.arms else []
        words += ["--peer-python PYTHON"] if self.peer_python else []
        return " ".join(words)


@dataclass(frozen=True)
class Arms:
    """An arm's name as a proposer; travels to worker processes as it is."""

    peer_python: str | None = None

    def __call__(self, arm: str, goal: Goal) -> Proposer:
        if arm == peers.BAYBE:
            assert self.peer_python is not None
            return peers.PeerProposer(self.peer_python)
        return PoolProposer(goal, arm, startup=1)


def campaigns(options: Options, save: Save = lambda result: None) -> dict[str, Any]:
    """Play the tables; `save` is given the result after each of them."""
    if options.seeds < 1:
        raise InputError("--seeds", f"must be at least 1, got {options.seeds}")
    names = chosen(options.tables)
    data = require(options.data, names)
    arms = {name: _arms(options.arms, name) for name in names}
    python = options.peer_python
    result: dict[str, Any] = {
        "command": options.command,
        "seeds": list(range(options.seeds)),
        "cores": os.cpu_count(),
        "versions": versions(),
        "peer": None if python is None else peers.hello(python),
        "tables": {},
        "mean": {},
    }
    for name in names:
        result["tables"][name] = _table(name, case(name, data), arms[name], options)
        result["mean"] = _means(result["tables"])
        save(result)
    return result


def _arms(words: str, table: str) -> tuple[str, ...]:
    """`auto` first, because all others are compared with it."""
    kind = TABLES[table].kind
    named = tuple(word.strip() for word in words.split(",") if word.strip())
    goal = Goal(kind, threshold=TABLES[table].threshold)
    for arm in named:
        if arm not in (RANDOM, peers.BAYBE):
            # A goal without a limit has nothing to say to those that need one: they are skipped.
            limit = goal.threshold if goal.threshold is not None else 0.0
            strategy(arm, replace(goal, threshold=limit))
    every = (AUTO, *(named or (*ARMS[kind], peers.BAYBE)))
    return tuple(dict.fromkeys(arm for arm in every if arm != RANDOM))


def _skipped(arm: str, case: Case, options: Options) -> str:
    """Why this arm does not play here; empty: it does."""
    goal = case.protocol.goal
    if arm == default(goal):
        return f"the same as {AUTO}"
    if arm in NEED_LIMIT and goal.threshold is None:
        return "it needs a limit"
    if arm != peers.BAYBE:
        return ""
    if options.peer_python is None:
        return "no --peer-python"
    foreign = set(case.experiments.pool.kinds.values()) - set(peers.SPEAKS)
    if foreign:
        return f"it has no parameter for a {' or a '.join(sorted(foreign))}"
    return "it has no such goal" if goal.kind == "model" else ""


def _table(name: str, case: Case, arms: Sequence[str], options: Options) -> dict[str, Any]:
    """One table: every arm, every seed."""
    skipped = {arm: _skipped(arm, case, options) for arm in arms}
    skipped = {arm: why for arm, why in skipped.items() if why}
    ours = [arm for arm in arms if arm not in skipped and arm != peers.BAYBE]
    seeds = range(options.seeds)
    jobs = cores() if options.jobs is None else options.jobs
    started = time.monotonic()
    played = play_all(case, ours, seeds, Arms(), jobs, _progress(name))
    seconds = {"ours": round(time.monotonic() - started, 1)}
    if peers.BAYBE in arms and peers.BAYBE not in skipped:
        started = time.monotonic()
        try:
            played += _peer(case, seeds, options.peer_python, _progress(f"{name}, {peers.BAYBE}"))
        except RunFailed as failure:
            skipped[peers.BAYBE] = str(failure)
        seconds[peers.BAYBE] = round(time.monotonic() - started, 1)
    source = SOURCES[TABLES[name].source]
    return {
        "n": len(case.rows),
        "wanted": int(case.wanted.sum()),
        "protocol": {
            "path": source.path,
            "target": source.target,
            "direction": source.direction,
            "goal": case.protocol.goal.to_dict(),
            "init": case.protocol.init,
            "start": case.protocol.start,
            "batch": case.protocol.batch,
            "budget": case.protocol.budget,
            "said": source.said,
        },
        "seconds": seconds,
        AUTO: default(case.protocol.goal),
        "skipped": skipped,
        "arms": _figures(case, played, TABLES[name].at),
    }


def _peer(
    case: Case, seeds: Sequence[int], python: str | None, tell: Callable[[int, int], None]
) -> list[Played]:
    """One campaign after another: the peer's process keeps one at a time."""
    played = []
    for seed in seeds:
        played.append(case.play(peers.BAYBE, seed, Arms(python)))
        tell(len(played), len(seeds))
    return played


def _figures(case: Case, played: Sequence[Played], at: Sequence[int]) -> dict[str, Any]:
    runs: dict[str, list[Played]] = {}
    for one in sorted(played, key=lambda one: one.seed):
        runs.setdefault(one.arm, []).append(one)
    length = case.protocol.budget
    if case.protocol.models_matter:
        length = min(len(one.found) for one in played)
    # Random goes on to the end of the table; curves and areas end with the budget for everyone.
    fair = {arm: [replace(r, found=r.found[:length]) for r in them] for arm, them in runs.items()}
    out: dict[str, Any] = {
        arm: {
            "found": _rounded(np.mean([run.found[:length] for run in them], axis=0)),
            "labels": list(them[0].labels),
            "quality": _rounded(np.nanmean([run.quality for run in them], axis=0))
            if them[0].labels
            else [],
            "metrics": {},
        }
        for arm, them in runs.items()
    }
    for metric in metrics(case.protocol, at):
        whole = runs if metric.capped else fair
        each = {arm: values(metric, them) for arm, them in whole.items()}
        for arm, ours in each.items():
            out[arm]["metrics"][metric.name] = _figure(metric, arm, ours, each, length)
    return out


def _figure(
    metric: Metric, arm: str, ours: Any, each: dict[str, Any], budget: int
) -> dict[str, Any]:
    """One metric of one arm, and how it compares."""
    out: dict[str, Any] = {
        "said": metric.said,
        "less_is_better": metric.less,
        "median": _plain(float(np.median(ours))),
        "mean": _plain(float(np.mean(ours))),
        "per_seed": [_plain(v) for v in ours],
    }
    for other in (RANDOM, AUTO):
        if arm == other or other not in each:
            continue
        found = compare(metric, ours, each[other], budget)
        out[f"vs_{other}"] = {
            "as": "ratio" if metric.ratio else "difference",
            "value": _plain(found.value),
            "ci95": [_plain(v) for v in found.ci95],
            "verdict": found.verdict,
        }
    return out


def _means(tables: dict[str, Any]) -> dict[str, Any]:
    """Over all tables of one kind: the mean of each metric, and of its comparison with random."""
    out: dict[str, Any] = {}
    for kind in ("rare", "cold", "model"):
        those = [t for name, t in tables.items() if _kind(name) == kind]
        if len(those) < 2:
            continue
        shared = set.intersection(*(set(t["arms"]) for t in those))
        out[kind] = {
            arm: _mean_of([t["arms"][arm]["metrics"] for t in those])
            for arm in those[0]["arms"]
            if arm in shared
        }
    return out


def _kind(name: str) -> str:
    return "cold" if TABLES[name].start == "without" else TABLES[name].kind


def _mean_of(tables: Sequence[dict[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for metric in tables[0]:
        means = [t[metric]["mean"] for t in tables]
        against = [t[metric].get(f"vs_{RANDOM}", {}).get("value") for t in tables]
        out[metric] = {
            "mean": _plain(_mean(means)),
            f"vs_{RANDOM}": None if None in against else _plain(_mean(against)),
        }
    return out


def _mean(numbers: Sequence[float | None]) -> float:
    return float(np.mean([math.nan if v is None else v for v in numbers]))


def _progress(what: str) -> Callable[[int, int], None]:
    def tell(done: int, total: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if done == total else ""
            print(f"\r{what}: {done}/{total} played", end=end, file=sys.stderr, flush=True)

    return tell


def _rounded(numbers: Any) -> list[float | None]:
    return [_plain(v, 4) for v in np.atleast_1d(numbers)]


def _plain(value: float, digits: int = 6) -> float | None:
    return round(float(value), digits) if math.isfinite(value) else None
