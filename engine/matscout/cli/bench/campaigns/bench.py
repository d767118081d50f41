"""`matscout bench campaigns`: every strategy on recorded experiments, paired over seeds.

All arms of a table have the same candidates, the same random start and the same seeds; peers play in
processes of their own. What is said is said with its interval.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from matscout.cli.bench.campaigns.figures import figures, means
from matscout.cli.bench.campaigns.tables import (
    SOURCES,
    TABLES,
    Table,
    case,
    chosen,
    kind_of,
    require,
)
from matscout.cli.bench.peers import peer as peers
from matscout.cli.bench.store import Store
from matscout.cli.bench.told import progress, tell
from matscout.drive.backtest import RANDOM, Case, Played
from matscout.drive.backtest_play import cores, play_all
from matscout.drive.backtest_said import mean_coverage
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

Result = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """The command line. arms: with commas; empty: those that suit each goal, and the peers.
    peer_python: see peer.interpreters."""

    data: Path | None = None
    tables: str = "top"
    seeds: int = 10
    arms: str = ""
    peer_python: str | None = None
    jobs: int | None = None

    def command(self, table: str) -> str:
        """What plays this one table again."""
        words = ["matscout bench campaigns --data DATA", f"--tables {table}"]
        words.append(f"--seeds {self.seeds}")
        words += [f"--arms {self.arms}"] if self.arms else []
        named = ",".join(f"{name}=PYTHON" for name in self.interpreters)
        words += [f"--peer-python {named}"] if named else []
        return " ".join(words)

    @property
    def interpreters(self) -> dict[str, str]:
        return peers.interpreters(self.peer_python)


@dataclass(frozen=True)
class Arms:
    """An arm's name as a proposer; travels to worker processes as it is."""

    interpreters: dict[str, str] = field(default_factory=dict)

    def __call__(self, arm: str, goal: Goal) -> Proposer:
        if arm in peers.ARMS:
            return peers.PeerProposer(self.interpreters[peers.ARMS[arm]], arm, goal)
        return PoolProposer(goal, arm, startup=1)


def campaigns(options: Options, store: Store | None = None) -> Result:
    """Play the tables. Of those that the store has, what would be played again as it was is kept;
    the store is given the result after each table."""
    if options.seeds < 1:
        raise InputError("--seeds", f"must be at least 1, got {options.seeds}")
    store = Store() if store is None else store
    names = chosen(options.tables)
    data = require(options.data, names)
    arms = {name: _arms(options.arms, name) for name in names}
    found = {name: peers.hello(python, name) for name, python in options.interpreters.items()}
    kept = store.kept()
    result, mine = assembled(kept), Result()
    for name in names:
        played = _Table(name, case(name, data), arms[name], options, found)
        if name in kept and played.is_like(kept[name]):
            tell(f"{name}: is there already, with the same arms and seeds")
            continue
        mine[name] = played.play()
        # Another command may have played others meanwhile.
        result = assembled({**store.kept(), **mine})
        store.save(result)
        tell(f"{name}: played in {sum(mine[name]['seconds'].values()):.0f} s")
    return result


def assembled(tables: Result) -> Result:
    """The whole result, of tables that may have been played on different days."""
    tables = {name: tables[name] for name in TABLES if name in tables}
    said = {name: t["arms"][AUTO]["coverage"] for name, t in tables.items()}
    said = {name: one for name, one in said.items() if one is not None}
    few = ("picks", "n", "pool", "n_pool")
    return {
        "versions": versions(),
        "tables": tables,
        "mean": means({name: (kind_of(name), table) for name, table in tables.items()}),
        "coverage": {
            "arm": AUTO,
            **mean_coverage(list(said.values())),
            "tables": {name: {key: one[key] for key in few} for name, one in said.items()},
        },
    }


def _goal(table: Table) -> Goal:
    return Goal(table.kind, table.top, table.threshold)


def _arms(words: str, table: str) -> tuple[str, ...]:
    """`auto` first, because all others are compared with it."""
    named = tuple(word.strip() for word in words.split(",") if word.strip())
    goal = _goal(TABLES[table])
    for arm in named:
        if arm != RANDOM and arm not in peers.ARMS:
            # A goal without a limit has nothing to say to those that need one: they are skipped.
            limit = goal.threshold if goal.threshold is not None else 0.0
            strategy(arm, replace(goal, threshold=limit))
    every = (AUTO, *(named or (*ARMS[goal.kind], *peers.arms_for(goal))))
    return tuple(dict.fromkeys(arm for arm in every if arm != RANDOM))


@dataclass(frozen=True)
class _Table:
    """One table: every arm, every seed."""

    name: str
    case: Case
    arms: Sequence[str]
    options: Options
    peers: dict[str, dict[str, str]]

    def is_like(self, earlier: Result) -> bool:
        """Whether playing would give what is there. A peer that broke is to be asked again."""
        mine = self._head()
        names = {RANDOM, *self.arms} - set(mine["skipped"])
        same = all(earlier.get(key) == mine[key] for key in mine if key != "command")
        return same and set(earlier["arms"]) == names

    def play(self) -> Result:
        head, jobs = self._head(), self.options.jobs or cores()
        skipped, seeds = dict(head["skipped"]), head["seeds"]
        able = [arm for arm in self.arms if arm not in skipped]
        ours = [arm for arm in able if arm not in peers.ARMS]
        asked = replace(self.case, asked_all=frozenset({AUTO}))
        played: list[Played] = []
        seconds = {}
        for what, arms in [("ours", ours), *((arm, [arm]) for arm in able if arm in peers.ARMS)]:
            started, always = time.monotonic(), [RANDOM] if what == "ours" else []
            told = progress(self.name if what == "ours" else f"{self.name}, {what}")
            try:
                player = Arms(self.options.interpreters)
                played += play_all(asked, arms, seeds, player, jobs, told, always=always)
            except RunFailed as failure:
                if what == "ours":
                    raise
                skipped[what] = str(failure)
            seconds[what] = round(time.monotonic() - started, 1)
        spread = float(np.std(self.case.values[self.case.rows]))
        shown = figures(self.case.protocol, played, TABLES[self.name].at, spread)
        return {**head, "skipped": skipped, "seconds": seconds, "cores": os.cpu_count(), **shown}

    def _head(self) -> Result:
        """What the table is and how it is played: known before."""
        skipped = {arm: self._refusal(arm) for arm in self.arms}
        protocol, source = self.case.protocol, SOURCES[TABLES[self.name].source]
        engines = {peers.ARMS[arm] for arm in self.arms if arm in peers.ARMS}
        return {
            "command": self.options.command(self.name),
            "n": len(self.case.rows),
            "wanted": int(self.case.wanted.sum()),
            "seeds": list(range(self.options.seeds)),
            "protocol": {
                "path": source.path,
                "target": source.target,
                "direction": source.direction,
                "goal": protocol.goal.to_dict(),
                "init": protocol.init,
                "start": protocol.start,
                "batch": protocol.batch,
                "budget": protocol.budget,
                "said": source.said,
            },
            AUTO: default(protocol.goal),
            "peers": {name: said for name, said in self.peers.items() if name in engines},
            "skipped": {arm: why for arm, why in skipped.items() if why},
        }

    def _refusal(self, arm: str) -> str:
        """Why this arm does not play here; empty: it does."""
        goal = self.case.protocol.goal
        if arm in peers.ARMS:
            kinds = set(self.case.experiments.pool.kinds.values())
            return peers.refusal(arm, goal, kinds, self.peers)
        if arm == default(goal):
            return f"the same as {AUTO}"
        return "it needs a limit" if arm in NEED_LIMIT and goal.threshold is None else ""
