"""A file of a few kilobytes takes no sea of memory from whoever reads it; an honest one is read."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from matscout.data import growth
from matscout.data.structures import load_structures
from matscout.data.text_table import read_text_table
from matscout.errors import InputError

_WIDE = b",".join(b'"%d":1' % k for k in range(4000))
BAD = {
    "lists.json.gz": b"[" + b"[]," * (8 * 2**20) + b"[]]",
    "texts.json.gz": b'[{"a":[' + b'"ab",' * (8 * 2**20) + b'""]}]',
    "wide.json.gz": b"[{" + _WIDE + b"}" + b",{}" * 200_000 + b"]",
    "breaks.jsonl.gz": b'{"a":1}' + b"\n" * 2**24,
}
_READ = """
import sys
from pathlib import Path
from matscout.data.structures import load_structures
from matscout.data.text_table import read_text_table
from matscout.errors import InputError
def most():
    known = Path("/proc/self/status").read_text()
    return int(known.split("VmHWM:")[1].split()[0]) // 1024
before = most()
for path in sys.argv[1:]:
    for read in (read_text_table, load_structures):
        try:
            read(Path(path))
        except InputError as error:
            print(error)
        else:
            print("was read")
print(most() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
def test_what_a_small_file_takes(tmp_path: Path) -> None:
    for name, data in BAD.items():
        (tmp_path / name).write_bytes(gzip.compress(data, 1, mtime=0))
    names = [str(tmp_path / name) for name in BAD]
    ran = subprocess.run(
        [sys.executable, "-c", _READ, *names], capture_output=True, text=True, check=True
    )
    *said, took = ran.stdout.splitlines()
    assert len(said) == 2 * len(BAD) and "was read" not in said
    assert all(line.startswith(str(tmp_path)) for line in said)
    assert int(took) < 150  # MB; the first of them alone took 600


@pytest.mark.parametrize("read", [read_text_table, load_structures])
def test_the_way_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: object) -> None:
    monkeypatch.setattr(growth, "SMALL", 64 * 2**20)
    path = tmp_path / "t.json.gz"
    path.write_bytes(gzip.compress(b"[" + b"{}," * 300_000 + b"{}]"))
    with pytest.raises(InputError, match="MB of memory to read") as error:
        read(path)  # type: ignore[operator]
    assert "unpack it" in str(error.value) and "\n" not in str(error.value)
    (tmp_path / "t.json").write_bytes(gzip.decompress(path.read_bytes()))
    with pytest.raises(InputError, match=r"empty table|not an object|no structure"):
        read(tmp_path / "t.json")  # type: ignore[operator]
    path.write_bytes(gzip.compress(b'["' + b"a" * 2**25 + b'"]'))  # the text alone is too much
    with pytest.raises(InputError, match="bytes when unpacked; unpack it"):
        read(path)  # type: ignore[operator]


def test_a_parquet_file_of_one_value(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    for name, value, rows in (("many", "ab", 4_000_000), ("long", "ab" * 2**19, 100)):
        column = pyarrow.DictionaryArray.from_arrays([0] * rows, [value])
        parquet.write_table(pyarrow.table({"a": column}), tmp_path / f"{name}.parquet")
        with pytest.raises(InputError, match="or 512 MB of cells"):
            read_text_table(tmp_path / f"{name}.parquet")


def test_a_csv_of_rows_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "MOST", 2**20)
    (tmp_path / "t.csv").write_text("a\n" * 10_000)
    with pytest.raises(InputError, match=r"MB of memory to read; take fewer rows$"):
        read_text_table(tmp_path / "t.csv")


@pytest.mark.parametrize("name", ["t.json", "t.json.gz", "t.jsonl", "t.jsonl.gz"])
def test_an_honest_table_is_read(tmp_path: Path, name: str) -> None:
    rows = [{"formula": "LiCoO2", "y": k / 7} | {f"is_{j}": j == k % 9 for j in range(9)}
            for k in range(2000)]  # fmt: skip
    text = "\n".join(map(json.dumps, rows)) if "jsonl" in name else json.dumps(rows)
    data = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert len(read_text_table(tmp_path / name).rows) == 2000


def test_packed_fingerprints_are_read(tmp_path: Path) -> None:
    """Sparse bits weigh more than a thousand bytes for each that they have on disk."""
    rng = np.random.default_rng(0)
    bits = (rng.random((500, 2048)) < 0.02).astype(int).tolist()
    names = [f"bit_{k}" for k in range(2048)]
    data = json.dumps({"columns": names, "data": bits}, separators=(",", ":")).encode()
    path = tmp_path / "t.json.gz"
    path.write_bytes(gzip.compress(data))
    assert growth.json_weight(data) > 1000 * path.stat().st_size
    table = read_text_table(path)
    assert len(table.rows) == 500 and table.rows[7] == tuple(map(str, bits[7]))


def test_yes_and_no_in_parquet_are_read(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    group = np.sort(np.random.default_rng(0).integers(0, 230, 4000))
    parquet.write_table(
        pyarrow.table({f"is_{k}": group == k for k in range(230)}), tmp_path / "t.parquet"
    )
    table = read_text_table(tmp_path / "t.parquet")
    assert [row.index("true") for row in table.rows] == group.tolist()


def test_characters_of_four_bytes_weigh_more() -> None:
    assert growth.json_weight("😀".encode()) == 9 * 4 and growth.json_weight(b"abcd") == 3 * 4


def test_room_grows_with_the_file_to_an_end() -> None:
    assert growth.room(0) == growth.room(24_000) == growth.SMALL
    assert growth.room(2**20) == growth.FACTOR * 2**20
    assert growth.room(2**40) == growth.MOST
