"""The problems of `bench sweeps` by name and by group."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from matscout.cli.bench.sweeps.problems.bbob import FUNCTIONS, bbob
from matscout.cli.bench.sweeps.problems.constrained import pressure_vessel, speed_reducer
from matscout.cli.bench.sweeps.problems.corrupted import corrupted_hartmann6
from matscout.cli.bench.sweeps.problems.fidelity import augmented_hartmann
from matscout.cli.bench.sweeps.problems.fronts import branin_currin, c2dtlz2, dtlz2
from matscout.cli.bench.sweeps.problems.jenatton import jenatton
from matscout.cli.bench.sweeps.problems.plain import (
    ackley5,
    ackley_mixed,
    branin,
    hartmann6,
    labs,
    levy10,
)
from matscout.cli.bench.sweeps.problems.problem import Problem
from matscout.cli.bench.sweeps.problems.tables import TABLES, WORKERS, table_problem
from matscout.errors import InputError, did_you_mean

Make = Callable[[Mapping[str, str]], Problem]
"""Makes a problem, given the Pythons of those peers that hold tables or functions."""


def _ours(make: Callable[[], Problem]) -> Make:
    return lambda interpreters: make()


_GROUPS: dict[str, dict[str, Make]] = {
    "plain": {
        "branin": _ours(branin),
        "hartmann6_60": _ours(partial(hartmann6, "hartmann6_60", 60)),
        "hartmann6_100": _ours(partial(hartmann6, "hartmann6_100", 100)),
        "ackley5": _ours(ackley5),
        "levy10": _ours(levy10),
    },
    "mixed": {"ackley_mixed": _ours(ackley_mixed), "labs30": _ours(labs)},
    "conditional": {"jenatton": _ours(jenatton)},
    "constrained": {
        "pressure_vessel": _ours(pressure_vessel),
        "speed_reducer": _ours(speed_reducer),
    },
    "front": {
        "branin_currin": _ours(branin_currin),
        "c2dtlz2": _ours(c2dtlz2),
        "dtlz2": _ours(dtlz2),
    },
    "corrupted": {"corrupted_hartmann6": _ours(corrupted_hartmann6)},
    "fidelity": {"augmented_hartmann": _ours(augmented_hartmann)},
}
SYNTHETIC = tuple(_GROUPS)
"""The groups that need no peer."""

_GROUPS |= {
    f"tables_{workers}": {
        f"{name}_{workers}": partial(table_problem, name, workers) for name in TABLES
    }
    for workers in WORKERS
}
_GROUPS["bbob"] = {f"bbob_f{number:02d}": partial(bbob, number) for number in FUNCTIONS}

MAKES: dict[str, Make] = {name: make for group in _GROUPS.values() for name, make in group.items()}
"""In the order in which they are shown."""


def chosen(words: str) -> list[str]:
    """The problems that `words` names, singly or by group, with commas."""
    groups = {kind: list(each) for kind, each in _GROUPS.items()}
    groups["synthetic"] = [name for kind in SYNTHETIC for name in groups[kind]]
    groups["tables"] = [name for workers in WORKERS for name in groups[f"tables_{workers}"]]
    groups["all"] = list(MAKES)
    wanted: set[str] = set()
    for word in (part.strip() for part in words.split(",")):
        if word not in groups and word not in MAKES:
            known = [*groups, *MAKES]
            raise InputError("--problems", f"unknown {word!r}", did_you_mean(word, known))
        wanted |= set(groups.get(word, [word]))
    return [name for name in MAKES if name in wanted]


def problem(name: str, interpreters: Mapping[str, str]) -> Problem:
    """The problem of that name."""
    return MAKES[name](interpreters)
