"""A benchmark that takes hours, so that its file is written after every part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matscout.cli.bench.shown import Result, render, show
from matscout.cli.bench.store import ResultFile, Store


@dataclass(frozen=True)
class Saved:
    """`load` reads its file, in which `part` is the key of what is kept one by one; `page` makes
    Markdown of it, and `table` what a terminal shows."""

    load: Callable[[Path], Result]
    part: str
    page: Callable[[Result], str]
    table: Callable[[Result], str]

    def run(
        self,
        play: Callable[[Store], Result],
        out: Path | None,
        merge: bool,
        file: Path | None,
        json: bool,
    ) -> None:
        """Play and show; with `file`, which an earlier command wrote, only make its page."""
        if file is not None:
            render(file, out, self.load, self.page)
        else:
            show(play(ResultFile(out, self.load, self.part, merge=merge)), self.table, json)
