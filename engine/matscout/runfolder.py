"""Every file name of a run, in one place."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from matscout.durable_file import sync_folder
from matscout.errors import InputError

DEFAULT_ROOT = Path("results") / "runs"

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def checked_name(name: str) -> str:
    """`name` if it may be a run's name; it becomes a folder, so no path may hide in it."""
    if not _NAME.fullmatch(name) or ".." in name:
        raise InputError(
            f"run name {name!r}",
            "may have only a-z, 0-9, '.', '_' and '-', 64 at most, and starts with a letter or digit",
            "choose another name",
        )
    return name


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run. Making the object touches nothing."""

    root: Path

    @classmethod
    def of(cls, name: str, runs: Path = DEFAULT_ROOT) -> RunFolder:
        """The folder of the run called `name` below `runs`; links out of `runs` are refused."""
        root = (runs / checked_name(name)).absolute()
        try:
            str(root).encode()
        except UnicodeEncodeError:
            what = "has a name that is no UTF-8, and records are"
            raise InputError(ascii(str(root)), what, "rename the folder") from None
        if root.is_symlink():
            raise InputError(str(root), "is a symbolic link", "name the real folder")
        return cls(root)

    @property
    def name(self) -> str:
        return self.root.name

    @property
    def manifest(self) -> Path:
        return self.root / "manifest.json"

    @property
    def journal(self) -> Path:
        return self.root / "journal.db"

    @property
    def address(self) -> Path:
        """Instead of it, which server has the journal; never with a password."""
        return self.root / "journal.json"

    @property
    def holds_run(self) -> bool:
        return self.journal.is_file() or self.address.is_file()

    @property
    def head(self) -> Path:
        """The last acknowledged seq and hash, beside the journal, to notice a journal cut short."""
        return self.root / "journal.head"

    @property
    def lock(self) -> Path:
        return self.root / "journal.lock"

    @property
    def outbox(self) -> Path:
        return self.root / "outbox"

    @property
    def parts(self) -> RunFolder:
        """Where the parts of a trial, evaluated apart, have outbox, results and logs of their own."""
        return RunFolder(self.root / "parts")

    @property
    def pool(self) -> Path:
        return self.root / "pool.json"

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    @property
    def baselines(self) -> Path:
        """What untuned models score on a trainer's folds: derived, and made anew if lost."""
        return self.root / "baselines.json"

    def contains(self, path: Path) -> bool:
        """Whether `path`, its links followed, lies in this folder."""
        return path.resolve().is_relative_to(self.root.resolve())

    def checkpoints(self, trial: int) -> Path:
        return self.root / "checkpoints" / f"trial-{trial:06d}"

    def work(self, trial: int, attempt: int) -> Path:
        return self.root / "work" / f"trial-{trial:06d}-{attempt:02d}"

    def draft(self) -> RunFolder:
        """A hidden sibling in which to prepare this run; `settle` gives it its name."""
        self.root.parent.mkdir(parents=True, exist_ok=True)
        self.refuse_existing()
        # Not by our pid: in a container that of a process that was killed may be the same.
        draft = RunFolder(
            Path(tempfile.mkdtemp(prefix=f".{self.name}.draft-", dir=self.root.parent))
        )
        draft.outbox.mkdir(mode=0o700)
        return draft

    def settle(self, draft: RunFolder) -> None:
        """Turn the prepared draft into this run, at once and whole."""
        sync_folder(draft.root)
        try:
            os.rename(draft.root, self.root)  # fails on a folder that is not empty
        except OSError:
            shutil.rmtree(draft.root, ignore_errors=True)
            self.refuse_existing()
            raise
        sync_folder(self.root.parent)

    def refuse_existing(self) -> None:
        if self.root.exists():
            raise InputError(
                str(self.root),
                "this run exists already",
                f"resume it (matscout resume {self.name}) or choose another name",
            )
