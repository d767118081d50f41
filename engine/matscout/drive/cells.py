"""Values as the cells of a spreadsheet, both ways."""

from __future__ import annotations

import math
from typing import Any

from matscout.data.spreadsheet import unquoted
from matscout.data.text_table import as_number
from matscout.parameter import Categorical, Parameter
from matscout.trial import Value

_CLOSE = 1e-6
"""Numbers that agree to so much are one: spreadsheets save what they show, some nine digits."""


def read_value(parameter: Parameter, cell: str) -> Value | None:
    """The parameter's value that `cell` spells, or None."""
    text = unquoted(cell)
    if isinstance(parameter, Categorical):
        return next((c for c in parameter.choices if same_value(c, text)), None)
    number = as_number(text)
    if number is None:
        return None
    return parameter.canonical(int(number) if number.is_integer() else number)


def same_value(a: Value, b: Any) -> bool:
    """Whether `a` and `b` (a value, or the text of one) are the same: numbers by value, truth by
    its word, text as it is."""
    if isinstance(a, bool) or isinstance(b, bool):
        return str(a).lower() == str(b).lower()
    x, y = _number(a), _number(b)
    if x is None or y is None:
        return str(a).strip() == unquoted(str(b)).strip()
    return math.isclose(x, y, rel_tol=_CLOSE, abs_tol=1e-12)


def _number(value: Any) -> float | None:
    if isinstance(value, int | float):
        return float(value)
    return as_number(value) if isinstance(value, str) else None
