"""Where the result of a benchmark goes: to the screen, into a JSON file, onto a page of Markdown."""

from __future__ import annotations

import json as jsonlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matscout.cli.words import end
from matscout.durable_file import replace_durably, write_durably
from matscout.errors import InputError

Result = dict[str, Any]

_LISTS = re.compile(r"\[[-0-9.,\snulle+]*\]")
"""Lists of numbers: on one line, or a file of curves has a line for every point."""

_SHAPELESS = (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError)
"""What a page runs into where a result holds something else than it does."""


def show(
    result: Result, table: Callable[[Result], str], json: bool, out: Path | None = None
) -> None:
    """Write it to `out`, if any, print it, and end with 3 where a promise was broken."""
    write(out, result)
    print(_text(result) if json else table(result))
    end(3 if result.get("broken") else 0)


def write(path: Path | None, result: Result) -> None:
    """None: nowhere."""
    if path is not None:
        _written(path, _LISTS.sub(_in_a_row, _text(result)) + "\n")


def render(
    file: Path,
    out: Path | None,
    load: Callable[[Path], Result],
    page: Callable[[Result], str],
) -> None:
    """What an earlier benchmark wrote, as a page: into `out`, or printed. InputError for a file that
    lacks what the page tells of.
    """
    try:
        text = page(load(file))
    except _SHAPELESS as error:
        what = f"is not what --out has written ({type(error).__name__}: {error!s:.80})"
        raise InputError(str(file), what, "make it anew") from error
    if out is None:
        print(text, end="")
    elif out.absolute() == file.absolute():
        raise InputError(str(out), "would be written over what is read", "name another file")
    else:
        _written(out, text)


def _written(path: Path, text: str) -> None:
    """Hours of work are in what stands there; a pipe or a device is nothing to be replaced."""
    plain = not path.is_symlink() and (path.is_file() or not path.exists())
    (replace_durably if plain else write_durably)(path, text.encode())


def _text(result: Result) -> str:
    return jsonlib.dumps(result, indent=1, allow_nan=False)


def _in_a_row(numbers: re.Match[str]) -> str:
    return "[" + ", ".join(numbers.group()[1:-1].replace(",", " ").split()) + "]"
