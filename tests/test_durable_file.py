"""A file that is replaced is whole, or what it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from matscout import failpoint
from matscout.durable_file import replace_durably


@pytest.mark.parametrize("before", [None, b"old"])
@pytest.mark.parametrize("place", ["before_fsync", "after_fsync", "before_rename"])
def test_where_the_disk_refuses_it_stays_as_it_was(
    tmp_path: Path, place: str, before: bytes | None
) -> None:
    path = tmp_path / "f"
    if before is not None:
        path.write_bytes(before)
    failpoint.arm(f"file.{place}:1:raise")
    try:
        with pytest.raises(OSError, match=place):
            replace_durably(path, b"new")
    finally:
        failpoint.arm("")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == (
        [] if before is None else [("f", before)]
    )


def test_a_file_of_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    replace_durably(Path("f"), b"old")
    replace_durably(Path("f"), b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("f", b"new")]


def test_what_else_may_give_the_draft_its_name(tmp_path: Path) -> None:
    def link(draft: Path, path: Path) -> None:
        path.hardlink_to(draft)

    replace_durably(tmp_path / "f", b"new", link)
    with pytest.raises(FileExistsError):
        replace_durably(tmp_path / "f", b"newer", link)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("f", b"new")]
