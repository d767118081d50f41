"""The command line that looks and changes nothing: words and options, as in app.py."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matscout.cli.words import DEFAULT_RUNS, Json, Run, Runs, end


def status(run: Run, runs: Runs = DEFAULT_RUNS, json: Json = False) -> None:
    """How a run stands, also while it is running."""
    from matscout.cli.show import status as command

    end(command(run, runs, json))


def verify(run: Run, runs: Runs = DEFAULT_RUNS, json: Json = False) -> None:
    """Check every record of a run's journal. Needs no Ray and changes nothing."""
    from matscout.cli.show import verify as command

    end(command(run, runs, json))


def export(
    run: Run,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")],
    to: Annotated[str, typer.Option("--to", help="csv, or optuna (for optuna-dashboard).")] = "csv",
    runs: Runs = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Write a run's trials as a CSV table or as an Optuna study."""
    from matscout.cli.show import export as command

    end(command(run, runs, out, to, json))


def report(
    run: Run,
    runs: Runs = DEFAULT_RUNS,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file; default: RUN's own report.html.")
    ] = None,
    x: Annotated[
        str | None, typer.Option(help="The map's horizontal column; default: PCA.")
    ] = None,
    y: Annotated[str | None, typer.Option(help="The map's vertical column.")] = None,
    next_: Annotated[
        int, typer.Option("--next", min=0, help="How many recommendations to show.")
    ] = 8,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False,
    json: Json = False,
) -> None:
    """One HTML page about a run: progress, finds, what comes next, a map, calibration, failures."""
    from matscout.cli.report import report as command

    end(command(run, runs, out, x, y, next_, force, json))


def spaces(
    name: Annotated[str | None, typer.Argument(help="Print this one.")] = None,
    json: Json = False,
) -> None:
    """The ready search spaces that matscout brings."""
    from matscout.cli.show import spaces as command

    end(command(name, json))
