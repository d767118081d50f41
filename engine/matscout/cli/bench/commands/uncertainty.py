"""The words of `matscout bench uncertainty`."""

from __future__ import annotations

from typing import Annotated

import typer

from matscout.cli.bench.words import Data, Draws, Merge, Out, Render
from matscout.cli.words import Json


def uncertainty(
    data: Data = None,
    tables: Annotated[str, typer.Option(help="Names with commas; default: all.")] = "",
    draws: Draws = 5,
    conformal: Annotated[bool, typer.Option(help="Conformal intervals, too; takes long.")] = False,
    out: Out = None,
    merge: Merge = False,
    render: Render = None,
    json: Json = False,
) -> None:
    """Are models as sure as they may be, of rows like those they have learned from and of others?"""
    from matscout.cli.bench.saved import Saved
    from matscout.cli.bench.uncertainty.bench import Options, load
    from matscout.cli.bench.uncertainty.bench import uncertainty as play
    from matscout.cli.bench.uncertainty.markdown import markdown

    options = Options(data, tables, draws, conformal)
    saved = Saved(load, "tables", markdown, markdown)
    saved.run(lambda store: play(options, store), out, merge, render, json)
