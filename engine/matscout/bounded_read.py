"""The bytes of a file that need not be what its name says: it may have no end."""

from __future__ import annotations

import errno
import os
from pathlib import Path

MOST_BYTES = 2**30
"""No file that matscout itself has written comes near."""
_PIECE = 2**20


class TooLarge(OSError):
    """There is more than may be read."""


def read_bounded(path: Path, most: int = MOST_BYTES) -> bytes:
    """All of it. TooLarge for more than `most` bytes, whatever its size is said to be: that of a device
    or a pipe is 0. OSError where it cannot be read.
    """
    pieces, left = [], most + 1
    with open(path, "rb") as file:
        while left and (piece := file.read(min(left, _PIECE))):
            pieces.append(piece)
            left -= len(piece)
    if not left:
        raise TooLarge(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return b"".join(pieces)
