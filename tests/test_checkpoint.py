"""Checkpoints: atomic, hashed, the last few kept, a broken newest falls back and says so (R15)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from matscout import failpoint
from matscout.checkpoint import Checkpoint, CheckpointStore

FAILPOINTS = ("checkpoint.between_files", "checkpoint.before_rename", "checkpoint.after_rename")


def checkpoint(step: int) -> Checkpoint:
    arrays = {"w": np.array([step + 0.5, -1.0], dtype=np.float32), "n": np.array(step)}
    return Checkpoint(step, arrays, {"epoch": step, "lr": 0.1, "random": 2**100 + step})


def same(one: Checkpoint | None, other: Checkpoint) -> bool:
    if one is None or one.step != other.step or dict(one.state) != dict(other.state):
        return False
    return one.arrays.keys() == other.arrays.keys() and all(
        one.arrays[k].dtype == other.arrays[k].dtype
        and one.arrays[k].shape == other.arrays[k].shape
        and np.array_equal(one.arrays[k], other.arrays[k])
        for k in other.arrays
    )


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "trial")
    assert store.load() is None
    state = {"nan": float("inf"), "text": "α", "deep": [1, {"a": None}], "random": 2**127 + 1}
    arrays = {
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "strided": np.arange(10, dtype=np.int64)[::3],
        "bytes": np.arange(5, dtype=np.uint8),
        "empty": np.zeros((0, 3)),
        "scalar": np.array(7, dtype=np.int64),
    }
    store.save(Checkpoint(3, arrays, state))
    assert same(store.load(), Checkpoint(3, arrays, state))


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_last_few_are_kept(tmp_path: Path, keep: int) -> None:
    store = CheckpointStore(tmp_path, keep=keep)
    for step in (1, 5, 12, 100):
        store.save(checkpoint(step))
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == [f"step-{step:08d}" for step in (1, 5, 12, 100)[-keep:]]
    assert same(store.load(), checkpoint(100))


@pytest.mark.parametrize("name", ["arrays.safetensors", "state.json"])
@pytest.mark.parametrize("flip", [0x01, 0x20])
def test_every_flipped_byte_is_found_or_harmless(tmp_path: Path, name: str, flip: int) -> None:
    store = CheckpointStore(tmp_path)
    store.save(checkpoint(1))
    store.save(checkpoint(2))
    path = tmp_path / "step-00000002" / name
    whole = path.read_bytes()
    found = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
        warned: list[str] = []
        loaded = store.load(warned)
        if warned:
            found += 1
            assert same(loaded, checkpoint(1)) and "step-00000002" in warned[0]
        else:
            assert same(loaded, checkpoint(2)), f"byte {place} read as another state"
    assert found > 0.9 * len(whole)


@pytest.mark.parametrize("name", ["arrays.safetensors", "state.json"])
def test_every_truncation_falls_back(tmp_path: Path, name: str) -> None:
    store = CheckpointStore(tmp_path)
    store.save(checkpoint(1))
    store.save(checkpoint(2))
    path = tmp_path / "step-00000002" / name
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        warned: list[str] = []
        assert same(store.load(warned), checkpoint(1))
        assert len(warned) == 1 and "broken checkpoint" in warned[0]


def test_a_missing_file_falls_back_and_nothing_sound_is_none_with_a_word(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    store.save(checkpoint(1))
    store.save(checkpoint(2))
    (tmp_path / "step-00000002" / "arrays.safetensors").unlink()
    warned: list[str] = []
    assert same(store.load(warned), checkpoint(1)) and len(warned) == 1
    (tmp_path / "step-00000001" / "state.json").write_text("{}")
    warned = []
    assert store.load(warned) is None and len(warned) == 2


@pytest.mark.parametrize("name", FAILPOINTS)
def test_a_save_that_fails_leaves_the_one_before(tmp_path: Path, name: str) -> None:
    store = CheckpointStore(tmp_path)
    store.save(checkpoint(1))
    failpoint.arm(f"{name}:1:raise")
    try:
        with pytest.raises(OSError):
            store.save(checkpoint(2))
    finally:
        failpoint.arm("")
    warned: list[str] = []
    expected = checkpoint(2 if name == "checkpoint.after_rename" else 1)
    assert same(store.load(warned), expected) and not warned
    store.save(checkpoint(3))
    assert same(store.load(warned), checkpoint(3)) and not warned


@pytest.mark.parametrize("name", FAILPOINTS)
def test_a_process_killed_while_saving_loses_nothing(tmp_path: Path, name: str) -> None:
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from matscout.checkpoint import Checkpoint, CheckpointStore\n"
        "store = CheckpointStore(Path(sys.argv[1]))\n"
        "for step in (1, 2, 3):\n"
        "    w = np.array([step + 0.5, -1.0], dtype=np.float32)\n"
        "    state = {'epoch': step, 'lr': 0.1, 'random': 2**100 + step}\n"
        "    store.save(Checkpoint(step, {'w': w, 'n': np.array(step)}, state))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={"PYTHONPATH": ":".join(sys.path), "MATSCOUT_FAILPOINT": f"{name}:3:kill"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr
    warned: list[str] = []
    expected = checkpoint(3 if name == "checkpoint.after_rename" else 2)
    assert same(CheckpointStore(tmp_path).load(warned), expected) and not warned


@pytest.mark.parametrize("place", ["checkpoint.between_files", "checkpoint.before_rename"])
def test_saving_a_step_again_never_loses_the_one_there_is(tmp_path: Path, place: str) -> None:
    store = CheckpointStore(tmp_path, keep=1)
    store.save(Checkpoint(3, {"w": np.zeros(2)}, {"n": 1}))
    failpoint.arm(f"{place}:1:raise")
    with pytest.raises(OSError, match="failpoint"):
        store.save(Checkpoint(3, {"w": np.ones(2)}, {"n": 2}))
    failpoint.arm("")
    kept = store.load()
    assert kept is not None and kept.state == {"n": 1}
    store.save(Checkpoint(3, {"w": np.ones(2)}, {"n": 2}))
    kept = store.load()
    assert kept is not None and kept.state == {"n": 2}
    assert [p.name for p in tmp_path.glob("step-*")] == ["step-00000003"]


def test_a_broken_later_step_does_not_push_a_sound_one_out(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep=1)
    (tmp_path / "step-00000009").mkdir()
    store.save(Checkpoint(3, {"w": np.zeros(2)}, {}))
    kept = store.load()
    assert kept is not None and kept.step == 3


@pytest.mark.parametrize("keep", [1, 2, 3, 4, 5, 6])
def test_no_fewer_are_kept_than_there_are_and_were_asked_for(tmp_path: Path, keep: int) -> None:
    store = CheckpointStore(tmp_path, keep=keep)
    for saved in range(1, 9):
        store.save(checkpoint(saved))
        assert len(list(tmp_path.glob("step-*"))) == min(saved, keep)


def test_the_newest_has_the_largest_step_whatever_its_name(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    for step in (99_999_998, 99_999_999, 100_000_000, 100_000_001):
        store.save(checkpoint(step))
        assert same(store.load(), checkpoint(step))
    assert {p.name for p in tmp_path.iterdir()} == {"step-100000000", "step-100000001"}


def test_a_save_that_failed_leaves_no_draft(tmp_path: Path) -> None:
    """On a full disk, drafts that pile up would fill what is left of it."""
    store = CheckpointStore(tmp_path)
    store.save(checkpoint(1))
    failpoint.arm("checkpoint.between_files:1:raise")
    with pytest.raises(OSError, match="failpoint"):
        store.save(checkpoint(2))
    failpoint.arm("")
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000001"]


def test_the_draft_of_a_process_that_was_killed_goes_with_the_next_save(tmp_path: Path) -> None:
    (tmp_path / ".draft-999999999-00000007").mkdir()
    (tmp_path / ".draft-999999999-00000007" / "arrays.safetensors").write_bytes(b"half")
    CheckpointStore(tmp_path).save(checkpoint(8))
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000008"]


def test_what_only_looks_like_a_checkpoint_is_left_alone(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep=1)
    (tmp_path / "step-mine").mkdir()
    store.save(checkpoint(1))
    store.save(checkpoint(2))
    assert same(store.load(), checkpoint(2)) and (tmp_path / "step-mine").is_dir()
