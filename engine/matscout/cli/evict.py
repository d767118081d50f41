"""Take a run from a driver that hangs, or that nobody can reach."""

from __future__ import annotations

from pathlib import Path

from matscout.cli.assemble import find_run
from matscout.cli.runs import runs_option
from matscout.journal import evict as evict_driver


def evict(run: str, runs: Path) -> int:
    """Whoever drives the run can write to it no more, also when it wakes up."""
    folder = find_run(run, runs)
    who = evict_driver(folder)
    print(f"{who}: can write to {folder.name} no more" if who else f"nobody drives {folder.name}")
    print(f"next: matscout resume {folder.name}{runs_option(folder)}")
    return 0
