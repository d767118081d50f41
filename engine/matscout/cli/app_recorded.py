"""The command line on recorded experiments: words and options, as in app.py."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matscout.cli.words import Json, end


def backtest(
    table: Annotated[Path, typer.Argument(metavar="TABLE.csv", help="Recorded experiments.")],
    target: Annotated[str, typer.Option(help="The measured column.")],
    direction: Annotated[str, typer.Option(help="max or min: which way is better.")] = "max",
    goal: Annotated[str, typer.Option(help="best, top, threshold, rare or model.")] = "top",
    top: Annotated[str, typer.Option(help="The share that counts as the top.")] = "5%",
    threshold: Annotated[
        float | None, typer.Option(help="What has to be passed, in the target's unit.")
    ] = None,
    init: Annotated[
        int | None, typer.Option(min=1, help="Random experiments first; default: 2, rare: 10.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="How many are chosen at once.")] = 1,
    workers: Annotated[
        int | None, typer.Option(min=1, help="How many run at once; default: the batch.")
    ] = None,
    budget: Annotated[
        int | None, typer.Option(min=2, help="Experiments in all; default: at most 300.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Campaigns of each arm.")] = 10,
    strategy: Annotated[str, typer.Option(help="Arms, with commas; random always plays.")] = "auto",
    start: Annotated[
        str | None,
        typer.Option(
            help="Wanted ones among the first: any, with or without; default for rare: with."
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="A column to leave out. May be repeated.")
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(help="COLUMN=number, category, formula, structure or id. May be repeated."),
    ] = None,
    drop_bad: Annotated[
        bool, typer.Option("--drop-bad", help="Leave rows out that cannot be read, and say so.")
    ] = False,
    censored: Annotated[
        bool, typer.Option("--censored", help='Take the bound of a target such as "<1E-10".')
    ] = False,
    header: Annotated[
        str | None, typer.Option(help="Column names, with commas, for a file without a header.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes; default: as many as there are cores.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the figures to this file.")
    ] = None,
    curves: Annotated[
        Path | None, typer.Option(help="Also write the curves, ready to plot, to this CSV.")
    ] = None,
) -> None:
    """Would active learning have saved me experiments? Replays a table of recorded ones."""
    from matscout.cli.backtest import Options
    from matscout.cli.backtest import backtest as command

    options = Options(
        target, direction, goal, top, threshold, init, batch, workers, budget, seeds, start,
        strategy, tuple(ignore or ()), tuple(kind or ()), drop_bad, censored, header, jobs,
    )  # fmt: skip
    end(command(table, options, json_file, curves))


def audit(
    table: Annotated[Path, typer.Argument(metavar="TABLE.csv", help="The table to look through.")],
    target: Annotated[str | None, typer.Option(help="The column to be predicted.")] = None,
    id_: Annotated[
        str | None, typer.Option("--id", metavar="COLUMN", help="Names the row; no input.")
    ] = None,
    formula: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Chemical formulas.")
    ] = None,
    structure: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Structure files beside the table.")
    ] = None,
    header: Annotated[
        str | None, typer.Option(help="Column names, with commas, for a file without a header.")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Draws the batches of the diversity coefficient.")
    ] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Also write it as an HTML page.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False,
    json: Json = False,
) -> None:
    """What is wrong with my table, what does it mean for a model, and which option answers it?"""
    from matscout.cli.audit import audit as command

    end(command(table, target, id_, formula, structure, header, seed, out, force, json))
