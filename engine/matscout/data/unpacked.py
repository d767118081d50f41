"""The bytes of a file that may be gzipped: a small archive can hold a sea."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from matscout.errors import InputError


def unpacked(path: Path, most: int) -> bytes:
    """All of it, unpacked where the name ends in .gz. InputError for more than `most` bytes."""
    try:
        with open(path, "rb") as file:
            stream = gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file
            data = stream.read(most + 1)
    except FileNotFoundError:
        raise InputError(str(path), "no such file", "check the path") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(str(path), f"cannot be read ({error!s:.80})") from None
    if len(data) > most:
        raise InputError(str(path), f"more than {most:,} bytes", "split the file")
    return data
