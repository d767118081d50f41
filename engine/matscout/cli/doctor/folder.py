"""The folder of the runs: which file system it is on, how much room there is, and who may enter."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from matscout.cli.doctor.finding import Finding, fail, ok, warn
from matscout.errors import InputError
from matscout.owner import refuse_network_file_system

_LITTLE_BYTES, _TOO_LITTLE_BYTES = 5e9, 2e8


def check_file_system(
    runs: Path, server: bool, mounts: Path = Path("/proc/self/mounts")
) -> list[Finding]:
    """SQLite journals need a local disk; with the journal on a server any shared folder will do."""
    place = nearest(runs).resolve()  # a link may lead elsewhere
    if not os.access(mounts, os.R_OK):
        said = f"{mounts} cannot be read: nobody can tell what {place} is on"
        return [warn("file system", said, "make sure that it is a local disk (docs/postgres.md)")]
    try:
        refuse_network_file_system(place / "a journal", mounts)
    except InputError as error:
        if server:
            said = f"{place} is on a network; the journal is not: it is on a server"
            return [ok("file system", said)]
        mend = "take a local disk (--runs DIR), or a journal on PostgreSQL (docs/postgres.md)"
        return [fail("file system", error.what, mend)]
    return [ok("file system", f"{place} is on no network that we know")]


def check_space(runs: Path, free_bytes: int | None = None) -> list[Finding]:
    """A full disk loses nothing (the run pauses), but it does not go on either."""
    place = nearest(runs)
    free = shutil.disk_usage(place).free if free_bytes is None else free_bytes
    said = f"{free / 1e9:.1f} GB free where {place} is"
    if not os.access(place, os.W_OK):
        return [fail("disk", f"{place} cannot be written", "choose another folder with --runs DIR")]
    if free < _TOO_LITTLE_BYTES:
        return [fail("disk", said, "make room: a run pauses when the disk is full")]
    if free < _LITTLE_BYTES:
        return [warn("disk", said, "checkpoints of networks may need more: make room")]
    return [ok("disk", said)]


def check_modes(folders: list[Path]) -> list[Finding]:
    """State folders are for their owner alone (0700): what is measured is nobody else's business."""
    there = [folder for folder in folders if folder.is_dir()]
    wide = [f for f in there if stat.S_IMODE(f.stat().st_mode) & 0o077]
    foreign = [f for f in there if f.stat().st_uid != os.geteuid()]
    if wide:
        words = " ".join(f"'{folder}'" for folder in wide[:3])
        more = f" and {len(wide) - 3} more" if len(wide) > 3 else ""
        said = f"{wide[0]} can be entered by others{more}"
        return [fail("folder modes", said, f"chmod 700 {words}")]
    if foreign:
        return [warn("folder modes", f"{foreign[0]} is another user's", "run as its owner")]
    if not there:
        return []
    return [ok("folder modes", f"{len(there)} of runs, for their owner alone")]


def nearest(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    folder = folder.absolute()
    while not folder.is_dir():
        folder = folder.parent
    return folder
