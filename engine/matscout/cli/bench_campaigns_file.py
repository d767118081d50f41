"""The file of `bench campaigns`: written after every table, and added to by the next command."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matscout.cli.bench_campaigns import Result, Store
from matscout.cli.bench_tables import TABLES
from matscout.drive.run import versions, versions_changed
from matscout.errors import InputError


class ResultFile(Store):
    """`path`: where the result goes; None: nowhere. With `merge` what is there already is kept:
    InputError unless it was made with the versions that are installed now. `read` gets it from the
    file; `part` is the key of what is kept one by one."""

    def __init__(
        self,
        path: Path | None,
        write: Callable[[Path | None, Result], None],
        *,
        merge: bool = False,
        read: Callable[[Path], dict[str, Any]] | None = None,
        part: str = "tables",
    ) -> None:
        self._read, self._part = read or load, part
        if merge and path is None:
            raise InputError("--merge", "there is no file to add to", "name it with --out")
        self._path, self._write, self._merge = path, write, merge
        self.kept()  # refused now rather than after hours

    def kept(self) -> Result:
        if not self._merge or self._path is None or not self._path.exists():
            return {}
        result = self._read(self._path)
        now, then = versions(), result["versions"]
        if differ := versions_changed(then, now):
            said = ", ".join(f"{name} {then[name]}, now {now[name]}" for name in differ)
            what = f"was made with other versions: {said}"
            raise InputError(
                str(self._path), what, f"name a new file, and play all {self._part} again"
            )
        return dict(result[self._part])

    def save(self, result: Result) -> None:
        self._write(self._path, result)


def load(path: Path) -> dict[str, Any]:
    """What `bench campaigns` has written. InputError where it did not."""
    result = loaded(path, "campaigns", ("versions", "tables", "mean", "coverage"))
    for name in result["tables"]:
        if name not in TABLES:
            raise InputError(str(path), f"holds a table {name!r} that is not known here")
    return result


def loaded(path: Path, bench: str, keys: Sequence[str]) -> dict[str, Any]:
    """What that benchmark has written: a table of tables with these keys."""
    try:
        result = json.loads(path.read_text())
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})") from None
    except ValueError:
        raise InputError(str(path), "is no JSON", "name a file that --out has written") from None
    if not isinstance(result, dict) or not all(isinstance(result.get(k), dict) for k in keys):
        what = f"is no result of bench {bench} of this version"
        raise InputError(str(path), what, "name a file that --out has written")
    return result
