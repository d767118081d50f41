"""What one check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """`said` is what was found, `mend` what to do about it (empty where nothing is to be done)."""

    state: State
    what: str
    said: str
    mend: str = ""


def ok(what: str, said: str) -> Finding:
    return Finding("ok", what, said)


def warn(what: str, said: str, mend: str) -> Finding:
    return Finding("warn", what, said, mend)


def fail(what: str, said: str, mend: str) -> Finding:
    return Finding("fail", what, said, mend)
