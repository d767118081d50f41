"""The words of `matscout bench sweeps`."""

from __future__ import annotations

from typing import Annotated

import typer

from matscout.cli.bench.words import Jobs, Merge, Out, Render
from matscout.cli.words import Json


def sweeps(
    problems: Annotated[
        str,
        typer.Option(
            help="Names, or plain, mixed, conditional, constrained, front, corrupted, fidelity, "
            "synthetic (all of these), tables (or tables_1, tables_4, tables_8), bbob, all; with commas."
        ),
    ] = "synthetic",
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each arm.")] = 10,
    arms: Annotated[
        str, typer.Option(help="With commas; default: all that play the problem.")
    ] = "",
    peer_python: Annotated[
        str | None,
        typer.Option(
            metavar="PATHS", help="Pythons that have a peer or problems: ax=PATH,hpo=PATH,ioh=PATH."
        ),
    ] = None,
    jobs: Jobs = None,
    out: Out = None,
    merge: Merge = False,
    again: Annotated[
        str, typer.Option(help="Arms to play anew though --merge finds them; with commas.")
    ] = "",
    render: Render = None,
    json: Json = False,
) -> None:
    """Searches of hyperparameters on problems whose best value is known."""
    from matscout.cli.bench.saved import Saved
    from matscout.cli.bench.sweeps.bench import Options
    from matscout.cli.bench.sweeps.bench import sweeps as play
    from matscout.cli.bench.sweeps.file import load
    from matscout.cli.bench.sweeps.markdown import markdown
    from matscout.cli.bench.sweeps.table import table

    options = Options(problems, seeds, arms, peer_python, jobs, again)
    saved = Saved(load, "problems", markdown, table)
    saved.run(lambda store: play(options, store), out, merge, render, json)
