"""A trainer's side of checkpoints: when to save, what is whose, and no silent fresh start."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from matscout.checkpoint import Checkpoint, CheckpointStore
from matscout.clock import Clock, SystemClock
from matscout.errors import RunFailed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cadence:
    """Save after every `epochs` epochs (or folds), and inside one after `seconds` or `batches`
    since the last save; 0 switches that one off.
    """

    epochs: int = 5
    seconds: float = 30.0
    batches: int = 0


class Keeper:
    """Saves and finds the state of one attempt at one trial; does nothing where `store` is None.

    `fingerprint` says what the state is a state of (data, params, seed): a checkpoint of anything
    else is refused. A checkpoint's `step` counts moves of the cursor, not epochs, so that no save
    takes the name of an earlier one and the earlier one stays whole until the new one is there.
    """

    def __init__(
        self,
        store: CheckpointStore | None,
        fingerprint: str,
        cadence: Cadence,
        clock: Clock | None = None,
    ) -> None:
        self._store, self._fingerprint, self._cadence = store, fingerprint, cadence
        self._clock = clock or SystemClock()
        self._last_s = self._clock.monotonic()
        self._last_step: int | None = None
        self._batches = 0

    def restore(self, take: Callable[[Checkpoint], None]) -> bool:
        """Hand the newest sound checkpoint to `take`; False where there is none to go on from.

        Raises RunFailed, naming the folder, where checkpoints exist and none can be used: starting
        afresh would look like going on.
        """
        if self._store is None:
            return False
        broken: list[str] = []
        found = self._store.load(broken)
        for line in broken:
            log.warning("%s", line)
        if found is None:
            if broken:
                raise RunFailed(f"no sound checkpoint left in {self._store.folder}: {broken[0]}")
            return False
        if found.state.get("fingerprint") != self._fingerprint:
            raise RunFailed(
                f"the checkpoint at step {found.step} in {self._store.folder} belongs to other"
                " data, params or options; clear the folder to start anew"
            )
        try:
            take(found)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise RunFailed(
                f"the checkpoint at step {found.step} in {self._store.folder} cannot be restored:"
                f" {error}"
            ) from error
        self._last_step = found.step
        return True

    def due_inside(self) -> bool:
        """Called after each batch: is it time to save in the middle of an epoch?"""
        self._batches += 1
        if self._store is None:
            return False
        every, seconds = self._cadence.batches, self._cadence.seconds
        if every and self._batches >= every:
            return True
        return seconds > 0 and self._clock.monotonic() - self._last_s >= seconds

    def due_after(self, epoch: int) -> bool:
        """Called after each epoch (or fold): is it time to save?"""
        every = self._cadence.epochs
        return self._store is not None and every > 0 and epoch % every == 0

    def save(self, step: int, capture: Callable[[], tuple[Mapping[str, Any], Any]]) -> None:
        """Store what `capture` gives, unless that very step is stored already."""
        self._batches, self._last_s = 0, self._clock.monotonic()
        if self._store is None or step == self._last_step:
            return
        arrays, state = capture()
        self._store.save(
            Checkpoint(step=step, arrays=arrays, state={"fingerprint": self._fingerprint, **state})
        )
        self._last_step = step
