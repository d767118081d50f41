"""The bytes of a file of JSON that may be gzipped: a small archive can hold a sea."""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path

from matscout.data.growth import MOST, check_growth, json_weight, room
from matscout.errors import InputError


def unpacked(path: Path, most: int) -> bytes:
    """All of it, unpacked where the name ends in .gz. InputError for more than `most` bytes, and for
    what would take more memory than a file of its size may (growth.py).
    """
    packed = path.suffix == ".gz"
    split, smaller = "split the file", "unpack it, and try again" if packed else "take fewer rows"
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if room(size) // 3 < most:  # such a text alone weighs more
                most, split = room(size) // 3, smaller
            stream = gzip.GzipFile(fileobj=file) if packed else file
            data = stream.read(most + 1)
    except FileNotFoundError:
        raise InputError(str(path), "no such file", "check the path") from None
    except (OSError, EOFError, zlib.error) as error:
        # A damaged archive is no error of the system, and has no number.
        told = getattr(error, "strerror", None)
        mend = "check the path" if told else "get it anew"
        raise InputError(str(path), f"cannot be read ({told or error!s:.80})", mend) from None
    if len(data) > most:
        what = f"more than {most:,} bytes"
        raise InputError(str(path), f"{what} when unpacked" if packed else what, split)
    weight = json_weight(data)
    check_growth(weight, size, str(path), smaller if weight <= MOST else "take fewer rows")
    return data
