"""R10: what is no finite number is kept as `invalid` with the reason, outside the model and "best"."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Literal

import numpy as np

from matscout.cli.promises.laboratory import drop_schema, journals_of
from matscout.cli.promises.promise import Figure, Promise, Setting
from matscout.cli.promises.tally import Tally
from matscout.drive.policy import Policy
from matscout.drive.run import RunSpec, create, load, reopen, sit
from matscout.evaluate.base import Context
from matscout.evaluate.function import FunctionEvaluator
from matscout.fleet.inline import Inline
from matscout.parameter import Float
from matscout.propose.tpe import TpeProposer
from matscout.runfolder import RunFolder
from matscout.space import Space
from matscout.trial import Measurement, Params, State, Target

_SPACE = Space((Float("x", 0.0, 1.0),))
_A_RUN = 50
"""Malformed measurements in one run; as many good ones go between them."""


class _Rude:
    """Says that it is a number, and fails when it is asked."""

    def __float__(self) -> float:
        raise RuntimeError("no")


Made = Callable[[random.Random], Any]
_SCALARS: dict[str, Made] = {
    "NaN": lambda d: float("nan"),
    "+Inf": lambda d: float("inf"),
    "-Inf": lambda d: float("-inf"),
    "numpy NaN": lambda d: np.float32("nan"),
    "numpy -Inf": lambda d: np.array([-np.inf]),
    "complex": lambda d: complex(d.random(), d.random()),
    "1e400 as text": lambda d: "1e400",
    "10^400": lambda d: 10 ** d.randint(400, 4000),
    "-10^400": lambda d: -(10 ** d.randint(400, 4000)),
    "text": lambda d: "".join(chr(d.randint(1, 0x2FF)) for _ in range(d.randint(0, 2000))),
    "number as text": lambda d: str(d.random()),
    "bytes": lambda d: d.randbytes(d.randint(0, 40)),
    "None": lambda d: None,
    "bool": lambda d: d.random() < 0.5,
    "list": lambda d: [d.random() for _ in range(d.randint(2, 5))],
    "empty list": lambda d: [],
    "matrix": lambda d: np.ones((d.randint(2, 4), d.randint(1, 4))),
    "empty array": lambda d: np.array([]),
    "decimal": lambda d: Decimal("NaN"),
    "mapping": lambda d: {"value": d.random()},
    "function": lambda d: d.random,
    "a set": lambda d: {1.0, 2.0},
    "rude": lambda d: _Rude(),
}


def _wrapped(kind: str, draw: random.Random) -> Any:
    """A malformed thing as an evaluator may bring it: bare, by its target's name, or a Measurement."""
    raw = _SCALARS[kind](draw)
    way = draw.choice(["bare", "named", "measurement", "missing key"])
    if way == "named":
        return {"y": raw}
    if way == "measurement":
        return Measurement({"y": raw})
    if way == "missing key":
        return {draw.choice(["z", "Y", "", "y "]): 0.5}
    return raw


def keep(setting: Setting) -> Figure:
    tally = Tally()
    with journals_of(setting):
        for first in range(0, setting.rounds, _A_RUN):
            _run(setting, first, min(_A_RUN, setting.rounds - first), tally)
    return tally.figure(f"measurements of {len(_SCALARS)} malformed kinds, brought in four ways")


def _run(setting: Setting, first: int, count: int, tally: Tally) -> None:
    """A run whose every other measurement is malformed. The good ones are worse than -Inf and better
    than +Inf: whatever got through would be the best, one way or the other."""
    draw = random.Random(f"{setting.seed} {first}")
    kinds = [sorted(_SCALARS)[(first + i) % len(_SCALARS)] for i in range(count)]
    folder = RunFolder(setting.folder / f"{first:04d}")
    direction: Literal["min", "max"] = "max" if first // _A_RUN % 2 else "min"
    target = Target("y", direction)

    def measure(params: Params, context: Context) -> Iterator[Any]:
        if context.trial % 2:
            yield _wrapped(kinds[context.trial // 2], random.Random(f"{first} {context.trial}"))
        else:
            yield 1.0 + context.trial

    draw.shuffle(kinds)
    spec = RunSpec("r", "sweep", _SPACE, (target,), Policy(trials=2 * count, slots=2), first)
    create(folder, spec)
    said = ""
    try:
        _drive(folder, spec, measure)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    _judge(folder, kinds, first, said, tally)
    drop_schema(folder)


def _drive(folder: RunFolder, spec: RunSpec, measure: Callable[..., Any]) -> None:
    journal, history, spec = reopen(folder)
    try:
        sit(
            folder, journal, history, spec, proposer=TpeProposer(startup=6),
            start_fleet=lambda: Inline(lambda: FunctionEvaluator(measure), spec.targets, folder, 2),
        )  # fmt: skip
    finally:
        journal.close()


def _judge(folder: RunFolder, kinds: list[str], first: int, crash: str, tally: Tally) -> None:
    history, _ = load(folder)
    good = [t for t in history.trials if t.id % 2 == 0]
    best = max if history.targets[0].direction == "max" else min
    found = history.best()
    problem = crash
    if not problem and [t.values.get("y") for t in good] != [1.0 + t.id for t in good]:
        problem = "a good value beside it changed"
    elif not problem and (found is None or found.values["y"] != best(1.0 + t.id for t in good)):
        problem = f"the best is {found and dict(found.values)}"
    for number, kind in enumerate(kinds):
        trial = history.trials[2 * number + 1] if 2 * number + 1 < len(history.trials) else None
        own = problem
        if not own and (trial is None or trial.state is not State.INVALID or not trial.reason):
            own = f"is {trial and trial.state} with reason {trial and trial.reason!r}"
        if not own and trial is not None and (trial.values or trial in history.completed):
            own = "has a value"
        tally.round(f"{first + number} ({kind})", own)


PROMISE = Promise(
    id="R10",
    said="What is no finite number is kept as `invalid` with the reason, outside model and best",
    test="every other measurement of a run is malformed, in 23 kinds and four ways, "
    "brought by a function in the driver's own thread; its proposer is TPE",
    small=60,
    full=500,
    keep=keep,
)
