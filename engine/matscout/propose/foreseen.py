"""The history as it will be once some proposals have become trials."""

from __future__ import annotations

from collections.abc import Sequence

from matscout.event import Event, EventKind
from matscout.history import History
from matscout.trial import Proposal


def foreseen(history: History, proposals: Sequence[Proposal]) -> History:
    """A fork in which the proposals are pending: for whoever chooses the rest of a batch."""
    ahead = history.fork()
    for proposal in proposals:
        body = {"params": dict(proposal.params), "candidate": proposal.candidate}
        body["why"] = dict(proposal.why)
        ahead.apply(Event(EventKind.ASKED, len(ahead.trials), body=body))
    return ahead
