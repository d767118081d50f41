"""What counts as the predictions of a trial, and what as none."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from matscout.cli.promises.damage import damaged as damaged_by
from matscout.drive.left_behind import left_by, whole_ones
from matscout.evaluate import trainer_options
from matscout.runfolder import RunFolder

ROWS = [(row, row % 2, row + 0.5, row + 0.25) for row in range(12)]
SOUND = "row,fold,truth,prediction\r\n0,0,0.5,0.25\r\n1,1,1.5,1.25\r\n"


def trial(id: int) -> Any:
    return SimpleNamespace(id=id, answered=(1,))


def left(root: Path, id: int, text: bytes | None = None) -> RunFolder:
    folder = RunFolder(root)
    work = folder.work(id, 1)
    names = [str(row) for row in range(len(ROWS))]
    trainer_options.write_predictions(work, names, ROWS)
    if text is not None:
        (work / "predictions.csv").write_bytes(text)
    return folder


def test_what_was_written_is_read(tmp_path: Path) -> None:
    found = left_by(left(tmp_path, 0), trial(0))
    assert found is not None
    assert np.array_equal(np.transpose(found), [[r, t, p] for r, _, t, p in ROWS])


@pytest.mark.parametrize(
    "text",
    [
        "", "row,fold,truth,prediction\r\n", SOUND[:-1].rstrip(), SOUND[:-7], SOUND + "2,0,1\r\n",
        SOUND.replace("row", "rwo"), SOUND + "x,0,1,1\r\n", SOUND + "nan,0,1,1\r\n", SOUND + "2,0,1,nan\r\n",
        SOUND + '"2,0,1,1\r\n', SOUND + "\0\r\n", "[" * 50_000, "\udcff\r\n",
    ],
)  # fmt: skip
def test_a_damaged_file_counts_as_none(tmp_path: Path, text: str) -> None:
    folder = left(tmp_path, 0, text.encode(errors="surrogateescape"))
    assert left_by(folder, trial(0)) is None
    assert left_by(folder, trial(1)) is None
    assert left_by(folder, SimpleNamespace(id=0, answered=())) is None


def test_those_cut_at_the_end_of_a_line_are_told_apart_and_named(tmp_path: Path) -> None:
    for id in range(3):
        folder = left(tmp_path, id)
    trials = [trial(id) for id in range(3)]
    assert whole_ones(folder, trials)[1] == ""
    path = folder.work(0, 1) / "predictions.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-2]))
    whole, without = whole_ones(folder, trials)
    assert [one.id for one, _ in whole] == [1, 2]
    assert without == ", without trial 0 (its predictions.csv is missing or damaged)"
    (folder.work(2, 1) / "predictions.csv").unlink()
    whole, without = whole_ones(folder, trials)
    assert [one.id for one, _ in whole] == [1]
    assert without == ", without trials 0, 2 (their predictions.csv is missing or damaged)"
    assert whole_ones(folder, [trial(2)])[0] == []


@pytest.mark.parametrize(
    ("sound", "damaged"), [("\n4,0,4.5", "\n44,0,4.5"), ("\n4,0,4.5", "\n4,0,45")]
)
def test_one_about_other_rows_than_the_rest_is_damaged(
    tmp_path: Path, sound: str, damaged: str
) -> None:
    for id in range(3):
        folder = left(tmp_path, id)
    path = folder.work(1, 1) / "predictions.csv"
    path.write_text(path.read_text().replace(sound, damaged))
    whole, without = whole_ones(folder, [trial(id) for id in range(3)])
    assert [one.id for one, _ in whole] == [0, 2] and "without trial 1 (" in without


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_in_the_file_it_is_read_or_left_out(tmp_path: Path, seed: int) -> None:
    folder = left(tmp_path, 0)
    path = folder.work(0, 1) / "predictions.csv"
    sound = path.read_bytes()
    for nth in range(60):
        path.write_bytes(damaged_by(sound, np.random.default_rng((seed, nth)), nth))
        found = left_by(folder, trial(0))
        assert found is None or len({len(column) for column in found}) == 1


def test_they_are_on_disk_before_they_have_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the name is, before the trial is acknowledged."""
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        done.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")
        fsync(descriptor)

    def renamed(one: Any, other: Any) -> None:
        done.append("name")
        replace(one, other)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    left(tmp_path, 0)
    assert done == ["file", "name", "folder"]
