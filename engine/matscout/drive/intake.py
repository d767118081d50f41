"""What people bring back, as events: nothing twice, nothing overwritten, all of a file or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from matscout.drive.recommend import handed_out, person_takes
from matscout.drive.results import ABANDONED, FAILED, MEASURED, Row
from matscout.errors import InputError
from matscout.event import Event, EventKind
from matscout.history import PERSON, History
from matscout.trial import Measurement, State, Trial

_TOLD = (State.COMPLETE, State.FAILED, State.ABANDONED)
"""How a trial stands after a person, or an experiment, has spoken."""

_WORD = {State.COMPLETE: MEASURED, State.FAILED: FAILED, State.ABANDONED: ABANDONED}


@dataclass(frozen=True)
class Summary:
    """How many rows of a file were what. `partial` rows have some of their targets; `replicates`
    are further values of a measured trial; `skipped` rows say nothing yet; `already_there` rows
    were known. `own` of the rows taken in are points that nobody was asked for."""

    measured: int = 0
    partial: int = 0
    replicates: int = 0
    failed: int = 0
    abandoned: int = 0
    skipped: int = 0
    already_there: int = 0
    own: int = 0

    def __str__(self) -> str:
        words = {
            "measured": "measured",
            "partial": "partly measured",
            "replicates": "replicated",
            "failed": "failed",
            "abandoned": "abandoned",
            "skipped": "skipped (nothing filled in)",
            "already_there": "already there",
        }
        said = [f"{n} {words[key]}" for key, n in asdict(self).items() if n and key in words]
        text = ", ".join(said) or "nothing"
        return text + (f"; {self.own} of them of your own choice" if self.own else "")


def intake(
    history: History, rows: Sequence[Row], *, replicates: bool = False
) -> tuple[list[Event], Summary]:
    """The events that `rows` add to `history`, and what they were; InputError if one contradicts
    what is recorded or another row. A pure function: nothing is written."""
    desk = _Desk(history, replicates)
    counts: dict[str, int] = {}
    for row in rows:
        word = desk.take(row)
        counts[word] = counts.get(word, 0) + 1
    return desk.events, Summary(**counts, own=desk.own)


@dataclass
class _Standing:
    """How a trial stands, with the rows before this one reckoned in."""

    trial: int
    state: State = State.PENDING
    attempts: int = 1
    person: int | None = 1  # the attempt that a person has in hand
    parts: dict[str, float] = field(default_factory=dict)
    part_sems: dict[str, float] = field(default_factory=dict)
    step: int = 0
    measurements: list[Measurement] = field(default_factory=list)
    line: str = ""  # the row of this file that spoke of it last

    @classmethod
    def of(cls, trial: Trial, history: History) -> _Standing:
        so_far = history.so_far(trial.id)
        names = {t.name for t in history.targets}
        values = {k: v for k, v in so_far.items() if k in names}
        sems = {k.removesuffix(".sem"): v for k, v in so_far.items() if k not in names}
        first = [Measurement(trial.values, trial.sem)] if trial.values else []
        return cls(
            trial.id,
            trial.state,
            trial.attempts,
            history.with_person.get(trial.id),
            values,
            sems,
            trial.reports[-1].step if so_far else 0,
            [*first, *trial.replicates],
        )


class _Desk:
    """Takes rows one by one; a later row knows what the earlier ones said."""

    def __init__(self, history: History, replicates: bool) -> None:
        self._history, self._replicates = history, replicates
        self._names = [t.name for t in history.targets]
        self._known: dict[int | str, _Standing] = {}
        self._asked = len(history.trials)
        self.events: list[Event] = []
        self.own = 0

    def take(self, row: Row) -> str:
        """Stage what the row adds; returns the field of Summary that counts it."""
        if not row.outcome:
            return "skipped"
        standing = self._standing(row)
        done = self._measured if row.outcome == MEASURED else self._ended
        word = done(row, standing)
        standing.line = row.where
        return word

    def _standing(self, row: Row) -> _Standing:
        if row.times:
            return _meant(row, [self._of(trial) for trial in row.times])
        if row.trial is not None:
            return self._of(row.trial)
        if row.called not in self._known:
            self._known[row.called] = self._new(row)
        return self._known[row.called]

    def _of(self, trial: int) -> _Standing:
        if trial not in self._known:
            self._known[trial] = _Standing.of(self._history.trials[trial], self._history)
        return self._known[trial]

    def _new(self, row: Row) -> _Standing:
        """A point that nobody was asked for becomes a trial of its own."""
        body = {
            "params": dict(row.params),
            "candidate": row.candidate,
            "proposer": PERSON,
            "why": {"rule": PERSON, "source": row.source},
            "ask_s": 0.0,
        }
        self.events += handed_out(self._asked, body)
        self._asked += 1
        self.own += 1
        return _Standing(self._asked - 1)

    # -- failed and abandoned -------------------------------------------------------------------

    def _ended(self, row: Row, standing: _Standing) -> str:
        state = State.FAILED if row.outcome == FAILED else State.ABANDONED
        if standing.state is state:
            return "already_there"
        if standing.state in _TOLD:
            raise self._contradiction(row, standing)
        kind = EventKind.FAILED if state is State.FAILED else EventKind.ABANDONED
        reason = row.note or f"{row.outcome}, says {row.source}"
        self._answer(standing, kind, {"reason": reason, "source": row.source, "worker": PERSON})
        standing.state = state
        return row.outcome

    # -- measured -------------------------------------------------------------------------------

    def _measured(self, row: Row, standing: _Standing) -> str:
        if standing.state is State.COMPLETE:
            return self._again(row, standing)
        if standing.state in _TOLD and not self._replicates:
            raise self._contradiction(row, standing)
        new = self._new_parts(row, standing)
        if not new:
            return "already_there"
        values = {**standing.parts, **row.values}
        sem = {**standing.part_sems, **row.sem}
        missing = [name for name in self._names if name not in values]
        if not missing:
            ordered = {name: values[name] for name in self._names}
            self._answer(standing, EventKind.MEASURED, _body(row, ordered, sem))
            standing.state = State.COMPLETE
            standing.measurements = [Measurement(ordered, sem)]
            return "measured"
        if standing.state in _TOLD:
            what = f"{row.called!r:.60} is recorded as {_WORD[standing.state]}"
            raise InputError(row.where, what, f"bring all of its targets ({', '.join(missing)})")
        if standing.person is None:
            self._hand_over(standing)
        standing.step += 1
        report = {**{k: row.values[k] for k in new}}
        sems = {f"{k}.sem": row.sem[k] for k in new if k in row.sem}
        report |= {k: v for k, v in sems.items() if k not in self._names}
        body = {"step": standing.step, "values": report, "source": row.source, "worker": PERSON}
        self.events.append(Event(EventKind.REPORTED, standing.trial, standing.person, body))
        standing.parts, standing.part_sems = values, sem
        return "partial"

    def _new_parts(self, row: Row, standing: _Standing) -> list[str]:
        """Targets of which the row is the first to give the value, or its standard error;
        InputError where it contradicts what was given."""
        for name, value in row.values.items():
            if name not in standing.parts:
                continue
            known, sem = standing.parts[name], standing.part_sems.get(name)
            if value != known or (sem is not None and row.sem.get(name, sem) != sem):
                raise InputError(
                    row.where,
                    f"{row.called!r:.60} {self._by(standing)} {_shown({name: known}, {name: sem})}, "
                    f"this row says {_shown({name: value}, row.sem)}",
                    "bring its other targets first, then a second value as a replicate",
                )
        return [
            name
            for name in row.values
            if name not in standing.parts or row.sem.keys() - standing.part_sems.keys() >= {name}
        ]

    def _again(self, row: Row, standing: _Standing) -> str:
        """A row about a trial that has its value."""
        if any(_says(m, row) for m in standing.measurements):
            return "already_there"
        if not self._replicates:
            raise self._contradiction(row, standing)
        self._hand_over(standing)
        self._answer(standing, EventKind.REPLICATED, _body(row, row.values, row.sem))
        standing.measurements.append(Measurement(row.values, row.sem))
        return "replicates"

    # -- events ---------------------------------------------------------------------------------

    def _hand_over(self, standing: _Standing) -> None:
        standing.attempts += 1
        standing.person = standing.attempts
        self.events.append(person_takes(standing.trial, standing.attempts))

    def _answer(self, standing: _Standing, kind: EventKind, body: Mapping[str, Any]) -> None:
        """End the attempt that a person has in hand, or one begun for this."""
        if standing.person is None:
            self._hand_over(standing)
        self.events.append(Event(kind, standing.trial, standing.person, body))
        standing.person = None

    def _contradiction(self, row: Row, standing: _Standing) -> InputError:
        known = _WORD[standing.state]
        if standing.state is State.COMPLETE:
            first = standing.measurements[0]
            known = _shown(first.values, first.sem)
        said = row.outcome
        if row.outcome == MEASURED:
            said = _shown(row.values, row.sem)
        mend = "add --replicates if it was measured again, or mend the row"
        if any(m.values.items() >= row.values.items() for m in standing.measurements):
            mend = "its standard error can no longer be changed: leave it out"
        if row.outcome != MEASURED:
            mend = "mend the row" if standing.line else "what is recorded stays; drop the row"
        what = f"{row.called!r:.60} {self._by(standing)} {known}, this row says {said}"
        return InputError(row.where, what, mend)

    def _by(self, standing: _Standing) -> str:
        """Who said so before: another row of this file, or the journal."""
        line = standing.line.rpartition(": ")[2]
        return f"is on {line}" if line else "is recorded as"


def _meant(row: Row, times: list[_Standing]) -> _Standing:
    """Which of several trials of its point a row is about that does not say: the one that says the
    same already, else the oldest that waits for an answer, else the first with a value."""
    for standing in times:
        said = _WORD.get(standing.state) == row.outcome
        if said and (row.outcome != MEASURED or any(_says(m, row) for m in standing.measurements)):
            return standing
    waiting = [s for s in times if s.state not in _TOLD]
    valued = [s for s in times if s.state is State.COMPLETE]
    return [*waiting, *valued, *times][0]


def _body(row: Row, values: Mapping[str, float], sem: Mapping[str, float]) -> dict[str, Any]:
    return {
        "values": dict(values),
        "sem": dict(sem),
        "cost_s": 0.0,
        "source": row.source,
        "worker": PERSON,
    }


def _says(known: Measurement, row: Row) -> bool:
    """Whether the row adds nothing to what is known; a standard error may be left out."""
    return all(
        known.values.get(name) == value
        and row.sem.get(name, known.sem.get(name)) == known.sem.get(name)
        for name, value in row.values.items()
    )


def _shown(values: Mapping[str, float], sem: Mapping[str, float | None]) -> str:
    return ", ".join(
        f"{name} = {value:.6g}" + (f" ± {sem[name]:.3g}" if sem.get(name) is not None else "")
        for name, value in values.items()
    )
