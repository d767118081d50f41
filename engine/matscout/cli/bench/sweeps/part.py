"""One problem of `bench sweeps`, played by some arms beside those that have played it before."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matscout.cli.bench.sweeps import arms as arms_of
from matscout.cli.bench.sweeps.figures import each_arm, paired
from matscout.cli.bench.sweeps.play import Case, Swept
from matscout.cli.bench.sweeps.problems.problem import Problem
from matscout.cli.bench.told import progress
from matscout.drive.backtest_play import cores, play_all
from matscout.errors import RunFailed

Result = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """`found`: what each peer said of itself, by its name in `interpreters`."""

    problem: Problem
    seeds: int
    interpreters: dict[str, str]
    found: dict[str, dict[str, str]]

    def same(self, earlier: Result | None) -> Result | None:
        """What was played earlier, if it was this problem with these seeds."""
        mine, engine = self._head(), self.problem.engine
        if earlier is None or any(earlier.get(key) != said for key, said in mine.items()):
            return None
        if engine and earlier["peers"].get(engine) != self.found.get(engine):
            return None
        return earlier

    def missing(
        self, arms: Sequence[str], again: Collection[str], earlier: Result | None
    ) -> list[str]:
        """Of `arms`, those to play. A peer that broke is asked again."""
        return [arm for arm in dict.fromkeys(arms) if arm in again or not self._has(arm, earlier)]

    def play(self, arms: Sequence[str], earlier: Result | None, jobs: int | None) -> Result:
        """The whole part: what `arms` make of it now, beside what others made of it earlier."""
        before = earlier or {"arms": {}, "starts": {}, "skipped": {}, "peers": {}, "seconds": {}}
        why = {arm: arms_of.refusal(arm, self.problem, self.interpreters) for arm in arms}
        skipped = {arm: said for arm, said in before["skipped"].items() if arm not in arms}
        skipped |= {arm: said for arm, said in why.items() if said}
        swept: list[Swept] = []
        seconds = dict(before["seconds"])
        able = [arm for arm in arms if not why[arm]]
        here = [arm for arm in able if arm != arms_of.AX]
        for what, group in (("here", here), (arms_of.AX, [arm for arm in able if arm not in here])):
            began = time.monotonic()
            try:
                swept += self._play(what, group, jobs or cores())
            except RunFailed as failure:
                if what == "here":
                    raise
                skipped[what] = str(failure)
            if group:
                seconds[what] = round(time.monotonic() - began, 1)
        budget, horizon_s = self.problem.budget, self.problem.horizon_s
        shown = {
            **{arm: one for arm, one in before["arms"].items() if arm not in skipped},
            **each_arm(swept, budget, horizon_s, self.problem.noisy),
        }
        played = {**dict.fromkeys(before["arms"]), **dict.fromkeys(arms)}
        return {
            "command": self._command(list(played)),
            **self._head(),
            "starts": {arm: arms_of.STARTS[arm] for arm in played if not why.get(arm)},
            "peers": {**before["peers"], **self._peers(arms)},
            "skipped": skipped,
            "seconds": seconds,
            "cores": os.cpu_count(),
            "arms": paired(shown),
        }

    def _play(self, what: str, arms: Sequence[str], jobs: int) -> list[Swept]:
        name, seeds = self.problem.name, list(range(self.seeds))
        told = progress(name if what == "here" else f"{name}, {what}")
        return play_all(Case(name), arms, seeds, self.interpreters, jobs, told, always=())

    def _has(self, arm: str, earlier: Result | None) -> bool:
        why = arms_of.refusal(arm, self.problem, self.interpreters)
        if earlier is None:
            return False
        if why:
            return bool(earlier["skipped"].get(arm) == why)
        same_peer = arm != arms_of.AX or earlier["peers"].get(arm) == self.found.get(arm)
        start = earlier["starts"].get(arm)
        return arm in earlier["arms"] and start == arms_of.STARTS[arm] and same_peer

    def _peers(self, arms: Sequence[str]) -> Mapping[str, dict[str, str]]:
        engines = {arms_of.AX} & set(arms) | ({self.problem.engine} - {""})
        return {name: said for name, said in self.found.items() if name in engines}

    def _command(self, arms: Sequence[str]) -> str:
        """What plays it again."""
        words = [f"matscout bench sweeps --problems {self.problem.name} --seeds {self.seeds}"]
        words += [f"--arms {','.join(arms)}"]
        engines = [self.problem.engine] if self.problem.engine else []
        engines += [arms_of.AX] if arms_of.AX in arms and arms_of.AX in self.interpreters else []
        named = ",".join(f"{name}=PYTHON" for name in engines)
        words += [f"--peer-python {named}"] if named else []
        return " ".join(words)

    def _head(self) -> Result:
        """What the problem is and how it is played, whoever plays."""
        p = self.problem
        timed = {} if p.horizon_s is None else {"horizon_s": p.horizon_s}
        return {
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
            "seeds": list(range(self.seeds)),
        }
