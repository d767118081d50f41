"""How a run spends: budget, workers, retries. Values only; the loop obeys them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from matscout.errors import InputError


@dataclass(frozen=True)
class Policy:
    """Everything about a run that may change between two sittings without changing its past.

    trials: how many trials are asked for in all. slots: how many are open at once. ahead: how many
    more are chosen beforehand, for workers to go on with while the next are being chosen (queue.py).
    overlap: whether these are begun, all of them, while the next are being chosen (overlap.py).
    cancel_obsolete: whether running work is cancelled for something better (obsolete.py).
    lease_s: silence (no report) after which an attempt is given up; None waits for ever.
    timeout_s: how long one attempt may take; the fleet enforces it. max_crashes: crashes and
    expired leases after which a trial is left alone. costly: never repeat an experiment by
    ourselves. budget_s: seconds after which nothing more is asked in this sitting.
    on_interrupt: whether Ctrl-C cancels running work (trainers save first) or waits for it.
    """

    trials: int
    slots: int = 1
    batch: int = 1
    lease_s: float | None = None
    timeout_s: float | None = None
    max_crashes: int = 3
    costly: bool = False
    budget_s: float | None = None
    on_interrupt: Literal["cancel", "wait"] = "cancel"
    ahead: int = 0
    cancel_obsolete: bool = False
    overlap: bool = False

    def __post_init__(self) -> None:
        for name in ("trials", "slots", "batch", "max_crashes"):
            if getattr(self, name) < 1:
                raise InputError(f"run.{name}", f"must be at least 1, got {getattr(self, name)}")
        for name in ("lease_s", "timeout_s", "budget_s"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"run.{name}", f"must be positive, got {value}")
        if self.ahead < 0:
            raise InputError("run.ahead", f"must be 0 or more, got {self.ahead}")
        if 0 < self.ahead < self.batch:
            what = f"is {self.ahead}, and {self.batch} are asked for at a time (run.batch)"
            raise InputError("run.ahead", what, "make it 0, or at least as many")
        if self.cancel_obsolete and self.costly:
            what = "would cancel experiments, and these are costly"
            raise InputError("run.cancel_obsolete", what, "leave out one of the two")
        if self.cancel_obsolete and not self.ahead:
            what = "needs something that waits to take the place of what is cancelled"
            raise InputError("run.cancel_obsolete", what, "set run.ahead to 1 or more")
        if self.overlap and not self.ahead:
            what = "needs trials to begin while the next ones are being chosen"
            raise InputError("run.overlap", what, "set run.ahead to more than run.batch")
        if self.overlap and self.cancel_obsolete:
            what = "needs every fit to rank what waits anew, and run.overlap begins it as it stands"
            raise InputError("run.cancel_obsolete", what, "leave out one of the two")

    @property
    def overlaps(self) -> bool:
        """Whether anything is left to begin while the next are being chosen."""
        return self.overlap and self.ahead > self.batch
