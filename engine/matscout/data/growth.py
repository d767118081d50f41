"""How much memory a file may come to: twenty kilobytes can say that a table has a billion cells.

What a file holds is weighed before Python's objects are made of it, in bytes of memory, roughly, by
the characters that part one value from the next. Measured on Python 3.11 with files made to be bad, and
with honest ones, reading takes 0.3 to 2.4 times the weight.

Honest files are dense, too. For each byte on disk a plain table weighs some 20, packed JSON of numbers
24, packed crystals 48 (phonons) to 122 (19,000 cubic perovskites, all alike, as Matbench writes them);
but 500 fingerprints of 2,048 bits weigh 110 to 1,340 when packed as JSON, and columns of yes and no in
Parquet 340 to 5,900. So no file is refused for its density below a weight that any computer has.
"""

from __future__ import annotations

from matscout.errors import InputError

SMALL = 512 * 2**20
"""Bytes of memory that any file may take, however small it is: packed fingerprints of 2,048 bits for
3,700 molecules, where their density alone would have 240."""
FACTOR = 2048
"""Bytes of memory for each byte on disk; gzip's thousand times Python's fifty would be 50,000."""
MOST = 3 * 2**30
"""Bytes of memory for any file, however large."""
ROW, VALUE, OBJECT = 160, 64, 160
"""Bytes of memory: a row's own, a short text or number with the pointers to it, a dictionary's own."""

_MEND = "save it as CSV, or take fewer rows"


def room(size: int) -> int:
    """Bytes of memory that a file of `size` bytes on disk may take."""
    return min(max(SMALL, FACTOR * size), MOST)


def json_weight(data: bytes) -> int:
    """Of JSON, or lines of it: three copies of the text, two of them at four bytes a character where
    one needs as many, and every value.
    """
    values = sum(map(data.count, (b",", b"[", b"\n")))
    copies = 3 if data.isascii() else 9
    return copies * len(data) + VALUE * values + OBJECT * data.count(b"{")


def csv_weight(text: str) -> int:
    """Of comma-separated text, which the reader holds at four bytes a character."""
    rows = max(text.count("\n"), text.count("\r"))
    return 6 * len(text) + VALUE * text.count(",") + ROW * rows


def rows_weight(rows: int, columns: int) -> int:
    """Of a table's rows of cells, whose text is weighed apart."""
    return rows * (ROW + 16 * columns)


def check_growth(weight: int, size: int, where: str, mend: str = _MEND) -> None:
    """InputError for what weighs more than a file of `size` bytes on disk may take."""
    if weight > room(size):
        what = f"{size:,} bytes that would take some {weight >> 20:,} MB of memory to read"
        raise InputError(where, what, mend)
