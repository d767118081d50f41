"""Text that a spreadsheet will not run."""

from __future__ import annotations

from matscout.errors import one_line

_FORMULA = ("=", "+", "-", "@")


def safe(cell: object) -> object:
    """A cell to write: text that a spreadsheet would take for a formula gets an apostrophe."""
    if not isinstance(cell, str):
        return cell
    text = one_line(cell)
    return f"'{text}" if text.startswith(_FORMULA) else text


def unquoted(cell: str) -> str:
    """The text that `safe` wrote."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in _FORMULA else cell
