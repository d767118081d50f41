"""JSON that others may have written."""

from __future__ import annotations

import json
from typing import Any


def parsed_json(text: str | bytes) -> Any:
    """What `text` says; ValueError for all that is no JSON, and for what is nested deeper than Python
    follows (`json.loads` raises RecursionError for it, which nobody who reads a file thinks of).
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
