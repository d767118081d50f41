"""The words of `matscout bench crystals`."""

from __future__ import annotations

from matscout.cli.bench.words import Out, Repeats
from matscout.cli.words import Json


def crystals(repeats: Repeats = 5, out: Out = None, json: Json = False) -> None:
    """How many crystal graphs a second are made, read and learned from, beside PyTorch Geometric."""
    from matscout.cli.bench.crystals import crystals as measure
    from matscout.cli.bench.crystals import table
    from matscout.cli.bench.shown import show

    show(measure(repeats), table, json, out)
