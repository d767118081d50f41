"""The file of a benchmark that takes hours: written after every part, added to by the next command."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from matscout.bounded_read import read_bounded
from matscout.cli.bench.shown import write
from matscout.drive.run import versions, versions_changed
from matscout.errors import InputError
from matscout.json_text import parsed_json

Result = dict[str, Any]

MAX_BYTES = 256 * 2**20
"""Of a result: the longest so far has three million."""


class Store:
    """Where results go. This one keeps nothing; `ResultFile` has a file."""

    def kept(self) -> Result:
        """The parts that are there already, by name."""
        return {}

    def save(self, result: Result) -> None:
        """What there is so far."""


class ResultFile(Store):
    """`path`: where the result goes; None: nowhere. With `merge` what is there already is kept:
    InputError unless it was made with the versions that are installed now. `read` gets it from the
    file; `part` is the key of what is kept one by one."""

    def __init__(
        self, path: Path | None, read: Callable[[Path], Result], part: str, *, merge: bool = False
    ) -> None:
        if merge and path is None:
            raise InputError("--merge", "there is no file to add to", "name it with --out")
        self._path, self._read, self._part, self._merge = path, read, part, merge
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
        write(self._path, result)


def loaded(
    path: Path, bench: str, keys: Sequence[str], part: str = "", known: Collection[str] = ()
) -> Result:
    """What that benchmark has written: a table of tables with these keys. InputError where it did
    not, or where `part` of it, a plural, has a name that is not `known` here."""
    try:
        result = parsed_json(read_bounded(path, MAX_BYTES))
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})") from None
    except ValueError:
        raise InputError(str(path), "is no JSON", "name a file that --out has written") from None
    if not isinstance(result, dict) or not all(isinstance(result.get(k), dict) for k in keys):
        what = f"is no result of bench {bench} of this version"
        raise InputError(str(path), what, "name a file that --out has written")
    for name in result[part] if part else ():
        if name not in known:
            what = f"holds a {part.removesuffix('s')} {name!r} that is not known here"
            raise InputError(str(path), what)
    return result
