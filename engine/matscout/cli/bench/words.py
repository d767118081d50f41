"""Options that several benchmarks share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matscout.errors import InputError


def _in_a_folder(out: Path | None) -> Path | None:
    """Refused now rather than after hours."""
    if out is not None and not out.absolute().parent.is_dir():
        raise InputError(str(out), "its folder does not exist", "make the folder first")
    return out


Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", callback=_in_a_folder, help="Also write the result to this file."),
]
Merge = Annotated[bool, typer.Option("--merge", help="Add to what --out holds already.")]
Render = Annotated[
    Path | None, typer.Option(help="Play nothing: make Markdown of a file that --out wrote.")
]
Data = Annotated[Path | None, typer.Option(help="The folder that holds the tables.")]
Repeats = Annotated[int, typer.Option(min=1, help="Rounds; medians are told.")]
Jobs = Annotated[
    int | None, typer.Option(min=1, help="Processes; default: as many as there are cores.")
]
Draws = Annotated[int, typer.Option(min=2, help="Draws of each size.")]
