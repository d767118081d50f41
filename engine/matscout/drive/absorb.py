"""What an outcome means for the journal: a pure function, the heart of "nothing lost or doubled"."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from matscout.drive.policy import Policy
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.outcome import NEVER_BEGAN, Kind, Outcome
from matscout.trial import State, Trial

_ENDINGS = {Kind.INVALID: EventKind.INVALID, Kind.FAILED: EventKind.FAILED}


def events_for(
    history: History, outcome: Outcome, policy: Policy, stopping: str = ""
) -> list[Event]:
    """The events that `outcome` adds; none if the journal knows it already.

    `stopping` is why the pruner asked the attempt to end, if it did; what has become obsolete the
    history knows. What such an attempt still reports, until it hears that it is to end, counts for
    nothing: how much that is, is a matter of milliseconds, and others are compared with it. Nor does
    what a retried attempt says again as it was said before. The first valid
    result of a trial is its value, whichever attempt it comes from and however late; later ones are
    replicates; the same attempt saying two different things is a conflict (promise R4). An ending
    without a value takes nothing from a trial that is over: the attempt has ended, and that is all.
    """
    if not 0 <= outcome.trial < len(history.trials):
        return []
    trial = history.trials[outcome.trial]
    if outcome.kind is Kind.MEASURED:
        return _measured(trial, outcome)
    if history.in_flight.get(trial.id) != outcome.attempt:
        return []  # a stale attempt has nothing to say but a value
    if outcome.kind is Kind.REPORTED:
        if stopping or _told(trial, outcome):
            return []
        return [_event(EventKind.REPORTED, outcome, outcome.report_body)]
    if not trial.open:  # a person has answered meanwhile, or an earlier attempt that was late
        reason = f"over already; this attempt: {outcome.kind.value}"
        if outcome.reason:
            reason += f" ({outcome.reason})"
        return [_event(EventKind.SUSPENDED, outcome, {"reason": reason})]
    if outcome.kind in _ENDINGS:
        body = {"reason": outcome.reason, "cost_s": outcome.cost_s, "worker": outcome.worker}
        return [_event(_ENDINGS[outcome.kind], outcome, body)]
    if trial.id in history.obsolete:
        return [withdrawn(history, trial)]
    if stopping:
        return [pruned(trial, outcome.attempt, stopping, outcome.cost_s)]
    if outcome.kind is Kind.STOPPED:
        if policy.costly and outcome.reason != NEVER_BEGAN:
            reason = outcome.reason or "stopped as asked"
            return given_up(trial, outcome.attempt, EventKind.SUSPENDED, reason, policy)
        return [_event(EventKind.SUSPENDED, outcome, {"reason": "stopped to be taken up again"})]
    return given_up(trial, outcome.attempt, EventKind.CRASHED, outcome.reason, policy)


def _told(trial: Trial, outcome: Outcome) -> bool:
    """Whether this very report is in the history."""
    place = bisect_left(trial.reports, outcome.step, key=lambda report: report.step)
    if place == len(trial.reports):
        return False
    report = trial.reports[place]
    return report.step == outcome.step and dict(report.values) == dict(outcome.values)


def pruned(trial: Trial, attempt: int, reason: str, cost_s: float = 0.0) -> Event:
    """The end of a trial that the pruner stopped."""
    step = trial.reports[-1].step if trial.reports else 0
    body = {"reason": reason, "step": step, "cost_s": cost_s}
    return Event(EventKind.PRUNED, trial.id, attempt, body)


def withdrawn(history: History, trial: Trial) -> Event:
    """The end of a trial that has become obsolete."""
    body = {"reason": history.obsolete[trial.id]}
    return Event(EventKind.WITHDRAWN, trial.id, trial.attempts, body)


def given_up(
    trial: Trial, attempt: int, kind: EventKind, reason: str, policy: Policy
) -> list[Event]:
    """The events after an attempt broke or fell silent: retry, hand to a person, or leave alone. A trial
    that has its value, from an earlier attempt that was late, needs none of these."""
    events = [Event(kind, trial.id, attempt, {"reason": reason})]
    if not trial.open:
        return events
    if policy.costly:
        why = f"{reason}; a costly experiment is not repeated without your word"
        events.append(Event(EventKind.ATTENTION, trial.id, attempt, {"reason": why}))
    elif trial.crashes + 1 >= policy.max_crashes:
        why = f"gave up after {trial.crashes + 1} attempts; the last: {reason}"
        events.append(Event(EventKind.QUARANTINED, trial.id, attempt, {"reason": why}))
    return events


def _measured(trial: Trial, outcome: Outcome) -> list[Event]:
    body: dict[str, Any] = {
        "values": dict(outcome.values),
        "sem": dict(outcome.sem),
        "cost_s": outcome.cost_s,
        "source": outcome.source,
        "worker": outcome.worker,
    }
    if trial.state is not State.COMPLETE:
        return [_event(EventKind.MEASURED, outcome, body)]
    if outcome.attempt not in trial.answered:
        return [_event(EventKind.REPLICATED, outcome, body)]
    place = trial.answered.index(outcome.attempt)
    known = trial.values if place == 0 else trial.replicates[place - 1].values
    if dict(known) == dict(outcome.values):
        return []
    return [_event(EventKind.CONFLICT, outcome, body)]


def _event(kind: EventKind, outcome: Outcome, body: dict[str, Any]) -> Event:
    return Event(kind, outcome.trial, outcome.attempt, body)
