"""Thinking while working: the next queue is put together while the rest of this one is begun.

With `policy.overlap`, `ahead` points wait in a queue. Once `batch` of them have been begun the next
queue is asked for, in the background: of the history up to that event and no further, with the rest of
the queue counted as pending, since it will be begun before. Meanwhile outcomes are recorded and the rest
is begun. The new queue takes over when the old one is used up whole. Should it not be there by then, the
slot that is free waits for it, and so does whatever comes in: an outcome that is recorded goes before
what is begun after it.

So what is asked, of how much, and in what order it is begun depends on the order of completion and
never on how long a thought took (promise R5). The `queued` event says up to which event the proposer
saw (`seen`): whoever wants to can ask it again. A driver that was killed in mid-thought does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from matscout.drive.asking import Answer, Asking
from matscout.drive.policy import Policy
from matscout.drive.thought import InThread, Thought
from matscout.event import Event, EventKind
from matscout.failpoint import failpoint
from matscout.history import History
from matscout.journal import Journal

_WAIT_S = 0.02
"""Longest wait for a thought before the fleet is looked after again."""

_DROP_S = 2.0
"""How long a thought that nobody needs gets to end. Before it running work may have taken 6 s, after it
the workers get 1 s to end; the exit has 10 s (R16)."""

NOTHING = Answer()


@dataclass(frozen=True)
class NextQueue:
    """An answer of the history up to the event `seen`. Empty where a rule says `enough`, or where there
    was nothing to propose."""

    seen: int
    answer: Answer = NOTHING
    enough: str = ""


Think = Callable[[Callable[[], NextQueue]], Thought[NextQueue]]


class Overlap:
    """The thought about the next queue, if there is one: begun, waited for, taken."""

    def __init__(self, asking: Asking, journal: Journal, think: Think = InThread) -> None:
        self._asking, self._journal, self._think = asking, journal, think
        self._thought: Thought[NextQueue] | None = None
        self._barren = NextQueue(0)
        """Of the last thought that nothing came of: none about as much or less is worth repeating."""

    @property
    def thinking(self) -> bool:
        return self._thought is not None

    def consider(self, history: History) -> None:
        """Begin to think, if so many of the queue have been begun that it is time."""
        seen = due_at(history, self._asking.policy)
        if self._thought is None and seen > self._barren.seen:
            self._begin(history, seen)

    def take(self, history: History) -> NextQueue | None:
        """The next queue, of use only when the one in `history` is used up. None while it is being
        thought out. If nothing came of it, the question is put again with all that is known by now."""
        if self._thought is None:
            if history.seq == self._barren.seen:
                return self._barren
            self._begin(history, history.seq)
        assert self._thought is not None
        if not self._thought.done(0.0):
            return None
        said, self._thought = self._thought.result(), None
        if said.answer.proposals:
            return said
        self._barren = said
        return said if said.seen == history.seq else self.take(history)

    def wait(self) -> None:
        """For the thought, but for no longer than the fleet may be left alone."""
        if self._thought is not None:
            self._thought.done(_WAIT_S)

    def drop(self, within_s: float = _DROP_S) -> None:
        """What is thought about is not needed any more. The proposer may have been cut off anywhere: it
        is not to be asked again."""
        if self._thought is not None:
            self._thought.drop(within_s)

    def _begin(self, history: History, seen: int) -> None:
        if seen == history.seq:
            known = history.fork()
        else:  # a sitting that ended meanwhile had begun this thought
            known = History(islice(self._journal.read(), seen))
        self._thought = self._think(lambda: next_queue(self._asking, known, seen))


def due_at(history: History, policy: Policy) -> int:
    """The event at which the next queue is asked for; 0 while that is still to come.

    It is the dispatch of the trial with which a batch of the queue has been begun, or of the last one
    where the queue was shorter: in one transaction with the trial itself, just after it.
    """
    begun = history.begun_at
    enough = min(policy.batch, len(begun) + len(history.queue))
    return begun[enough - 1] + 1 if 1 <= enough <= len(begun) else 0


def as_begun(history: History) -> History:
    """The history as it will be once all that waits has been begun; what is given stays as it is."""
    ahead = history.fork()
    for body in history.queue:
        ahead.apply(Event(EventKind.ASKED, len(ahead.trials), body={**body, "queued": True}))
    return ahead


def next_queue(asking: Asking, known: History, seen: int) -> NextQueue:
    """What is to be begun after the queue in `known`, the history up to the event `seen`."""
    failpoint("loop.thinking")
    ahead = as_begun(known)
    count = min(asking.policy.ahead, asking.policy.trials - ahead.count_asked)
    if count < 1:
        return NextQueue(seen)
    enough = asking.enough(known)
    if enough:
        return NextQueue(seen, enough=enough)
    return NextQueue(seen, asking.ask(ahead, count))
