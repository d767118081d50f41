"""The words of `matscout bench overhead`."""

from __future__ import annotations

from typing import Annotated

import typer

from matscout.cli.bench.words import Out, Repeats
from matscout.cli.words import Json


def overhead(
    trials: Annotated[int, typer.Option(min=10, help="No-op trials.")] = 300,
    repeats: Repeats = 3,
    out: Out = None,
    json: Json = False,
) -> None:
    """What the engine itself costs: no-op trials a second, beside Ray Tune and Optuna."""
    from matscout.cli.bench.overhead import overhead as measure
    from matscout.cli.bench.overhead import table
    from matscout.cli.bench.shown import show

    result = measure(trials, repeats)
    show(result, table, json, out)
