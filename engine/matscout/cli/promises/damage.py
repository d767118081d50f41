"""What happens to files: cut, garbled, filled in wrongly, or made to hurt. All of it from a seed."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

Random = np.random.Generator
Damage = Callable[[bytes, Random], bytes]

_DEEP = 3_000
"""Deeper than Python's own recursion may go."""

_NUMBERS = (
    b"nan", b"inf", b"-inf", b"1e400", b"-1e400", b"1e-400", b"-0", b"9" * 400, b"0x10", b"1_000",
    b"1,5", b"", b" ", b"?", b"true", b"null", b"1+2j", b"\xc2\xbd", b"\xd9\xa3", b"1e", b"--1",
    b"1.2.3", b"=1+1", b"4611686018427387904", b"18446744073709551617", b"-1", b"0", b"1e308",
    b"[]", b"{}", b'""',
)  # fmt: skip

_WORDS = (
    b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\xf0\x9f\x92\xa9", b"\x1b[31m", b"\r", b"\n\n\n",
    b"\t", b'"', b"'", b'"""', b"\\", b"\\u0000", b"\\uD800", b",", b";", b"#", b"=", b"[", b"]",
    b"[[", b"{", b"}", b"(", b")", b"../../etc/passwd", b"/dev/zero", b"http://x", b"__class__",
    b"%s%n", b"\xe2\x80\xae", b"loop_", b"data_", b"_cell_length_a", b"a" * 5000, b"NaN",
    b"Infinity", b"null", b"None",
)  # fmt: skip


def _at(data: bytes, random: Random) -> int:
    return int(random.integers(0, len(data) + 1))


def _span(data: bytes, random: Random, most: int = 40) -> tuple[int, int]:
    start = _at(data, random)
    return start, min(len(data), start + int(random.integers(1, most)))


def cut(data: bytes, random: Random) -> bytes:
    return data[: _at(data, random)]


def emptied(data: bytes, random: Random) -> bytes:
    return b""


def flipped(data: bytes, random: Random) -> bytes:
    """Some bits."""
    out = bytearray(data or b" ")
    for _ in range(int(random.integers(1, 6))):
        out[int(random.integers(len(out)))] ^= 1 << int(random.integers(8))
    return bytes(out)


def dropped(data: bytes, random: Random) -> bytes:
    start, end = _span(data, random)
    return data[:start] + data[end:]


def doubled(data: bytes, random: Random) -> bytes:
    start, end = _span(data, random, 400)
    return data[:end] + data[start:end] * int(random.integers(1, 4)) + data[end:]


def swapped(data: bytes, random: Random) -> bytes:
    """One piece in another's place."""
    start, end = _span(data, random)
    place = _at(data, random)
    return data[:place] + data[start:end] + data[place:]


def noise(data: bytes, random: Random) -> bytes:
    start, end = _span(data, random)
    return data[:start] + random.bytes(int(random.integers(1, 30))) + data[end:]


def word(data: bytes, random: Random) -> bytes:
    place = _at(data, random)
    return data[:place] + _WORDS[int(random.integers(len(_WORDS)))] + data[place:]


def number(data: bytes, random: Random) -> bytes:
    """Another number, or none, where one stood."""
    found = list(re.finditer(rb"-?\d+(?:\.\d+)?", data))
    if not found:
        return word(data, random)
    one = found[int(random.integers(len(found)))]
    new = _NUMBERS[int(random.integers(len(_NUMBERS)))]
    return data[: one.start()] + new + data[one.end() :]


def lines(data: bytes, random: Random) -> bytes:
    """A line lost, doubled, or in another place."""
    rows = data.split(b"\n")
    row = rows.pop(int(random.integers(len(rows))))
    for _ in range(int(random.integers(0, 3))):
        rows.insert(int(random.integers(0, len(rows) + 1)), row)
    return b"\n".join(rows)


def cell(data: bytes, random: Random) -> bytes:
    """The text between two commas, quotes or line breaks, replaced."""
    found = list(re.finditer(rb'[^,"\n=\[\]{}:]+', data))
    if not found:
        return word(data, random)
    one = found[int(random.integers(len(found)))]
    new = (*_NUMBERS, *_WORDS)[int(random.integers(len(_NUMBERS) + len(_WORDS)))]
    return data[: one.start()] + new + data[one.end() :]


def deep(data: bytes, random: Random) -> bytes:
    """Brackets in brackets."""
    place = _at(data, random)
    pair = ((b"[", b"]"), (b"(", b")"), (b'{"a":', b"}"), (b"{a=", b"}"))[int(random.integers(4))]
    closed = bool(random.integers(2))
    inside = pair[0] * _DEEP + b"1" + (pair[1] * _DEEP if closed else b"")
    return inside if random.integers(2) else data[:place] + inside + data[place:]


def marked(data: bytes, random: Random) -> bytes:
    """As other programs save: a byte order mark, UTF-16, other line ends."""
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: b"\xef\xbb\xbf" + data,
        lambda: data.decode("latin-1").encode("utf-16"),
        lambda: data.replace(b"\n", b"\r"),
        lambda: data.replace(b",", b";"),
        lambda: data.replace(b"\n", b"\r\n"),
        lambda: data.replace(b".", b","),
    )
    return ways[int(random.integers(len(ways)))]()


def long(data: bytes, random: Random) -> bytes:
    place = _at(data, random)
    return data[:place] + bytes([int(random.integers(32, 127))]) * 200_000 + data[place:]


DAMAGES: tuple[Damage, ...] = (
    cut, emptied, flipped, dropped, doubled, swapped, noise, word, number, lines, cell, deep,
    marked, long,
)  # fmt: skip


def damaged(data: bytes, random: Random, nth: int) -> bytes:
    """`data` after the `nth` kind of damage; after all have had their turn, one to six at random."""
    if nth < len(DAMAGES):
        return DAMAGES[nth](data, random)
    for _ in range(int(random.integers(1, 7))):
        data = DAMAGES[int(random.integers(len(DAMAGES)))](data, random)[:1_000_000]
    return data
