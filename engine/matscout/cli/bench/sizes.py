"""How many rows, as a person names them: 20,50,100."""

from __future__ import annotations

from matscout.errors import InputError


def sizes_named(given: str, least: int, usual: tuple[int, ...]) -> tuple[int, ...]:
    """Of `--sizes`, in ascending order; `usual` if none is named. InputError for one below `least`."""
    words = [word.strip() for word in given.split(",") if word.strip()]
    if not all(word.isdecimal() and int(word) >= least for word in words):
        what = f"must be whole numbers >= {least} with commas, got {given!r}"
        raise InputError("--sizes", what, f"{','.join(map(str, usual))} is usual")
    return tuple(sorted({int(word) for word in words})) or usual
