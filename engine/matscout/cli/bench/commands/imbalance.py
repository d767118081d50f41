"""The words of `matscout bench imbalance`."""

from __future__ import annotations

from typing import Annotated

import typer

from matscout.cli.bench.words import Data, Merge, Out, Render
from matscout.cli.words import Json


def imbalance(
    data: Data = None,
    tables: Annotated[str, typer.Option(help="Names with commas; default: all.")] = "",
    arms: Annotated[str, typer.Option(help="Techniques, with commas; default: all.")] = "",
    seeds: Annotated[int, typer.Option(min=1, help="Splits of each table.")] = 10,
    out: Out = None,
    merge: Merge = False,
    render: Render = None,
    json: Json = False,
) -> None:
    """Which technique against rare classes helps, where, and which hurts?"""
    from matscout.cli.bench.imbalance.bench import Options, load
    from matscout.cli.bench.imbalance.bench import imbalance as play
    from matscout.cli.bench.imbalance.markdown import markdown
    from matscout.cli.bench.saved import Saved

    options = Options(data, tables, arms, seeds)
    saved = Saved(load, "tables", markdown, markdown)
    saved.run(lambda store: play(options, store), out, merge, render, json)
