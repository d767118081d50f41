"""R13: a run of 10,000 trials (100,000 events) opens in 2 s, and has a suggestion within 10 s."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from matscout.cli.bench.history import written
from matscout.cli.promises.promise import Figure, Promise, Setting
from matscout.cli.promises.tally import Tally
from matscout.drive.run import reopen
from matscout.fleet.pinned import pinned, python_path
from matscout.history import History
from matscout.space import Space

_OPEN_S, _SUGGEST_S = 2.0, 10.0
_TRIALS = 1000
"""A round is so many trials: ten of them are the promise's own number."""

_OPENINGS = 3
"""The fastest counts: others use the machine, too."""

_PLAYED = (
    "import sys; from pathlib import Path; from matscout.cli.promises import r13_large as r13; "
    "r13.play(Path(sys.argv[1]), int(sys.argv[2]))"
)


def keep(setting: Setting) -> Figure:
    """Played in a process of its own, as a resume is: nothing is warm."""
    trials = setting.rounds * _TRIALS
    done = subprocess.run(
        [sys.executable, "-c", _PLAYED, str(setting.folder), str(trials)],
        env={**os.environ, **pinned(1), "PYTHONPATH": python_path(), **setting.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    tally = Tally()
    if done.returncode:
        tally.round(setting.seed, done.stderr.strip()[-300:])
        return tally.figure(f"{trials} trials")
    said = json.loads(done.stdout)
    for what, (wall_s, cpu_s) in said["took"].items():
        tally.slowest(f"{what}, s", wall_s)
        tally.slowest(f"{what}, s of CPU", cpu_s)
        limit_s = _OPEN_S if what == "open" else _SUGGEST_S
        tally.round(what, "" if cpu_s < limit_s else f"took {cpu_s:.1f} s of {limit_s:g} s")
    return tally.figure(f"{trials} trials, {said['events']} events")


def play(runs: Path, trials: int) -> None:
    """Write the run, open it as a resume does, ask each kind of proposer; prints what it took."""
    folder, events = written(runs, trials)
    openings: list[list[float]] = []
    for _ in range(_OPENINGS):
        with _timed() as opening:
            journal, history, spec = reopen(folder)
        journal.close()
        openings.append(opening)
    assert len(history.completed) == trials
    took = {"open": min(openings, key=lambda took: took[1])}
    for what, ask in _ASKED.items():
        with _timed() as took[what]:
            ask(spec.space, history)
    print(json.dumps({"events": events, "took": took}))


@contextmanager
def _timed() -> Iterator[list[float]]:
    """Seconds that pass inside, and those of this process on a core: the machine may be busy with
    other work, and it is the latter that a promise can be made of. Nothing here waits for a disk."""
    took: list[float] = []
    start = time.perf_counter(), time.process_time()
    yield took
    took += [time.perf_counter() - start[0], time.process_time() - start[1]]


def _sobol(space: Space, history: History) -> None:
    from matscout.propose.sobol import SobolProposer

    assert SobolProposer().propose(space, history, 1, seed=0)


def _tpe(space: Space, history: History) -> None:
    from matscout.propose.tpe import TpeProposer

    assert TpeProposer().propose(space, history, 1, seed=0)


def _gp_data(space: Space, history: History) -> None:
    """All that stands before the fit: what is taken, and every measurement as a row of numbers."""
    from matscout.propose.gp_space import kept_rows
    from matscout.propose.observations import of_space
    from matscout.propose.toolbox import Toolbox

    box = Toolbox()
    tools, taken = box.of(space), box.taken(space, history)
    assert not tools.exhausted(taken)
    data = of_space(history, history.targets[0], None)
    kept = data.only(kept_rows(data.y))
    assert len(tools.rows(kept.trials)) == len(kept.y)


_ASKED: dict[str, Callable[[Space, History], None]] = {
    "first Sobol suggestion": _sobol,
    "first TPE suggestion": _tpe,
    "a GP's data": _gp_data,
}


PROMISE = Promise(
    id="R13",
    said="10,000 trials (100,000 events) resume in 2 s, and the first suggestion takes 10 s at most "
    "before the GP's fit",
    test="a journal of 1,000 trials a round is written, opened with every record checked, and each kind "
    "of proposer asked, imports included. What counts is this process's time on a core, without a "
    "server's, and of three openings the fastest; what the clock on the wall said stands beside it",
    small=1,
    full=10,
    keep=keep,
)
