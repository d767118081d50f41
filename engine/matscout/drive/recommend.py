"""Ask on behalf of a person: choose, write down, and only then tell."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from matscout.drive.belief import explained
from matscout.drive.cells import same_value
from matscout.drive.hold import held
from matscout.errors import InputError
from matscout.event import Event, EventKind
from matscout.history import PERSON, History
from matscout.propose.base import Forecaster, Proposer
from matscout.propose.distinct import key
from matscout.propose.enqueued import Enqueued
from matscout.propose.sampling import Sampler
from matscout.propose.toolbox import generator
from matscout.seeds import ask_seed
from matscout.space import Space
from matscout.trial import Proposal, Trial, Value

_RANDOM_TRIES = 50

_LISTS_ALL = frozenset({"tpe"})
"""Proposers that estimate a density over all values of a parameter, held or not."""


def asked_events(
    space: Space,
    history: History,
    proposer: Proposer,
    forecaster: Forecaster | None,
    seed: int,
    n: int,
    fixed: Mapping[str, Value],
) -> list[Event]:
    """The events that hand up to n new points to a person: `asked` and `dispatched` for each.

    A pure function of its arguments, as every ask is: the seed is that of the place in the run.
    InputError if nothing is left to recommend.
    """
    before = time.monotonic()
    index = len(history.trials)
    proposals = _proposals(space, history, proposer, ask_seed(seed, index), n, fixed)
    if not proposals:
        raise InputError("recommend", *_why_nothing(space, history, fixed))
    proposals = explained(space, history, proposals, forecaster)
    seconds = round((time.monotonic() - before) / len(proposals), 6)
    return [
        event
        for i, p in enumerate(proposals)
        for event in handed_out(
            index + i,
            {
                "params": dict(p.params),
                "candidate": p.candidate,
                "proposer": proposer.name,
                "why": dict(p.why) | ({"fixed": _shown(fixed)} if fixed else {}),
                "ask_s": seconds,
            },
        )
    ]


def handed_out(trial: int, body: Mapping[str, object]) -> list[Event]:
    """A new trial whose first attempt is a person's."""
    return [Event(EventKind.ASKED, trial, body=body), person_takes(trial, 1)]


def person_takes(trial: int, attempt: int) -> Event:
    return Event(EventKind.DISPATCHED, trial, attempt, {"to": PERSON})


def open_trials(history: History) -> list[Trial]:
    """What people have in hand, oldest first."""
    return [history.trials[i] for i in sorted(history.with_person)]


def _proposals(
    space: Space,
    history: History,
    proposer: Proposer,
    seed: int,
    n: int,
    fixed: Mapping[str, Value],
) -> list[Proposal]:
    """The proposer's, or, where it does not keep to what is fixed, points that do."""
    room = held(space, history, fixed)
    asked = room
    if fixed and isinstance(proposer, Enqueued):
        proposer = proposer.inner  # what was to be asked first waits until nothing is fixed
    if fixed and space.pool is not None and hasattr(proposer, "once"):
        proposer = proposer.once()  # the pool still holds what was measured at other values
    if proposer.name in _LISTS_ALL:
        asked = held(space, history, fixed, draws=False)
    proposals = list(proposer.propose(asked, history, n, seed=seed))
    if not fixed or space.pool is not None:
        return proposals
    sampler, rng = Sampler(room), generator(seed, n)
    taken = {key(space, t.params) for t in history.trials}
    out: list[Proposal] = []
    drawn = iter(range(_RANDOM_TRIES * n))
    queue = list(reversed(proposals))
    while len(out) < len(proposals):
        if queue:
            proposal = queue.pop()
        elif next(drawn, None) is not None and (points := sampler.uniform(1, rng)):
            proposal = Proposal(points[0], why={"rule": "random"})
        else:
            break
        kept = _keeping(room, sampler, proposal, fixed, rng)
        if kept is not None and (place := key(space, kept.params)) not in taken:
            taken.add(place)
            out.append(kept)
    return out


def _keeping(
    room: Space, sampler: Sampler, proposal: Proposal, fixed: Mapping[str, Value], rng: object
) -> Proposal | None:
    """`proposal` with exactly the fixed values, or None if that breaks the space's rules."""
    params = dict(proposal.params)
    if any(n not in params or not same_value(v, params[n]) for n, v in fixed.items()):
        params = sampler.fill({**params, **fixed}, rng)  # type: ignore[arg-type]
    params |= {name: value for name, value in fixed.items() if name in params}
    if any(name not in params for name in fixed) or not room.satisfied(params):
        return None
    return Proposal(params, None, proposal.why)


def _why_nothing(space: Space, history: History, fixed: Mapping[str, Value]) -> tuple[str, str]:
    if fixed:
        return f"nothing new is left with {_shown(fixed)}", "fix fewer"
    many = f"all {len(space.pool)} candidates" if space.pool is not None else "all points"
    return f"{many} have been asked for", "see matscout status"


def _shown(fixed: Mapping[str, Value]) -> str:
    return ", ".join(f"{name}={value}" for name, value in fixed.items())


def ids_of(events: Sequence[Event]) -> list[int]:
    """The trials that these events ask for."""
    return [e.trial for e in events if e.kind is EventKind.ASKED and e.trial is not None]
