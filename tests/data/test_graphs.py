"""Packs of arrays: read as they were written, in any order, and never read wrong."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import numpy as np
import pytest

from matscout.data.graphs import GraphStore, Record


def key(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def record(seed: int, length: int) -> Record:
    rng = np.random.default_rng(seed)
    return {
        "center": rng.integers(0, 9, length),
        "image": rng.integers(-2, 3, (length, 3)).astype(np.int32),
        "distance": rng.uniform(0, 6, length),
    }


RECORDS = {key(f"r{k}"): record(k, length) for k, length in enumerate((3, 0, 7, 1))}


def same(found: Record | None, expected: Record) -> bool:
    return found is not None and all(
        np.array_equal(found[n], expected[n]) and found[n].dtype == expected[n].dtype
        for n in expected
    )


def test_what_is_written_is_read_in_any_order(tmp_path: Path) -> None:
    store = GraphStore(tmp_path / "new" / "folder")
    assert len(store) == 0 and store.get(key("r0")) is None
    store.add(RECORDS)
    again = GraphStore(tmp_path / "new" / "folder")
    for one in (store, again):
        assert len(one) == 4
        assert all(same(one.get(name), RECORDS[name]) for name in reversed(RECORDS))
        assert one.get(key("absent")) is None
    view = again.get(key("r2"))
    assert view is not None and not view["distance"].flags.writeable
    assert not list(tmp_path.rglob(".*")), "no draft is left behind"


def test_packs_add_up_and_two_writers_do_not_mind_each_other(tmp_path: Path) -> None:
    one, other = GraphStore(tmp_path), GraphStore(tmp_path)
    names = list(RECORDS)
    one.add({name: RECORDS[name] for name in names[:3]})
    other.add({name: RECORDS[name] for name in names[1:]})  # it knows of none of them
    assert len(list(tmp_path.glob("*.pack"))) == 2
    assert len(other) == 4, "what the other wrote is found on the way"
    one.add({names[0]: RECORDS[names[0]]})
    assert len(list(tmp_path.glob("*.pack"))) == 2, "nothing new, nothing written"
    fresh = GraphStore(tmp_path)
    assert all(same(fresh.get(name), RECORDS[name]) for name in names)


def test_a_damaged_pack_is_left_aside_and_mended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    GraphStore(tmp_path).add(RECORDS)
    (path,) = tmp_path.glob("*.pack")
    whole = path.read_bytes()
    damages = [whole[:n] for n in (0, 1, 8, 50, len(whole) // 2, len(whole) - 1)]
    damages += [
        whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :]
        for place in range(0, len(whole), 7)
    ]
    with caplog.at_level(logging.WARNING):
        for damage in damages:
            path.write_bytes(damage)
            store = GraphStore(tmp_path)
            for name, expected in RECORDS.items():
                found = store.get(name)
                assert found is None or same(found, expected), "never a wrong number"
    assert "made again" in caplog.text
    path.write_bytes(whole[:-1])
    store = GraphStore(tmp_path)
    assert len(store) == 0
    store.add(RECORDS)
    assert path.read_bytes() == whole and len(store) == len(GraphStore(tmp_path)) == 4
