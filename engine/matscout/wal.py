"""Looks at SQLite's write-ahead log before SQLite does.

SQLite reads a WAL up to the first frame whose checksum is wrong and forgets the rest without a
word. A tail torn by a crash may be forgotten (it was never acknowledged); a flipped byte further
up may not. Format: sqlite.org/fileformat2.html, section 4.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

_HEADER = 32
_FRAME_HEADER = 24


@dataclass(frozen=True)
class WalTail:
    """`torn_bytes` follow the last whole transaction; `damage` says what no crash explains."""

    torn_bytes: int = 0
    damage: str = ""


def inspect_wal(path: Path) -> WalTail:
    """What SQLite would silently drop from the WAL at `path`."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return WalTail()
    if not data:
        return WalTail()
    if len(data) < _HEADER:
        return WalTail(torn_bytes=len(data))
    magic, _, page_size = struct.unpack(">III", data[:12])
    if magic not in (0x377F0682, 0x377F0683):
        return WalTail(damage="the header of the write-ahead log is damaged")
    order = ">" if magic & 1 else "<"
    checksum = _checksum(data[:24], (0, 0), order)
    if checksum != struct.unpack(">II", data[24:32]):
        return WalTail(damage="the header of the write-ahead log is damaged")
    salts = data[16:24]

    size = _FRAME_HEADER + page_size
    committed = _HEADER
    position = _HEADER
    while position + size <= len(data):
        frame = data[position : position + size]
        if frame[8:16] != salts:  # left over from before the log was last started anew
            break
        checksum = _checksum(frame[:8], checksum, order)
        checksum = _checksum(frame[_FRAME_HEADER:], checksum, order)
        if checksum != struct.unpack(">II", frame[16:24]):
            break
        position += size
        if struct.unpack(">I", frame[4:8])[
            0
        ]:  # the database size: set on a transaction's last frame
            committed = position
    return _judge(data, committed, size, salts)


def _judge(data: bytes, committed: int, size: int, salts: bytes) -> WalTail:
    """Whether what follows the last whole transaction looks like one torn transaction, or worse."""
    torn = 0
    for position in range(committed, len(data), size):
        frame = data[position : position + size]
        if frame[8:16] != salts and len(frame) >= 16:
            # A stale frame ends the live log, unless live ones follow it: then it was damaged.
            if any(data[p + 8 : p + 16] == salts for p in range(position + size, len(data), size)):
                return WalTail(damage="a frame in the middle of the write-ahead log is damaged")
            break
        torn += len(frame)
        last = len(frame) == size and struct.unpack(">I", frame[4:8])[0] != 0
        if last and data[position + size + 8 : position + size + 16] == salts:
            return WalTail(damage="a transaction in the middle of the write-ahead log is damaged")
    return WalTail(torn_bytes=torn)


def _checksum(data: bytes, start: tuple[int, int], order: str) -> tuple[int, int]:
    """SQLite's running checksum over 8-byte steps (section 4.2)."""
    a, b = start
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for x, y in zip(words[::2], words[1::2], strict=True):
        a = (a + x + b) & 0xFFFFFFFF
        b = (b + y + a) & 0xFFFFFFFF
    return a, b
