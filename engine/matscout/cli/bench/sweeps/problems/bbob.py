"""BBOB: 24 functions, shifted and rotated, made to tell optimisers apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matscout.cli.bench.peers import peer as peers
from matscout.cli.bench.sweeps.problems.problem import Array, Observed, Single
from matscout.errors import InputError
from matscout.parameter import Float
from matscout.space import Space
from matscout.trial import Params

FUNCTIONS, DIMENSION, INSTANCE, TRIALS = range(1, 25), 5, 1, 200


@dataclass(frozen=True)
class BbobProblem(Single):
    """Function `number` of Hansen et al. 2009 (INRIA RR-6829), instance 1, in five dimensions."""

    python: str = ""
    number: int = 1
    best: float = 0.0

    def observed(self, params: Params, trial: int, seed: int) -> Observed:
        values, _ = self.true([params])
        return Observed((float(values[0]),))

    def true(self, points: Sequence[Params]) -> tuple[Array, NDArray[np.bool_]]:
        rows = [[float(params[p.name]) for p in self.space.parameters] for params in points]
        ask = peers.running(self.python, peers.IOH)
        values = ask("values", number=self.number, instance=INSTANCE, points=rows)["values"]
        return np.array(values), np.ones(len(values), dtype=bool)

    @property
    def optimum(self) -> float:
        return self.best


def bbob(number: int, interpreters: Mapping[str, str]) -> BbobProblem:
    """From ioh in a Python of its own."""
    name, engine = f"bbob_f{number:02d}", peers.IOH
    if engine not in interpreters:
        what, mend = f"no Python for {engine}, which holds {name}", f"name it: {engine}=PATH"
        raise InputError("--peer-python", what, mend)
    python = interpreters[engine]
    found = peers.running(python, engine)(
        "function", number=number, instance=INSTANCE, dimension=DIMENSION
    )
    space = Space(tuple(Float(f"x{i + 1}", found["low"], found["high"]) for i in range(DIMENSION)))
    return BbobProblem(
        name,
        "bbob",
        space,
        TRIALS,
        engine=engine,
        python=python,
        number=number,
        best=found["optimum"],
    )
