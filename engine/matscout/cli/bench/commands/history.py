"""The words of `matscout bench history`."""

from __future__ import annotations

from matscout.cli.bench.words import Out, Repeats
from matscout.cli.words import Json


def history(repeats: Repeats = 3, out: Out = None, json: Json = False) -> None:
    """How long a run of 10,000 trials takes to open."""
    from matscout.cli.bench.history import history as measure
    from matscout.cli.bench.history import table
    from matscout.cli.bench.shown import show

    result = measure(repeats)
    show(result, table, json, out)
