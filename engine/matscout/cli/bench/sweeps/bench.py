"""`matscout bench sweeps`: searches of parameters on problems whose best value is known.

All arms of a problem have the same seeds: what trial number k says is the same for every arm, and
arms compare seed by seed. Peers play in processes of their own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matscout.cli.bench.peers import peer as peers
from matscout.cli.bench.store import Store
from matscout.cli.bench.sweeps import arms as arms_of
from matscout.cli.bench.sweeps.figures import AT, FLOOR, figures, means
from matscout.cli.bench.sweeps.play import Case, Swept, problem_of
from matscout.cli.bench.sweeps.problems.named import MAKES, chosen
from matscout.cli.bench.sweeps.problems.problem import SAMPLE, Problem
from matscout.cli.bench.told import progress, tell
from matscout.drive.backtest_play import cores, play_all
from matscout.drive.run import versions
from matscout.errors import InputError, RunFailed, did_you_mean

ARMS = ("random", "sobol", "tpe", "optuna_gp", "ax", "auto", "gp")
"""Where none are named."""

Result = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """The command line. problems, arms: with commas; no arms: all. peer_python: see
    peer.interpreters."""

    problems: str = "synthetic"
    seeds: int = 10
    arms: str = ""
    peer_python: str | None = None
    jobs: int | None = None

    def command(self, name: str) -> str:
        """What plays this one problem again."""
        words = [f"matscout bench sweeps --problems {name} --seeds {self.seeds}"]
        words += [f"--arms {self.arms}"] if self.arms else []
        named = ",".join(f"{name}=PYTHON" for name in peers.interpreters(self.peer_python))
        words += [f"--peer-python {named}"] if named else []
        return " ".join(words)


def sweeps(options: Options, store: Store | None = None) -> Result:
    """Play the problems. Of those that the store has, what would be played again as it was is kept;
    the store is given the result after each."""
    if options.seeds < 1:
        raise InputError("--seeds", f"must be at least 1, got {options.seeds}")
    store = Store() if store is None else store
    names, arms = chosen(options.problems), _arms(options.arms)
    interpreters = peers.interpreters(options.peer_python)
    found = {name: peers.hello(python, name) for name, python in interpreters.items()}
    kept = store.kept()
    result = assembled(kept)
    for name in names:
        played = _Played(problem_of(name, interpreters), arms, options, interpreters, found)
        if name in kept and played.is_like(kept[name]):
            tell(f"{name}: is there already, with the same arms and seeds")
            continue
        one = played.play()
        # Another command may have played others meanwhile.
        result = assembled({**store.kept(), **result["problems"], name: one})
        store.save(result)
        tell(f"{name}: played in {sum(one['seconds'].values()):.0f} s")
    return result


def assembled(problems: Result) -> Result:
    """The whole result, of problems that may have been played on different days."""
    problems = {name: problems[name] for name in MAKES if name in problems}
    return {
        "versions": versions(),
        "how": {
            "regret": "(true value of what would be taken - optimum) / unit; several objectives: "
            "1 - dominated volume / the largest",
            "unit": f"median of {SAMPLE} random points of a fixed seed - optimum",
            "floor": FLOOR,
            "per cent of the budget": list(AT),
            "ask_s": "processor seconds of a suggestion, telling included, one thread",
        },
        "problems": problems,
        "mean": means(problems),
    }


def _arms(words: str) -> list[str]:
    """`random` always plays."""
    named = [word.strip() for word in words.split(",")] if words else list(ARMS)
    for word in named:
        if word not in arms_of.STARTS:
            raise InputError("--arms", f"unknown {word!r}", did_you_mean(word, arms_of.STARTS))
    return list(dict.fromkeys([arms_of.RANDOM, *named]))


@dataclass(frozen=True)
class _Played:
    """One problem: every arm, every seed."""

    problem: Problem
    arms: Sequence[str]
    options: Options
    interpreters: dict[str, str]
    found: dict[str, dict[str, str]]

    def is_like(self, earlier: Result) -> bool:
        """Whether playing would give what is there. A peer that broke is to be asked again."""
        mine = self._head()
        names = set(self.arms) - set(mine["skipped"])
        same = all(earlier.get(key) == mine[key] for key in mine if key != "command")
        return same and set(earlier["arms"]) == names

    def play(self) -> Result:
        head, jobs = self._head(), self.options.jobs or cores()
        skipped, name = dict(head["skipped"]), self.problem.name
        swept: list[Swept] = []
        seconds: dict[str, float] = {}
        able = [arm for arm in self.arms if arm not in skipped]
        here = [arm for arm in able if arm != arms_of.AX]
        for what, arms in (("here", here), (arms_of.AX, [arm for arm in able if arm not in here])):
            began = time.monotonic()
            told = progress(name if what == "here" else f"{name}, {what}")
            try:
                swept += play_all(
                    Case(name), arms, head["seeds"], self.interpreters, jobs, told, always=()
                )
            except RunFailed as failure:
                if what == "here":
                    raise
                skipped[what] = str(failure)
            if arms:
                seconds[what] = round(time.monotonic() - began, 1)
        horizon_s = head.get("horizon_s")
        shown = figures(swept, self.problem.budget, horizon_s, self.problem.noisy)
        return {
            **head, "skipped": skipped, "seconds": seconds, "cores": os.cpu_count(), "arms": shown,
        }  # fmt: skip

    def _head(self) -> Result:
        """What the problem is and how it is played: known before."""
        p = self.problem
        why = {arm: arms_of.refusal(arm, p, self.interpreters) for arm in self.arms}
        engines = {arms_of.AX} & set(self.arms) | ({p.engine} if p.engine else set())
        timed = {} if p.horizon_s is None else {"horizon_s": p.horizon_s}
        return {
            "command": self.options.command(p.name),
            "kind": p.kind,
            "said": p.said,
            "parameters": len(p.space.parameters),
            "targets": [[t.name, t.direction] for t in p.targets],
            "limits": p.limits,
            "budget": p.budget,
            "workers": p.workers,
            "optimum": p.optimum,
            "unit": p.unit,
            **timed,
            "seeds": list(range(self.options.seeds)),
            "starts": {arm: arms_of.STARTS[arm] for arm in self.arms if not why[arm]},
            "peers": {name: said for name, said in self.found.items() if name in engines},
            "skipped": {arm: said for arm, said in why.items() if said},
        }
