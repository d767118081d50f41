"""The words of `matscout bench suggestion`."""

from __future__ import annotations

from matscout.cli.bench.words import Out, Repeats
from matscout.cli.words import Json


def suggestion(repeats: Repeats = 3, out: Out = None, json: Json = False) -> None:
    """How long a sweep's next suggestion takes after 50 to 1,000 trials."""
    from matscout.cli.bench.shown import show
    from matscout.cli.bench.suggestion import suggestion as measure
    from matscout.cli.bench.suggestion import table

    show(measure(repeats), table, json, out)
