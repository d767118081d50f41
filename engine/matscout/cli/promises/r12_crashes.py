"""R12: a worker that runs out of memory, or breaks, is `crashed` with its cause; others go on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from matscout.cli.promises.driver import last_words, sitting
from matscout.cli.promises.laboratory import Laboratory, drop_schema, journals_of
from matscout.cli.promises.ledger import events_of
from matscout.cli.promises.promise import PROCESS, RAY, Figure, Promise, Setting
from matscout.cli.promises.tally import Tally
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.trial import State

_CRASHES = 2
"""After so many a trial is left alone."""

_SAID = {
    "abort": "the worker died: SIGABRT",
    "segfault": "the worker died: SIGSEGV",
    "exit": "the instrument's driver gave up",  # Ray does not tell exit codes
    "raise": "RuntimeError: the instrument's driver broke",
    "limit": "out of memory: ",
    "kernel": "out of memory: the kernel killed it",
}
"""What each way to crash must be told as."""

_ORACLE = """
import resource

WAYS = {ways}
GROUP = {group!r}

def crash_in(way):
    if way == "limit":  # as `ulimit -v`, and most queueing systems, have it
        before = resource.getrlimit(resource.RLIMIT_AS)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, before[1]))
        try:
            return bytearray(2**30)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)
    if way == "kernel":
        Path(GROUP, "cgroup.procs").write_text(str(os.getpid()))
        return bytearray(2**30).count(1)
    from matscout.evaluate.bad_lab import crash
    crash(way)

def measure(params, context):
    note("begun", context.trial, context.attempt, os.getpid())
    if context.trial in WAYS:
        crash_in(WAYS[context.trial])
    y = value(params, context)
    note("done", context.trial, context.attempt, repr(y))
    return y
"""

_GROUP = Path("/sys/fs/cgroup/memory/matscout-faults")
_GROUP_BYTES = 2**26


def keep(setting: Setting) -> Figure:
    tally, draw = Tally(), random.Random(f"{setting.seed}")
    with journals_of(setting), _small_memory() as group:
        names = sorted(_SAID) if group else sorted(set(_SAID) - {"kernel"})
        bad = max(setting.rounds // _CRASHES, 1)
        # Every other trial is a good one, and the first: a run in which nothing works is given up.
        ways = {2 * i + 1: (names[i] if i < len(names) else draw.choice(names)) for i in range(bad)}
        oracle = _ORACLE.format(ways=ways, group=group)
        lab = Laboratory.make(setting.folder / "lab", setting, trials=2 * bad, oracle=oracle)
        config = lab.home / "c.toml"
        config.write_text(config.read_text().replace("= 1000", f"= {_CRASHES}"))
        code = sitting(lab)
        _judge(lab, ways, tally, "" if code == 0 else f"exit code {code}: {last_words(lab)}")
        drop_schema(lab.folder)
    done = f"{bad} trials that crash, as many between them that do not; ways: {', '.join(names)}"
    return tally.figure(done if group else f"{done} (no cgroup could be made for the kernel's)")


def _judge(lab: Laboratory, ways: dict[int, str], tally: Tally, problem: str) -> None:
    """A round for each crash; what is wrong with the rest of the run breaks the first."""
    events, ledger = events_of(lab), lab.ledger()
    history = History(events)
    good = [t for t in history.trials if t.id not in ways]
    if any(t.state is not State.COMPLETE or t.crashes for t in good):
        problem = problem or "a trial that does not crash suffered"
    lost = sum(t.state is not State.COMPLETE for t in good)
    doubled = sum(count > 1 for count in ledger.begun.values())
    for trial, way in ways.items():
        crashes = [e for e in events if e.kind is EventKind.CRASHED and e.trial == trial]
        state = history.trials[trial].state if trial < len(history.trials) else None
        if state is not State.QUARANTINED or len(crashes) != _CRASHES:
            problem = problem or f"{way}: {len(crashes)} crashes, then {state}"
        for number in range(_CRASHES):
            wrong = _wrong(way, crashes[number]) if number < len(crashes) else "never told"
            tally.round(f"trial {trial} ({way})", problem or wrong, lost=lost, doubled=doubled)
            problem, lost, doubled = "", 0, 0


def _wrong(way: str, event: Event) -> str:
    reason = str(event.body["reason"])
    return "" if _SAID[way] in reason else f"told as {reason!r}"


@contextmanager
def _small_memory() -> Iterator[str]:
    """A control group in which the kernel kills who takes more than 64 MiB; empty where none can be
    made (it takes cgroup v1 and root)."""
    try:
        _GROUP.mkdir(exist_ok=True)
        (_GROUP / "memory.limit_in_bytes").write_text(str(_GROUP_BYTES))
    except OSError:
        yield ""
        return
    try:
        yield str(_GROUP)
    finally:
        with suppress(OSError):
            _GROUP.rmdir()


PROMISE = Promise(
    id="R12",
    said="A worker that runs out of memory or breaks is `crashed` with its cause; others go on; after k "
    "crashes the trial is quarantined",
    test="a sweep in which every other trial aborts, segfaults, exits, raises, or takes more memory "
    "than its limit or the kernel gives; each attempt must be told by its cause",
    small=12,
    full=100,
    keep=keep,
    fleets=(PROCESS, RAY),
)
