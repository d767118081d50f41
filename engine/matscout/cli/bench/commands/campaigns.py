"""The words of `matscout bench campaigns`."""

from __future__ import annotations

from typing import Annotated

import typer

from matscout.cli.bench.words import Data, Jobs, Merge, Out, Render
from matscout.cli.words import Json


def campaigns(
    data: Data = None,
    tables: Annotated[
        str, typer.Option(help="Names with commas, or top, rare, cold, model, all.")
    ] = "top",
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each arm.")] = 10,
    arms: Annotated[
        str, typer.Option(help="With commas; default: those that suit each goal.")
    ] = "",
    peer_python: Annotated[
        str | None,
        typer.Option(
            metavar="PATHS",
            help="Pythons that have a peer: baybe=PATH,skactiveml=PATH,bmdal=PATH; a path alone: "
            "baybe.",
        ),
    ] = None,
    jobs: Jobs = None,
    out: Out = None,
    merge: Merge = False,
    render: Render = None,
    json: Json = False,
) -> None:
    """Every strategy of active learning on recorded experiments, paired over seeds."""
    from matscout.cli.bench.campaigns.bench import Options
    from matscout.cli.bench.campaigns.bench import campaigns as play
    from matscout.cli.bench.campaigns.file import load
    from matscout.cli.bench.campaigns.markdown import markdown
    from matscout.cli.bench.campaigns.table import table
    from matscout.cli.bench.saved import Saved

    options = Options(data, tables, seeds, arms, peer_python, jobs)
    saved = Saved(load, "tables", markdown, table)
    saved.run(lambda store: play(options, store), out, merge, render, json)
