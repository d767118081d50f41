"""What can go wrong, by who can mend it: the person, the run, or nobody."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class MatscoutError(Exception):
    """Anything matscout raises on purpose. `exit_code` is what the command line ends with."""

    exit_code = 3


class InputError(MatscoutError):
    """A person's mistake: one line that says where, what is wrong, and how to mend it.

    >>> print(InputError("sweep.toml: space.lr", "low 1.0 is above high 0.1", "swap them"))
    sweep.toml: space.lr: low 1.0 is above high 0.1; swap them
    """

    exit_code = 2

    def __init__(self, where: str, what: str, mend: str = "") -> None:
        self.where, self.what, self.mend = where, what, mend
        super().__init__(one_line(f"{where}: {what}" + (f"; {mend}" if mend else "")))

    def within(self, outer: str) -> InputError:
        """The same mistake, seen from a place further out (a file, a table)."""
        return type(self)(f"{outer}: {self.where}", self.what, self.mend)

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        return type(self), (self.where, self.what, self.mend)


class RunFailed(MatscoutError):
    """The run itself cannot go on (every trial crashes, no worker starts, the disk is gone)."""


class JournalDamaged(InputError):
    """The journal does not hold what was acknowledged. Nothing is read past the damage."""

    exit_code = 3


class JournalUnavailable(MatscoutError):
    """An append was not acknowledged (disk full, I/O error): nothing changed, try again."""


class JournalTaken(RunFailed):
    """Another driver has taken the run over: this one can write nothing more, and stops."""


class ExperimentFailed(MatscoutError):
    """Raised by an evaluator: the experiment did not work. That is data, recorded as `failed`."""


class InvalidValue(MatscoutError):
    """A result that is no finite number per target: kept as `invalid`, outside the model."""


def require_whole(where: str, value: object, least: int, most: int | None = None) -> None:
    """InputError unless `value` is a whole number, `least` or more and at most `most`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(where, f"must be a whole number ≥ {least}, got {value!r}")
    if most is not None and value > most:
        raise InputError(where, f"must be at most {most:,}, got {value!r:.40}")


def one_line(text: str) -> str:
    """Without line breaks and control characters, so that a terminal or a log shows one line."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?`, or the known words where none is near."""
    words = sorted(known)
    near = get_close_matches(word, words, n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else "known here: " + ", ".join(words)
