"""The command line of campaigns: words and options, as in app.py."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matscout.cli.words import DEFAULT_RUNS, ConfigFile, Json, Name, Run, Runs, Seed, end

campaign = typer.Typer(no_args_is_help=True, help="Active learning: what to measure next.")


@campaign.command()
def new(
    config: ConfigFile, runs: Runs = DEFAULT_RUNS, name: Name = None, seed: Seed = None
) -> None:
    """Make a campaign's run folder; nothing is measured yet."""
    from matscout.cli.runs import new as command

    end(command(config, "campaign", runs, {"name": name, "seed": seed}))


@campaign.command()
def recommend(
    run: Run,
    n: Annotated[
        int | None, typer.Option("-n", min=1, max=100_000, help="How many; default: 8.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The CSV to write.")] = Path("next.csv"),
    fix: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE: only points with this value. May be repeated."),
    ] = None,
    again: Annotated[
        list[str] | None, typer.Option(help="ID[,ID] or best:3: measure these once more.")
    ] = None,
    open_: Annotated[
        bool, typer.Option("--open", help="Write what is open again; choose nothing new.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    runs: Runs = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Choose what to measure next, and write it as a CSV to fill in."""
    from matscout.cli.campaign import recommend as command

    end(command(run, runs, n, out, fix or [], again or [], open_, force, json))


@campaign.command()
def add(
    run: Run,
    file: Annotated[Path, typer.Argument(metavar="RESULTS.csv", help="What came of it.")],
    replicates: Annotated[
        bool, typer.Option("--replicates", help="A second value of a point is a replicate.")
    ] = False,
    runs: Runs = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Take measured, failed and abandoned rows in: all of a file, or none."""
    from matscout.cli.campaign import add as command

    end(command(run, file, runs, replicates, json))
