"""The command line of the doctor: words and options, as in app.py."""

from __future__ import annotations

from typing import Annotated

import typer

from matscout.cli.words import DEFAULT_RUNS, Json, Runs, end


def doctor(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Also look at this run's needs.")
    ] = None,
    runs: Runs = DEFAULT_RUNS,
    address: Annotated[
        str | None,
        typer.Option(help="A Ray cluster to knock at without its token; default: this machine."),
    ] = None,
    json: Json = False,
) -> None:
    """Will it work here, and is it safe? Each line: ok, warn or FAIL, and what to do."""
    from matscout.cli.doctor.doctor import doctor as command

    end(command(run, runs, address, json))
