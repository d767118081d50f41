"""`matscout bench sweeps`: searches of parameters on problems whose best value is known.

All arms of a problem have the same seeds: what trial number k says is the same for every arm, and
arms compare seed by seed. Peers play in processes of their own.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from matscout.cli.bench.peers import peer as peers
from matscout.cli.bench.store import Store
from matscout.cli.bench.sweeps import arms as arms_of
from matscout.cli.bench.sweeps.figures import AT, FLOOR, means
from matscout.cli.bench.sweeps.part import Part
from matscout.cli.bench.sweeps.play import problem_of
from matscout.cli.bench.sweeps.problems.named import MAKES, chosen
from matscout.cli.bench.sweeps.problems.problem import SAMPLE
from matscout.cli.bench.told import tell
from matscout.drive.run import versions
from matscout.errors import InputError, did_you_mean

ARMS = ("random", "sobol", "tpe", "optuna_gp", "ax", "auto", "gp")
"""Where none are named."""

Result = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """The command line. problems, arms, again: with commas; no arms: all. `again` are played though
    the store has them. peer_python: see peer.interpreters."""

    problems: str = "synthetic"
    seeds: int = 10
    arms: str = ""
    peer_python: str | None = None
    jobs: int | None = None
    again: str = ""


def sweeps(options: Options, store: Store | None = None) -> Result:
    """Play the problems. Arms that the store has stay as they are where their problem is the same and
    the seeds are; the store is given the result after each."""
    if options.seeds < 1:
        raise InputError("--seeds", f"must be at least 1, got {options.seeds}")
    store = Store() if store is None else store
    names, arms = chosen(options.problems), _arms(options.arms, "--arms") or list(ARMS)
    again = _arms(options.again, "--again")
    interpreters = peers.interpreters(options.peer_python)
    found = {name: peers.hello(python, name) for name, python in interpreters.items()}
    kept = store.kept()
    result, mine = assembled(kept), Result()
    for name in names:
        part = Part(problem_of(name, interpreters), options.seeds, interpreters, found)
        earlier = part.same(kept.get(name))
        if name in kept and earlier is None:
            tell(f"{name}: had other seeds, or was another problem: what is there is dropped")
        missing = part.missing([arms_of.RANDOM, *arms, *again], again, earlier)
        if not missing:
            tell(f"{name}: is there already, with the same arms and seeds")
            continue
        began = time.monotonic()
        mine[name] = part.play(missing, earlier, options.jobs)
        # Another command may have played others meanwhile.
        result = assembled({**store.kept(), **mine})
        store.save(result)
        tell(f"{name}: played in {time.monotonic() - began:.0f} s")
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


def _arms(words: str, option: str) -> list[str]:
    named = [word.strip() for word in words.split(",")] if words else []
    for word in named:
        if word not in arms_of.STARTS:
            raise InputError(option, f"unknown {word!r}", did_you_mean(word, arms_of.STARTS))
    return named
