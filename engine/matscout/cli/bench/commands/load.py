"""The words of `matscout bench load`."""

from __future__ import annotations

from matscout.cli.bench.words import Out
from matscout.cli.words import Json


def load(out: Out = None, json: Json = False) -> None:
    """What a large run costs: events, trials, oracles at once, candidates, memory."""
    from matscout.cli.bench.load import Options, table
    from matscout.cli.bench.load import load as measure
    from matscout.cli.bench.shown import show

    result = measure(Options())
    show(result, table, json, out)
