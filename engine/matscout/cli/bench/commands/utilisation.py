"""The words of `matscout bench utilisation`."""

from __future__ import annotations

from typing import Annotated

import typer

from matscout.cli.bench.words import Out
from matscout.cli.words import Json


def utilisation(
    workers: Annotated[int, typer.Option(min=1, help="Simulated workers.")] = 1920,
    each: Annotated[int, typer.Option("--repeats", min=1, help="Trials of each worker.")] = 3,
    proposer: Annotated[str, typer.Option(help="By name.")] = "auto",
    ask_ms: Annotated[
        float | None,
        typer.Option(min=0.0, help="Of each suggestion, instead of its measured time."),
    ] = None,
    spread: Annotated[
        float, typer.Option(min=0.0, max=0.99, help="How much trials vary about a minute.")
    ] = 0.0,
    overlap: Annotated[
        bool, typer.Option("--overlap", help="With run.overlap: think while workers work.")
    ] = False,
    out: Out = None,
    json: Json = False,
) -> None:
    """How busy thousands of workers are kept when everything the driver does takes time."""
    from matscout.cli.bench.shown import show
    from matscout.cli.bench.utilisation import Options, table
    from matscout.cli.bench.utilisation import utilisation as measure

    ask_s = None if ask_ms is None else ask_ms / 1e3
    result = measure(Options(workers, each, proposer, spread=spread, ask_s=ask_s, overlap=overlap))
    show(result, table, json, out)
