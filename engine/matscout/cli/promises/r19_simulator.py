"""R19: the whole loop in one thread, on a virtual clock, under faults drawn from a seed."""

from __future__ import annotations

from collections import Counter

from matscout.cli.bench.simulate import replay
from matscout.cli.promises.promise import SQLITE, Figure, Promise, Setting
from matscout.cli.promises.tally import Tally
from matscout.simulate.simulation import simulate

_APART = 100_000
"""So far apart are the first seeds that two seeds of a setting begin with."""


def keep(setting: Setting) -> Figure:
    tally, met = Tally(), Counter[str]()
    first = _APART * setting.seed
    for seed in range(first, first + setting.rounds):
        result = simulate(seed)
        met += result.met
        lost = sum(problem.startswith("lost") for problem in result.problems)
        tally.round(replay(seed), "; ".join(result.problems), lost=lost)
    faults = ", ".join(f"{count} {what}" for what, count in met.most_common())
    return tally.figure(f"seeds {first} to {first + setting.rounds - 1}; met: {faults}")


PROMISE = Promise(
    id="R19",
    said="The whole loop runs in one thread on a virtual clock with faults drawn from a seed; a seed "
    "that breaks an invariant is named, and replays",
    test="the simulator: drivers killed at every named place, full disks, lost answers, clocks that "
    "jump, workers that die, hang and lie, people in between; every invariant after every sitting",
    small=20,
    full=10_000,
    keep=keep,
    journals=(SQLITE,),
)
