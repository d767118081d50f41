"""Options that several commands share, and how a command ends."""

from __future__ import annotations

import errno
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from matscout.errors import one_line

DEFAULT_RUNS = Path("results/runs")
INTERRUPTED = 130
"""How a shell tells of a command that Ctrl-C has ended, and how ours end then."""

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


_DISK = (
    errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.EACCES,
    errno.EPERM,
)  # fmt: skip


_PATH = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP)
"""What is wrong with a path that somebody gave, not with the disk."""


def unforeseen(error: Exception) -> tuple[str, int]:
    """One line and an exit code for what is no error of ours. A disk that refuses is no bug, either."""
    if hasattr(error, "format_message"):  # a usage error of the parser
        return f"{error.format_message()} (see matscout --help)", 2
    if isinstance(error, OSError) and error.errno in _DISK:
        where = error.filename if isinstance(error.filename, str) else "the disk"
        return f"{where}: {error.strerror}; mend that, and run it again", 3
    if isinstance(error, OSError) and error.errno in _PATH and isinstance(error.filename, str):
        return f"{error.filename:.200}: {error.strerror}; check the path", 2
    return f"internal error: {type(error).__name__}: {error}; run it again with --debug", 3


def tell(text: str, end: str = "\n") -> None:
    """A line on stderr. Where it cannot be written (a full disk, a pipe that nobody reads any more), the
    work goes on without it."""
    with suppress(OSError):
        print(text, end=end, file=sys.stderr, flush=True)


@contextmanager
def warnings_told() -> Iterator[None]:
    """What our own models warn of is told as any remark is, not as Python does, and each text once:
    Python forgets what it has shown whenever a library changes its filters.
    """
    before = warnings.showwarning
    told: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        text = one_line(str(message))
        if category.__module__.split(".")[0] != "matscout":
            before(message, category, *where, **more)
        elif text not in told:
            told.add(text)
            tell(f"matscout: {text}")

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before


def end(code: int) -> None:
    if code:
        raise typer.Exit(code)
