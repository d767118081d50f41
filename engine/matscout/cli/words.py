"""Options that several commands share, and how a command ends."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Runs = Annotated[Path, typer.Option("--runs", help="The folder that holds the runs.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="What to run.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="A run's name, or the path to its folder.")]
Trials = Annotated[int | None, typer.Option(min=1, help="How many trials in all.")]
Workers = Annotated[int | None, typer.Option(min=1, help="How many trials at once.")]
FleetName = Annotated[str | None, typer.Option(help="inline, process or ray.")]
Gpus = Annotated[float | None, typer.Option(min=0, help="GPUs a worker (ray; may be a fraction).")]
Cpus = Annotated[float | None, typer.Option(min=0, help="CPUs a worker (ray).")]
Address = Annotated[
    str | None, typer.Option(help="A Ray cluster to join; default: one of our own.")
]
Name = Annotated[str | None, typer.Option(help="The run's name; default: the config's.")]
Seed = Annotated[int | None, typer.Option(min=0, help="The seed; default: the config's.")]


def end(code: int) -> None:
    if code:
        raise typer.Exit(code)
