"""The words of `matscout bench scarcity`."""

from __future__ import annotations

from typing import Annotated

import typer

from matscout.cli.bench.words import Data, Draws, Merge, Out, Render
from matscout.cli.words import Json


def scarcity(
    data: Data = None,
    targets: Annotated[str, typer.Option(help="Names with commas; default: all.")] = "",
    sizes: Annotated[str, typer.Option(help="Rows, with commas; default: 50,100,200.")] = "",
    draws: Draws = 10,
    out: Out = None,
    merge: Merge = False,
    render: Render = None,
    json: Json = False,
) -> None:
    """With few rows: is what was learned from other targets worth anything?"""
    from matscout.cli.bench.saved import Saved
    from matscout.cli.bench.scarcity.bench import Options, load
    from matscout.cli.bench.scarcity.bench import scarcity as play
    from matscout.cli.bench.scarcity.markdown import markdown

    options = Options(data, targets, sizes, draws)
    saved = Saved(load, "targets", markdown, markdown)
    saved.run(lambda store: play(options, store), out, merge, render, json)
