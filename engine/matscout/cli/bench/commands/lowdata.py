"""The words of `matscout bench lowdata`."""

from __future__ import annotations

from typing import Annotated

import typer

from matscout.cli.bench.words import Data, Draws, Merge, Out, Render
from matscout.cli.words import Json


def lowdata(
    data: Data = None,
    tables: Annotated[str, typer.Option(help="Names with commas; default: all.")] = "",
    sizes: Annotated[str, typer.Option(help="Rows, with commas; default: 20,50,100,300.")] = "",
    draws: Draws = 10,
    out: Out = None,
    merge: Merge = False,
    render: Render = None,
    json: Json = False,
) -> None:
    """With few rows: is tuning worth it, and by which score?"""
    from matscout.cli.bench.lowdata.bench import Options, load
    from matscout.cli.bench.lowdata.bench import lowdata as play
    from matscout.cli.bench.lowdata.markdown import markdown
    from matscout.cli.bench.saved import Saved

    options = Options(data, tables, sizes, draws)
    saved = Saved(load, "tables", markdown, markdown)
    saved.run(lambda store: play(options, store), out, merge, render, json)
