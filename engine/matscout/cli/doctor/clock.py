"""The wall clock. It decides nothing (leases run on a monotonic one), but events carry its time."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from matscout.cli.doctor.finding import Finding, ok, warn

_WRITTEN_S = 1_760_000_000.0
"""October 2025: matscout did not exist before."""

_AHEAD_S = 60.0


def check(files: Iterable[Path], now_s: float | None = None) -> list[Finding]:
    """Whether it can be now: after matscout was written, and not before the runs' last events."""
    now_s = time.time() if now_s is None else now_s
    mend = "set the clock (NTP): nothing breaks, but the journal's times are wrong"
    if now_s < _WRITTEN_S:
        said = time.strftime("%Y-%m-%d", time.gmtime(now_s))
        return [warn("clock", f"it says {said}", mend)]
    latest = max((f.stat().st_mtime for f in files if f.is_file()), default=0.0)
    if latest > now_s + _AHEAD_S:
        said = f"the newest journal is {latest - now_s:.0f} s younger than now"
        return [warn("clock", said, mend)]
    return [ok("clock", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now_s)))]
