"""How large a sealed test set is."""

from __future__ import annotations

from matscout.errors import InputError


def parts_of(share: float) -> int:
    """Into how many equal parts rows are drawn so that one of them is about that share of all."""
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0.0 < share <= 0.5:
        raise InputError("sealed", f"0 < share <= 0.5 must hold, got {share!r}", "0.2 is usual")
    return round(1 / share)
