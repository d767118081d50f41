"""R17: whatever is wrong with a file, one line says so, and nothing is written."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import numpy as np

from matscout.cli.promises.damage import damaged
from matscout.cli.promises.foreign_readers import READERS, Reader, furnish, ran
from matscout.cli.promises.promise import SQLITE, Figure, Promise, Setting

LONG_S = 20.0
"""No reader may think so long about a file of some kilobytes."""

Tree = dict[str, tuple[int, int]]


class _TooLong(BaseException):
    """Not an Exception: nobody below may take it for a mistake of the file's."""


def keep(setting: Setting) -> Figure:
    """So many damaged files, each handed to the reader whose turn it is."""
    sound, place = setting.folder / "sound", setting.folder / "place"
    sound.mkdir(parents=True)
    furnish(sound)
    shutil.copytree(sound, place)
    before = _tree(place)
    codes: Counter[int] = Counter()
    kept, broken, slowest_s = 0, "", 0.0
    for index in range(setting.rounds):
        reader = READERS[index % len(READERS)]
        seed = np.random.SeedSequence((setting.seed, index))
        data = damaged(
            (sound / reader.file).read_bytes(), np.random.default_rng(seed), index // len(READERS)
        )
        start_s = time.monotonic()
        code, wrong = attempt(reader, place, data, before)
        slowest_s = max(slowest_s, time.monotonic() - start_s)
        codes[code] += 1
        kept += not wrong
        if wrong and not broken:
            broken = f"; first broken: file {index} of seed {setting.seed} ({reader.name}): {wrong}"
        _restore(sound, place, before)
    said = f"{codes[0]} read after all, {codes[2]} refused, {codes[3]} damaged{broken}"
    numbers = {"slowest reader, s": round(slowest_s, 2), "readers": float(len(READERS))}
    return Figure(setting.rounds, kept, said=said, numbers=numbers)


def attempt(
    reader: Reader, place: Path, data: bytes, before: Tree | None = None
) -> tuple[int, str]:
    """The exit code, and what is wrong with how the reader took it; nothing is the best answer."""
    (place / reader.file).write_bytes(data)
    before = {**(before or _tree(place)), **_tree(place, reader.file)}
    try:
        with _bounded():
            code, err = ran(reader.call, place)
    except _TooLong:
        return -1, f"took more than {LONG_S:g} s"
    except Exception as error:
        return -1, f"{type(error).__name__}: {error}"[:200]
    if code == 0:
        return code, ""
    if code not in (2, 3):
        return code, f"exit code {code}"
    if "internal error" in err or "Traceback" in err:
        return code, err.strip()[-300:]
    if len(err.splitlines()) != 1 or not err.strip().isprintable():
        return code, f"{len(err.splitlines())} lines: {err.strip()[:300]!r}"
    after = _tree(place)
    if after != before:
        changed = sorted(n for n in {*after, *before} if after.get(n) != before.get(n))
        return code, f"refused, but wrote {', '.join(changed[:3])}"
    return code, ""


def _tree(place: Path, only: str = "") -> Tree:
    """Mode, and checksum of what is in it, of every file and folder.

    Left out is what says who looks at a run at the moment: its lock, and the two files that SQLite makes
    beside a database that is read (unless something stands in them).
    """
    names = [only] if only else [str(p.relative_to(place)) for p in sorted(place.rglob("*"))]
    found = {}
    for name in names:
        path, mode = place / name, os.lstat(place / name).st_mode
        data = path.read_bytes() if stat.S_ISREG(mode) else b""
        passing = name.endswith(("journal.lock", "-shm")) or (name.endswith("-wal") and not data)
        if not passing:
            found[name] = (mode, zlib.crc32(data))
    return found


def _restore(sound: Path, place: Path, before: Tree) -> None:
    """Make `place` what it was. Only what was touched is copied."""
    after = _tree(place)
    for name in sorted(set(after) - set(before), reverse=True):
        path = place / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for name in sorted(name for name in before if after.get(name) != before[name]):
        if (sound / name).is_dir():
            (place / name).mkdir(exist_ok=True)
            os.chmod(place / name, stat.S_IMODE(before[name][0]))
        else:
            for side in ("-wal", "-shm"):
                (place / f"{name}{side}").unlink(missing_ok=True)
            shutil.copy2(sound / name, place / name)


@contextmanager
def _bounded() -> Iterator[None]:
    def strike(signum: int, frame: FrameType | None) -> None:
        raise _TooLong

    earlier = signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, LONG_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, earlier)


PROMISE = Promise(
    id="R17",
    said="A malformed config, table, structure, journal or checkpoint gets one line that says where, "
    "what and how to mend; exit 2; nothing is written",
    test="sound files cut, garbled, filled in wrongly, nested deeply or saved by other programs, each "
    "handed to its reader as a command would: no traceback, one printable line, exit code 2 (3 for a "
    "damaged record), nothing written. What the line says, and what is read where nothing is refused, "
    "is not judged",
    small=300,
    full=300_000,
    keep=keep,
    journals=(SQLITE,),
)
