"""The words of `matscout bench simulate`."""

from __future__ import annotations

from typing import Annotated

import typer

from matscout.cli.bench.words import Jobs, Out
from matscout.cli.words import Json


def simulate(
    seeds: Annotated[int, typer.Option(min=1, help="Runs of the whole loop under faults.")] = 10,
    seed: Annotated[int | None, typer.Option(min=0, help="This one alone.")] = None,
    jobs: Jobs = None,
    out: Out = None,
    json: Json = False,
) -> None:
    """How many seeds of the simulator break a promise; exit code 3 where one does."""
    from matscout.cli.bench.shown import show
    from matscout.cli.bench.simulate import Options, simulated, table

    result = simulated(Options(seeds, seed, jobs))
    show(result, table, json, out)
