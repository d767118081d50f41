"""The words of `matscout bench faults`."""

from __future__ import annotations

from typing import Annotated

import typer

from matscout.cli.bench.words import Merge, Out, Render
from matscout.cli.words import Json


def faults(
    full: Annotated[
        bool, typer.Option("--full", help="As many rounds as the published figures.")
    ] = False,
    only: Annotated[str, typer.Option(help="Promises with commas: R1,R7; default: all.")] = "",
    rounds: Annotated[
        int | None, typer.Option(min=1, help="So many of each promise, not its own number.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn.")] = 0,
    journal: Annotated[
        str,
        typer.Option(metavar="URL", help="sqlite, or a PostgreSQL server that may be written to."),
    ] = "sqlite",
    fleet: Annotated[str, typer.Option(help="process or ray.")] = "process",
    out: Out = None,
    merge: Merge = False,
    render: Render = None,
    json: Json = False,
) -> None:
    """The promises of reliability, each put to its test; exit code 3 where one is broken."""
    from matscout.cli.bench.faults.bench import Options, load, table
    from matscout.cli.bench.faults.bench import faults as play
    from matscout.cli.bench.faults.markdown import markdown
    from matscout.cli.bench.saved import Saved

    options = Options(full, only, journal, fleet, seed, rounds)
    saved = Saved(load, "figures", markdown, table)
    saved.run(lambda store: play(options, store), out, merge, render, json)
