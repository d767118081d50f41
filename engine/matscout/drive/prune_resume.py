"""What the pruner decided before the driver died, worked out again from the journal.

A verdict is a function of the history at the moment of a report, and that moment is past when a run
is taken up again: others have reported since. So it is not asked again now, but told again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from matscout.drive.prune import Pruner
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.outcome import Outcome


@dataclass(frozen=True)
class Judged:
    """Of open trials: the last step that was `heard`, and why those `sentenced` were to end."""

    heard: dict[int, int] = field(default_factory=dict)
    sentenced: dict[int, str] = field(default_factory=dict)

    def endings(self, history: History, recovered: Sequence[Outcome]) -> list[Event]:
        """`pruned` for each that was to end and will not say so itself: its worker is gone."""
        speaking = {outcome.trial for outcome in recovered if outcome.ends_attempt}
        return [
            Event(
                EventKind.PRUNED, trial, history.trials[trial].attempts, _body(history, trial, why)
            )
            for trial, why in self.sentenced.items()
            if history.trials[trial].open and trial not in speaking
        ]


def retold(events: Iterable[Event], history: History, pruner: Pruner | None) -> Judged:
    """The verdicts on the trials that are open in `history`, which `events` tell from the start."""
    judged = Judged()
    waiting = {t.id for t in history.pending if t.reports and t.id not in history.with_person}
    if pruner is None or not waiting:
        return judged
    past = History()
    for event in events:
        past.apply(event)
        trial = event.trial
        if trial is None or trial not in waiting:
            continue
        if event.kind is EventKind.THAWED:
            judged.sentenced.pop(trial, None)  # it was carried out
        if event.kind is not EventKind.REPORTED or trial in past.spared:
            continue
        step = event.body["step"]
        if step <= judged.heard.get(trial, 0) or trial in judged.sentenced:
            continue
        judged.heard[trial] = step
        reason = pruner.verdict(past, past.trials[trial])
        if reason:
            judged.sentenced[trial] = reason
    return judged


def _body(history: History, trial: int, reason: str) -> dict[str, str | int | float]:
    reports = history.trials[trial].reports
    return {"reason": reason, "step": reports[-1].step if reports else 0, "cost_s": 0.0}
