"""`matscout report RUN`: one page about a run, also while it runs."""

from __future__ import annotations

import json as jsonlib
from datetime import datetime
from pathlib import Path

from matscout.cli.assemble import find_run, proposer_of_run
from matscout.cli.judge import forecaster, stop_rules
from matscout.data.whole_file import write_whole
from matscout.errors import InputError
from matscout.journal import driver_of
from matscout.report.outlook import outlook
from matscout.report.page import GENERATOR, View, page
from matscout.report.projection import check_axes
from matscout.report.record import read_record


def report(
    run: str,
    runs: Path,
    out: Path | None,
    x: str | None,
    y: str | None,
    count: int,
    force: bool,
    json: bool,
    made: str = "",
) -> int:
    """Write the page and say where. The journal is only read. `made` is the date it bears."""
    folder = find_run(run, runs)
    path = out if out is not None else folder.report
    _check_output(path, force, ours=out is None)
    record = read_record(folder)
    check_axes(record.spec.space, x, y)
    proposer = proposer_of_run(record.spec)
    looked = outlook(
        record.spec,
        record.history,
        proposer,
        forecaster(record.spec, proposer),
        stop_rules(record.spec, proposer),
        count,
    )
    made = made or datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    text = page(record, looked, View(made, x, y, driver_of(folder)))
    write_whole(path, text.encode(errors="replace"))
    if json:
        print(jsonlib.dumps({"file": str(path), "trials": len(record.history.trials)}))
    else:
        print(path)
    return 0


def _check_output(path: Path, force: bool, *, ours: bool) -> None:
    """In a run's own folder a page of ours is written anew; nothing else without --force."""
    if path.is_dir():
        raise InputError(str(path), "is a folder", "name a file")
    if not path.absolute().parent.is_dir():
        raise InputError(str(path), "its folder does not exist", "make the folder first")
    if path.exists() and not force and not (ours and _is_ours(path)):
        raise InputError(str(path), "exists already", "choose another file, or say --force")


def _is_ours(path: Path) -> bool:
    with open(path, "rb") as file:
        return f'content="{GENERATOR}"'.encode() in file.read(500)
