"""The words of `matscout bench transfer`."""

from __future__ import annotations

from typing import Annotated

import typer

from matscout.cli.bench.words import Out
from matscout.cli.words import Json


def transfer(
    seeds: Annotated[int, typer.Option(min=1, help="Sweeps of each kind.")] = 10,
    out: Out = None,
    json: Json = False,
) -> None:
    """What earlier runs are worth to a sweep, and what it costs where they mislead."""
    from matscout.cli.bench.shown import show
    from matscout.cli.bench.transfer import table
    from matscout.cli.bench.transfer import transfer as measure

    result = measure(seeds)
    show(result, table, json, out)
