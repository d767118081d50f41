"""What a large run costs: events, trials, oracles at once, candidates, and bytes that never go away.

Everything is the real thing (loop, policy, durable journal, commands) but the oracles, which are
simulated on a virtual clock. Each part has a process of its own, because one never forgets its peak.
Times are CPU seconds of the driver, so that a busy machine tells the same.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from matscout.clock import VirtualClock
from matscout.drive.policy import Policy
from matscout.drive.run import RunSpec, create, reopen, sit, versions
from matscout.errors import RunFailed
from matscout.evaluate.base import Context
from matscout.event import EventKind
from matscout.fleet.pinned import pinned, python_path
from matscout.fleet.simulated import SimulatedFleet
from matscout.history import History
from matscout.journal import Journal
from matscout.outcome import Assignment
from matscout.parameter import Float
from matscout.propose.sobol import SobolProposer
from matscout.runfolder import RunFolder
from matscout.space import Space
from matscout.trial import Measurement, Params, Report, Target

_SPACE = Space(tuple(Float(f"x{i}", 0.0, 1.0) for i in range(4)))
_REPORTS = 7
"""With asked, dispatched and measured that makes ten events a trial."""

_SAMPLES = 20

Part = Callable[["Options", Path], dict[str, Any]]


@dataclass(frozen=True)
class Options:
    """`trials` of ten events each; `oracles` at once, with `each` experiments; `candidates` in a pool;
    `noops` trials over which memory is watched."""

    trials: int = 10_000
    oracles: int = 64
    each: int = 50
    candidates: int = 1_000_000
    noops: int = 20_000


def load(options: Options) -> dict[str, Any]:
    """The figures of every part, each played in a process of its own."""
    found = {name: _in_child(name, options) for name in PARTS}
    return {
        **found,
        "command": "matscout bench load",
        "options": asdict(options),
        "cores": os.cpu_count(),
        "versions": versions(),
    }


def table(result: dict[str, Any]) -> str:
    """The result for a person."""
    long, at_once, pool, flat = (result[name] for name in PARTS)
    return "\n".join(
        (
            f"{long['trials']} trials, {long['events']} events in one run: {long['cpu_s']} s of CPU, "
            f"{long['first_tenth_ms']} ms a trial in the first tenth, {long['last_tenth_ms']} ms in "
            f"the last; opened again in {long['open_cpu_s']} s",
            f"{at_once['oracles']} simulated oracles at once: {at_once['measured']} experiments, "
            f"{at_once['doubled']} doubled, {at_once['lost']} lost, at most {at_once['most_at_once']} "
            f"at a time, {at_once['driver_ms']} ms of the driver for each",
            f"a pool of {pool['candidates']}: made in {pool['new_s']} s, first recommendation after "
            f"{pool['recommend_s']} s, results taken in after {pool['add_s']} s, the model's first "
            f"after {pool['model_s']} s; at most {pool['peak_mb']} MB",
            f"{flat['trials']} no-op trials: {flat['bytes_per_trial']} bytes a trial stay, of which "
            f"{flat['history_bytes_per_trial']} are the history's",
        )
    )


def _in_child(name: str, options: Options) -> dict[str, Any]:
    code = "import sys; from matscout.cli.bench import load; load.play(*sys.argv[1:])"
    words = [sys.executable, "-c", code, name, json.dumps(asdict(options))]
    environment = {**os.environ, **pinned(1), "PYTHONPATH": python_path()}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RunFailed(f"load: {name}: {done.stderr.strip()[-300:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def play(name: str, options: str) -> None:
    """One part, in a folder that is removed; prints its figures as JSON."""
    with tempfile.TemporaryDirectory(prefix="matscout-bench-") as scratch:
        print(json.dumps(PARTS[name](Options(**json.loads(options)), Path(scratch))))


@dataclass
class _Watched:
    """An oracle that reports `reports` times and tells the sum of its parameters; on the way it notes
    how far the run is. `sample` is called after each of `_SAMPLES` parts of all trials."""

    trials: int
    reports: int
    sample: Callable[[int], None]
    begun: int = 0
    costly: bool = False

    def evaluate(self, params: Params, context: Context) -> Iterator[Report | Measurement]:
        self.begun += 1
        if self.begun % max(self.trials // _SAMPLES, 1) == 0:
            self.sample(self.begun)
        total = float(sum(v for v in params.values() if isinstance(v, float)))
        for step in range(1, self.reports + 1):
            yield Report(step, {"y": total / step})
        yield Measurement({"y": total})


def _driven(runs: Path, evaluator: _Watched, workers: int) -> tuple[RunFolder, int]:
    """Drive a run of all its trials; its folder, and how many events it has."""
    folder, clock = RunFolder.of("bench", runs), VirtualClock()
    policy = Policy(trials=evaluator.trials, slots=workers)
    spec = RunSpec("bench", "sweep", _SPACE, (Target("y"),), policy)
    create(folder, spec, clock)
    journal, history, spec = reopen(folder, clock)
    with journal:
        sit(
            folder, journal, history, spec, proposer=SobolProposer(), clock=clock,
            start_fleet=lambda: SimulatedFleet(
                lambda: evaluator, spec.targets, None, workers, clock, duration=_minutes
            ),
        )  # fmt: skip
        return folder, journal.last_seq


def _minutes(assignment: Assignment, rng: np.random.Generator) -> float:
    """Seconds an experiment takes: from half a minute to one and a half, so that all come apart."""
    return float(rng.uniform(30.0, 90.0))


def _long(options: Options, scratch: Path) -> dict[str, Any]:
    """One run of many trials, driven from the first to the last, and opened again."""
    at: list[tuple[int, float]] = [(0, time.process_time())]
    watched = _Watched(options.trials, _REPORTS, lambda n: at.append((n, time.process_time())))
    folder, events = _driven(scratch, watched, workers=8)
    ended = time.process_time()
    journal, history, _ = reopen(folder)
    opened = time.process_time() - ended
    journal.close()
    ms = [1e3 * (b - a) / (m - n) for (n, a), (m, b) in pairwise(at)]
    return {
        "trials": len(history.completed),
        "events": events,
        "cpu_s": round(ended - at[0][1], 2),
        "events_per_cpu_s": round(events / (ended - at[0][1])),
        "first_tenth_ms": round(float(np.mean(ms[:2])), 2),
        "last_tenth_ms": round(float(np.mean(ms[-2:])), 2),
        "open_cpu_s": round(opened, 2),
        "ms_per_trial": [round(v, 2) for v in ms],
    }


def _oracles(options: Options, scratch: Path) -> dict[str, Any]:
    """Many at once: each experiment dispatched once and measured once."""
    start_s = time.process_time()
    trials = options.oracles * options.each
    folder, _ = _driven(scratch, _Watched(trials, 0, lambda _: None), workers=options.oracles)
    used_s = time.process_time() - start_s
    dispatched: Counter[int | None] = Counter()
    measured: Counter[int | None] = Counter()
    running = most = 0
    with Journal.read_only(folder) as journal:
        for event in journal.read():
            if event.kind is EventKind.DISPATCHED:
                dispatched[event.trial] += 1
                running += 1
                most = max(most, running)
            elif event.kind is EventKind.MEASURED:
                measured[event.trial] += 1
                running -= 1
    return {
        "oracles": options.oracles,
        "measured": len(measured),
        "doubled": _again(dispatched) + _again(measured),
        "lost": trials - len(measured),
        "most_at_once": most,
        "driver_ms": round(1e3 * used_s / trials, 2),
    }


def _again(counts: Counter[int | None]) -> int:
    """How many of them came after the first of their trial."""
    return counts.total() - len(counts)


def _pool(options: Options, scratch: Path) -> dict[str, Any]:
    """A campaign over a large pool, by the commands that a person types."""
    random = np.random.default_rng(0)
    table = np.round(random.random((options.candidates, 3)), 6)
    with open(scratch / "pool.csv", "w") as file:
        file.write("id,a,b,c\n")
        file.writelines(f"c{i},{a},{b},{c}\n" for i, (a, b, c) in enumerate(table.tolist()))
    (scratch / "pool.toml").write_text(
        'kind = "campaign"\nname = "large"\n[space]\npool = { file = "pool.csv" }\n'
        '[[targets]]\nname = "y"\ndirection = "max"\n[goal]\nkind = "best"\n'
    )
    first, took = scratch / "first.csv", {}
    took["new_s"] = _command("campaign", "new", str(scratch / "pool.toml"), runs=scratch)
    took["recommend_s"] = _command(
        "campaign", "recommend", "large", "-n", "20", "-o", str(first), runs=scratch
    )
    header, *rows = first.read_text().splitlines()
    place = header.split(",").index("y")
    filled = [[*row.split(",")[:place], str(k % 7 + 0.1), *row.split(",")[place + 1 :]]
              for k, row in enumerate(rows)]  # fmt: skip
    first.write_text("\n".join([header, *(",".join(cells) for cells in filled)]) + "\n")
    took["add_s"] = _command("campaign", "add", "large", str(first), runs=scratch)
    took["model_s"] = _command(
        "campaign", "recommend", "large", "-n", "8", "-o", str(scratch / "next.csv"), runs=scratch
    )
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return {"candidates": options.candidates, **took, "peak_mb": round(peak_mb)}


def _command(*words: str, runs: Path) -> float:
    """CPU seconds of a command; RunFailed with its last line where it ends badly."""
    from matscout.cli.app import main

    start_s, said = time.process_time(), StringIO()
    with redirect_stdout(StringIO()), redirect_stderr(said):
        try:
            main([*words, "--runs", str(runs)])
        except SystemExit as end:
            if end.code:
                raise RunFailed(said.getvalue().strip()[-300:]) from None
    return round(time.process_time() - start_s, 2)


def _flat(options: Options, scratch: Path) -> dict[str, Any]:
    """Python's own account of what stays, over the second half of many trials that do nothing; and
    what the history of as many trials takes when it is read anew from the journal."""
    at: list[tuple[int, int]] = []

    def sample(trials: int) -> None:
        gc.collect()
        at.append((trials, tracemalloc.get_traced_memory()[0]))

    tracemalloc.start()
    folder, _ = _driven(scratch, _Watched(options.noops, 0, sample), workers=8)
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    history = History()
    with Journal.read_only(folder) as journal:
        for event in journal.read():
            history.apply(event)
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    late = [(n, size) for n, size in at if 2 * n >= options.noops]
    trials, sizes = np.array(late, dtype=float).T
    slope = float(np.polyfit(trials, sizes, 1)[0])
    return {
        "trials": len(history.trials),
        "bytes_per_trial": round(slope),
        "history_bytes_per_trial": round(kept / max(len(history.trials), 1)),
        "traced_mb": [round(size / 1e6, 2) for _, size in at],
    }


PARTS: dict[str, Part] = {"journal": _long, "oracles": _oracles, "pool": _pool, "memory": _flat}
