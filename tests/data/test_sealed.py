"""The sealed test set: who may look, when, and how often."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matscout import durable_file, failpoint
from matscout.data import sealed
from matscout.data.sealed import open_seal, read_seal, seal, visible
from matscout.data.tables import Table
from matscout.errors import InputError


def table(n: int = 60, classes: bool = False, groups: bool = False, seed: int = 0) -> Table:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n).astype(float) if classes else rng.normal(size=n)
    return Table(
        "t.csv", "y", y, {"x": rng.normal(size=n)}, {"c": np.array(["a", "b"] * (n // 2), object)},
        ("no", "yes") if classes else (),
        np.array([f"g{k // 3}" for k in range(n)], dtype=object) if groups else None,
    )  # fmt: skip


def opened(path: Path, one: Table, model: str = "m1") -> np.ndarray:
    return open_seal(path, one, final=True, model=model, when="2026-01-02")


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(["kfold", "stratified", "grouped"]), st.integers(2, 6))
def test_rows_are_visible_or_sealed(tmp_path_factory, seed: int, kind: str, parts: int) -> None:
    path, one = tmp_path_factory.mktemp("seal") / "seal.json", table(groups=True, seed=seed)
    seal(path, one, kind=kind, parts=parts, seed=seed)
    shown = visible(path, one)
    hidden = opened(path, one)
    assert sorted([*shown.tolist(), *hidden.tolist()]) == list(range(60))
    assert np.array_equal(visible(path, one), shown)
    if kind == "grouped":
        assert one.groups is not None
        assert not set(one.groups[shown]) & set(one.groups[hidden])


def test_classes_keep_their_share(tmp_path: Path) -> None:
    one = table(classes=True)
    seal(tmp_path / "s", one)
    hidden = opened(tmp_path / "s", one)
    assert abs(one.target[hidden].mean() - one.target.mean()) < 0.05


def test_the_file_does_not_tell_the_rows_and_the_seed_does(tmp_path: Path) -> None:
    one = table()
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        seal(tmp_path / name, one, seed=seed)
    raw = json.loads((tmp_path / "a").read_text())
    assert not any(isinstance(value, list) for value in raw.values())
    a, b, c = (opened(tmp_path / name, one).tolist() for name in "abc")
    assert a == b and a != c


def test_closed_until_final(tmp_path: Path) -> None:
    path, one = tmp_path / "s", table()
    seal(path, one)
    with pytest.raises(InputError, match="is sealed; say --final"):
        open_seal(path, one, final=False, model="m", when="now")
    assert not read_seal(path).opened


def test_one_model_looks_and_no_other(tmp_path: Path) -> None:
    path, one = tmp_path / "s", table()
    seal(path, one)
    first = opened(path, one)
    assert (read_seal(path).opened, read_seal(path).model) == ("2026-01-02", "m1")
    assert np.array_equal(opened(path, one), first)
    with pytest.raises(InputError, match="opened on 2026-01-02, by another model") as error:
        opened(path, one, "m2")
    assert "\n" not in str(error.value)


def test_of_eight_models_at_once_one_looks(tmp_path: Path) -> None:
    path, one = tmp_path / "s", table()
    seal(path, one)
    start = threading.Barrier(8)

    def look(number: int) -> bool:
        start.wait()
        try:
            return len(opened(path, one, f"m{number}")) > 0
        except InputError:
            return False

    with ThreadPoolExecutor(8) as pool:
        looked = list(pool.map(look, range(8)))
    assert sum(looked) == 1 and read_seal(path).model == f"m{looked.index(True)}"


def test_the_look_is_on_disk_before_a_row_is_out(tmp_path: Path, monkeypatch) -> None:
    path, one = tmp_path / "s", table()
    seal(path, one)

    def die(made: object, of: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sealed, "_rows", die)
    with pytest.raises(KeyboardInterrupt):
        opened(path, one)
    assert read_seal(path).model == "m1"


def test_a_full_disk_opens_nothing(tmp_path: Path, monkeypatch) -> None:
    path, one = tmp_path / "s", table()
    seal(path, one)

    def full(where: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable_file, "write_durably", full)
    with pytest.raises(InputError, match="cannot be written"):
        opened(path, one)
    assert not read_seal(path).opened
    assert [file.name for file in tmp_path.iterdir()] == ["s"]


def test_sealing_twice(tmp_path: Path) -> None:
    path, one = tmp_path / "s", table()
    assert seal(path, one) == seal(path, one)
    opened(path, one)
    assert seal(path, one).opened == "2026-01-02"
    with pytest.raises(InputError, match="seals other rows already"):
        seal(path, one, seed=1)


@pytest.mark.parametrize("seed", [0, 1])
def test_of_two_first_seals_one_stands(tmp_path: Path, seed: int) -> None:
    """Another process seals, and even looks, between this one's look for a seal and its own."""
    path, one = tmp_path / "s", table()

    def other(place: str) -> None:
        if place == "file.before_fsync" and not path.exists() and not done:
            done.append(place)
            seal(path, one, seed=seed)
            opened(path, one)

    done: list[str] = []
    with failpoint.watched(other):
        if seed:
            with pytest.raises(InputError, match="seals other rows already"):
                seal(path, one)
        else:
            assert seal(path, one).model == "m1"
    assert done and (read_seal(path).seed, read_seal(path).model) == (seed, "m1")
    assert [file.name for file in tmp_path.iterdir()] == ["s"]


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_of_two_first_seals_one_stands_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """exFAT has none, nor have some file systems that are shared over a network."""

    def refused(*_: object) -> None:
        raise OSError(code, "no hard links")

    monkeypatch.setattr(os, "link", refused)
    one = table()
    with ThreadPoolExecutor(8) as pool:
        told = [pool.submit(seal, tmp_path / "s", one, seed=seed) for seed in range(8)]
    stands = read_seal(tmp_path / "s")
    for seed, said in enumerate(told):
        if seed == stands.seed:
            assert said.result() == stands
        else:
            assert "seals other rows already" in str(said.exception())
    opened(tmp_path / "s", one)
    assert seal(tmp_path / "s", one, seed=stands.seed).model == "m1"
    assert [file.name for file in tmp_path.iterdir()] == ["s"]


def test_processes_that_seal_at_once_agree(tmp_path: Path) -> None:
    """Each seals from a seed of its own once all are there; what one was told stands in the end."""
    child = (
        "import sys; from pathlib import Path; from tests_of_sealed import seal_once;"
        "print('there', flush=True); sys.stdin.readline(); seal_once(Path('s'), int(sys.argv[1]))"
    )
    (tmp_path / "tests_of_sealed.py").write_text(
        "import numpy as np\n"
        "from matscout.data.sealed import seal\n"
        "from matscout.data.tables import Table\n"
        "from matscout.errors import InputError\n"
        "def seal_once(path, seed):\n"
        "    try:\n"
        "        print(seal(path, Table('t', 'y', np.arange(60.0)), kind='kfold', seed=seed).seed)\n"
        "    except InputError:\n"
        "        print('refused')\n"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", child, str(seed)], cwd=tmp_path, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for seed in range(3)
    ]  # fmt: skip
    for one in running:
        assert one.stdout is not None and one.stdout.readline() == "there\n"
    for one in running:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    said = [one.communicate()[0].strip() for one in running]
    assert sorted(said, reverse=True)[:2] == ["refused"] * 2
    assert str(read_seal(tmp_path / "s").seed) in said


def test_another_table_is_refused(tmp_path: Path) -> None:
    path, one = tmp_path / "s", table()
    seal(path, one)
    changed = replace(one, numeric={"x": one.numeric["x"] + 1e-9})
    with pytest.raises(InputError, match="not this one"):
        visible(path, changed)
    assert len(visible(path, replace(one, name="elsewhere/t.csv"))) == 48


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 1}', '{"schema": 1, "rows": 3}'])
def test_what_is_no_seal(tmp_path: Path, text: str) -> None:
    (tmp_path / "s").write_text(text)
    with pytest.raises(InputError, match="no seal"):
        read_seal(tmp_path / "s")


def test_what_cannot_be_sealed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such seal"):
        visible(tmp_path / "s", table())
    with pytest.raises(InputError, match="needs a group"):
        seal(tmp_path / "s", table(), kind="grouped")
    with pytest.raises(InputError, match="cannot be drawn"):
        seal(tmp_path / "s", table(), kind="leave_one_out")
    with pytest.raises(InputError, match="do not make"):
        seal(tmp_path / "s", table(4), kind="kfold")
    assert not (tmp_path / "s").exists()
