"""The words of `matscout bench latency`."""

from __future__ import annotations

from typing import Annotated

import typer

from matscout.cli.bench.words import Out, Repeats
from matscout.cli.words import Json


def latency(
    large: Annotated[bool, typer.Option("--large", help="Also a pool of 1,000,000.")] = False,
    repeats: Repeats = 3,
    peer_python: Annotated[
        str | None, typer.Option(metavar="PATH", help="A Python that has BayBE.")
    ] = None,
    out: Out = None,
    json: Json = False,
) -> None:
    """How long one recommendation takes from a large pool, and how much memory."""
    from matscout.cli.bench.latency import Options, table
    from matscout.cli.bench.latency import latency as measure
    from matscout.cli.bench.shown import show

    result = measure(Options(large, repeats, peer_python))
    show(result, table, json, out)
