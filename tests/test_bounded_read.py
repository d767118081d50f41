"""Files without an end: what is read of them is bounded by what such a file may have, not by its size."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matscout import bounded_read
from matscout.bounded_read import read_bounded
from matscout.cli.bench import store
from matscout.data import sealed, text_table
from matscout.drive.baselines import read_baselines
from matscout.drive.left_behind import read_predictions
from matscout.drive.members import read_members
from matscout.drive.recipe_fold import OUTER, read_outer
from matscout.errors import InputError
from matscout.fleet.outbox import Outbox
from matscout.journal import Journal
from matscout.runfolder import RunFolder

MOST = 3 * 2**20


@pytest.fixture
def read_bytes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How much is read of any file, where /dev/zero may stand for one; a small file may have MOST."""
    monkeypatch.setattr(read_bounded, "__defaults__", (MOST,))
    for module in (store, sealed, text_table):
        monkeypatch.setattr(module, "MAX_BYTES", MOST)
    sizes: list[int] = []
    real = open

    class Counted:
        def __init__(self, *given: Any, **more: Any) -> None:
            self.file = real(*given, **more)

        def __enter__(self) -> Counted:
            return self

        def __exit__(self, *raised: Any) -> None:
            self.file.close()

        def read(self, most: int) -> bytes:
            data: bytes = self.file.read(most)
            sizes.append(len(data))
            return data

    monkeypatch.setattr(bounded_read, "open", Counted, raising=False)
    return sizes


def test_all_of_it_or_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for size in (0, 1, 2**20, 2**20 + 1, MOST):
        path.write_bytes(os.urandom(size))
        assert read_bounded(path, MOST) == path.read_bytes()
    path.write_bytes(b"x" * 11)
    assert read_bounded(path, 11) == b"x" * 11
    with pytest.raises(OSError) as caught:
        read_bounded(path, 10)
    assert caught.value.errno == errno.EFBIG
    with pytest.raises(FileNotFoundError):
        read_bounded(tmp_path / "none")


@pytest.mark.parametrize(
    "read",
    [
        text_table.read_text_table,
        lambda path: store.loaded(path, "sweeps", ()),
        sealed.read_seal,
    ],
)
def test_a_file_without_an_end_is_one_line(
    read_bytes: list[int], read: Callable[[Path], Any]
) -> None:
    with pytest.raises(InputError):
        read(Path("/dev/zero"))
    assert sum(read_bytes) == MOST + 1


def test_what_lies_in_a_run_is_bounded_too(tmp_path: Path, read_bytes: list[int]) -> None:
    folder = RunFolder(tmp_path)
    for name in (OUTER, folder.baselines.name, "members.json", "trial-000001-01.json"):
        (tmp_path / name).symlink_to("/dev/zero")
    assert read_outer(folder) is None and read_baselines(folder) == {}
    assert Outbox(tmp_path).read(1, 1) is None
    with pytest.raises(InputError):
        read_members(folder)
    with pytest.raises(OSError):
        read_predictions(Path("/dev/zero"))
    assert sum(read_bytes) == 5 * (MOST + 1)


def test_so_is_the_head_of_a_journal(tmp_path: Path, read_bytes: list[int]) -> None:
    folder = RunFolder(tmp_path)
    Journal.create(folder).close()
    folder.head.unlink()
    folder.head.symlink_to("/dev/zero")
    with Journal.read_only(folder) as journal:
        assert "journal.head is missing or unreadable" in journal.verify().notes[0]
    assert sum(read_bytes) == 1001
