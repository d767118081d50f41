"""The words of `matscout bench halide-reference`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matscout.cli.words import end


def halide_reference(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Also write the table to this folder.")
    ] = None,
) -> None:
    """Recompute the table of halide perovskites that matscout brings."""
    from matscout.drive.halide_reference import main

    end(main([] if out is None else ["--out", str(out)]))
