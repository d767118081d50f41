"""The queue: what was chosen beforehand, so that no worker waits for a model to be fitted (ask-ahead).

With `policy.ahead` an ask does not make trials. It puts a queue together, which is journalled whole as
one `queued` event. When an outcome comes in, the head of the queue becomes a trial and is dispatched;
only then is the proposer asked again, and the model is fitted while the worker works. Proposers do
not see the queue: with what has come in since, they put together a new one, which takes the place of
the old in the same event. So the queue is ranked anew after every fit, and what is no longer worth
asking is not asked. Each suggestion is chosen without the outcome that set its worker free: that is
the price.

With `policy.overlap` the queue is begun as it stands, and the next one put together meanwhile: see
overlap.py.

All of it is a function of the history and the policy, never of whether "there was time" (promise R5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matscout.drive.policy import Policy
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.trial import Proposal


def wanted(history: History, policy: Policy) -> int:
    """How many proposals to ask for now; 0 while no ask is due.

    Without `ahead`: a whole batch, once as many slots are free. With it: a queue, once a batch of
    the last one has been begun, or nothing is left of it.
    """
    left = policy.trials - history.count_asked
    if policy.ahead:
        due = not history.queue or history.begun_from_queue >= policy.batch
        return max(min(policy.ahead, left), 0) if due else 0
    if history.queue:
        return 0  # of a sitting that asked ahead; it is begun first
    count = min(policy.batch, left, policy.slots)  # a batch that never fits would wait for ever
    return count if 1 <= count <= policy.slots - history.count_pending else 0


def may_begin(history: History, policy: Policy, workers: int, running: int) -> bool:
    """Whether the head of the queue becomes a trial now."""
    return bool(history.queue) and slot_free(history, policy, workers, running)


def slot_free(history: History, policy: Policy, workers: int, running: int) -> bool:
    """Whether one more trial may be open.

    What is open holds a slot also where its worker is done and its outcome not yet taken, as after a
    resume: else it would depend on the moment of the kill what is begun before the next ask.
    """
    return history.count_pending < min(policy.slots, workers) and running < workers


def next_from_queue(history: History) -> dict[str, Any]:
    """The body of the `asked` event that takes the head of the queue."""
    return {**history.queue[0], "queued": True}


def asked_body(proposal: Proposal, proposer: str, ask_s: float) -> dict[str, Any]:
    """What an `asked` event says of a proposal that took `ask_s` seconds to choose."""
    return {
        "params": dict(proposal.params),
        "candidate": proposal.candidate,
        "proposer": proposer,
        "why": dict(proposal.why),
        "ask_s": ask_s,
    }


def queued(
    bodies: Sequence[Mapping[str, Any]], obsolete: Mapping[int, str] | None = None, seen: int = 0
) -> Event:
    """The queue from now on, which running trials are to end for it, and up to which event the proposer
    saw, where that is not the one before this."""
    body: dict[str, Any] = {"trials": list(bodies)}
    if seen:
        body["seen"] = seen
    if obsolete:
        body["obsolete"] = {str(trial): reason for trial, reason in obsolete.items()}
    return Event(EventKind.QUEUED, body=body)
