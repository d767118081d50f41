"""What people bring back: in any order, twice without harm, nothing overwritten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matscout.data.text_table import TextTable
from matscout.drive.intake import Summary, intake
from matscout.drive.recommend import handed_out
from matscout.drive.results import read_rows
from matscout.drive.sheet import Sheet
from matscout.errors import InputError
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.parameter import Categorical, Float
from matscout.pool import Pool
from matscout.space import Space
from matscout.trial import State, Target

POOL = Space(pool=Pool(tuple("abcdefgh"), {"x": tuple(range(8))}, ("x",)))
BOX = Space((Float("x", 0, 1), Categorical("kind", ("none", "-oxide"))))
ONE = (Target("y", "max"),)
THREE = (Target("y", "max", "GPa"), Target("z", "min"), Target("w"))


def campaign(space: Space = POOL, targets: Sequence[Target] = ONE, handed: int = 3) -> History:
    """Trials 0, 1, … are with a person: candidates a, b, …, or points of the box."""
    created = {
        "targets": [{"name": t.name, "direction": t.direction, "unit": t.unit} for t in targets]
    }
    history = History([Event(EventKind.CREATED, body=created)])
    for i in range(handed):
        body: dict[str, Any] = {"params": {"x": i / 10, "kind": "none"}}
        if space.pool is not None:
            body = {"params": {"x": i}, "candidate": "abcdefgh"[i]}
        for event in handed_out(i, body):
            history.apply(event)
    return history


def add(
    history: History,
    rows: str | list[str],
    columns: str = "id,y,y_sem,status,note",
    space: Space = POOL,
    replicates: bool = False,
) -> Summary:
    """Rows as a file would hold them; short rows are filled up with empty cells."""
    header = tuple(columns.split(","))
    lines = rows.splitlines() if isinstance(rows, str) else rows
    cells = [tuple(c.strip() for c in line.split(",")) for line in lines]
    cells = [row + ("",) * (len(header) - len(row)) for row in cells]
    table = TextTable("results.csv", header, tuple(cells), tuple(range(2, 2 + len(cells))))
    sheet = Sheet("films", space, history.targets)
    events, summary = intake(history, read_rows(table, sheet, history), replicates=replicates)
    for event in events:
        history.apply(event)
    return summary


def picture(history: History) -> dict[str, Any]:
    """Everything that is known, whatever the order in which it became known."""
    return {
        t.candidate or str(dict(t.params)): (
            t.state,
            dict(t.values),
            dict(t.sem),
            sorted((str(dict(r.values)), str(dict(r.sem))) for r in t.replicates),
            dict(history.so_far(t.id)),
            t.id in history.with_person,
        )
        for t in history.trials
    }


def test_measured_failed_abandoned_and_not_yet() -> None:
    history = campaign(handed=4)
    said = add(history, "a,1.5,0.1\nb,,,failed,cracked\nc,,,abandoned\nd")
    assert said == Summary(measured=1, failed=1, abandoned=1, skipped=1)
    states = [t.state for t in history.trials]
    assert states == [State.COMPLETE, State.FAILED, State.ABANDONED, State.PENDING]
    assert history.trials[0].values == {"y": 1.5} and history.trials[0].sem == {"y": 0.1}
    assert history.trials[1].reason == "cracked" and "results.csv:4" in history.trials[2].reason
    assert dict(history.with_person) == {3: 1} and [t.attempts for t in history.trials] == [1] * 4
    assert add(history, "d,2.0") == Summary(measured=1) and not history.with_person


def test_twice_is_already_there() -> None:
    history = campaign()
    rows = "a,1.5,0.1\nb,,,failed\nc,,,abandoned\nf,3.0"
    add(history, rows)
    before, seq = picture(history), history.seq
    assert add(history, rows) == Summary(already_there=4)
    assert add(history, "a,1.5") == Summary(already_there=1)  # the SEM was said before
    assert picture(history) == before and history.seq == seq


def test_a_row_that_nobody_was_asked_for() -> None:
    history = campaign()
    assert add(history, "g,9.0\nh,,,abandoned") == Summary(measured=1, abandoned=1, own=2)
    assert [t.candidate for t in history.trials] == ["a", "b", "c", "g", "h"]
    own = history.trials[3]
    assert own.proposer == "person" and own.why["source"] == "results.csv:2"
    assert history.best() is own and set(history.with_person) == {0, 1, 2}


def test_another_value_is_refused_or_a_replicate() -> None:
    history = campaign()
    add(history, "a,1.5\nb,,,failed")
    before = picture(history)
    with pytest.raises(
        InputError,
        match=r"line 2: 'a' is recorded as y = 1.5, this row says y = 1.6; add --replicates",
    ):
        add(history, "a,1.6")
    with pytest.raises(InputError, match=r"line 3: 'b' is recorded as failed, this row says y = 2"):
        add(history, "c,1.0\nb,2.0")
    with pytest.raises(InputError, match=r"line 3: 'c' is on line 2 y = 1, this row says y = 2"):
        add(history, "c,1.0\nc,2.0")
    with pytest.raises(InputError, match=r"'a' is recorded as y = 1.5, this row says failed"):
        add(history, "a,,,failed", replicates=True)
    assert picture(history) == before
    said = add(history, "a,1.6,0.2\na,1.5\na,1.6\nb,2.0", replicates=True)
    assert said == Summary(replicates=1, already_there=2, measured=1)
    assert [dict(r.values) for r in history.trials[0].replicates] == [{"y": 1.6}]
    assert history.trials[0].values == {"y": 1.5} and history.trials[0].answered == (1, 2)
    assert history.trials[1].state is State.COMPLETE and history.trials[1].attempts == 2


WIDE = "id,y,y_sem,z,w,status"


def test_partial_measurements_are_kept_and_completed() -> None:
    history = campaign(targets=THREE)
    assert add(history, "a,1.5,0.1", WIDE) == Summary(partial=1)
    assert history.so_far(0) == {"y": 1.5, "y.sem": 0.1} and 0 in history.with_person
    assert history.trials[0].state is State.PENDING and not history.trials[0].values
    assert add(history, "a,1.5,0.1\na,1.5", WIDE) == Summary(already_there=2)
    with pytest.raises(InputError, match="bring its other targets first"):
        add(history, "a,1.7,0.1,2.0", WIDE)
    assert add(history, "a,,,2.0\na,1.5,,,3.0", WIDE) == Summary(partial=1, measured=1)
    trial = history.trials[0]
    assert trial.values == {"y": 1.5, "z": 2.0, "w": 3.0} and trial.sem == {"y": 0.1}
    assert list(trial.values) == ["y", "z", "w"] and not history.so_far(0)
    assert add(history, "a,1.5,0.1\na,,,2.0", WIDE) == Summary(already_there=2)
    assert add(history, "e,,,,7.0", WIDE) == Summary(partial=1, own=1)
    assert history.so_far(3) == {"w": 7.0}


def test_a_standard_error_may_come_later_while_the_trial_is_open() -> None:
    history = campaign(targets=THREE)
    add(history, "a,1.5", WIDE)
    assert add(history, "a,1.5,0.1", WIDE) == Summary(partial=1)
    assert history.so_far(0) == {"y": 1.5, "y.sem": 0.1}
    with pytest.raises(InputError, match="bring its other targets first"):
        add(history, "a,1.5,0.2", WIDE)
    add(history, "b,1,,2,3", WIDE)
    with pytest.raises(InputError, match="can no longer be changed: leave it out"):
        add(history, "b,1,0.5", WIDE)


def test_the_fleets_own_reports_are_no_partial_measurement() -> None:
    history = campaign(targets=THREE, handed=1)
    history.apply(Event(EventKind.ASKED, 1, body={"params": {"x": 1}, "candidate": "b"}))
    history.apply(Event(EventKind.DISPATCHED, 1, 1))
    history.apply(Event(EventKind.REPORTED, 1, 1, {"step": 3, "values": {"y": 99.0}}))
    history.apply(Event(EventKind.CRASHED, 1, 1, {"reason": "dead"}))
    assert history.so_far(1) == {}
    add(history, "b,,,2.0", WIDE)
    assert history.so_far(1) == {"z": 2.0} and history.with_person[1] == 2
    add(history, "b,5.0,,,1.0", WIDE)
    assert history.trials[1].values == {"y": 5.0, "z": 2.0, "w": 1.0}


def test_points_of_a_space_by_their_ids_or_by_themselves() -> None:
    history = campaign(BOX)
    columns = "id,x,kind,y"
    said = add(history, "films-1,0.1,none,4.0\n,0.2,none,5.0\n,0.9,'-oxide,6.0", columns, BOX)
    assert said == Summary(measured=3, own=1)
    assert [dict(t.values) for t in history.trials[1:]] == [{"y": 4.0}, {"y": 5.0}, {"y": 6.0}]
    assert dict(history.trials[3].params) == {"x": 0.9, "kind": "-oxide"}
    assert add(history, ",0.9,-oxide,6.0", columns, BOX) == Summary(already_there=1)


rows = st.lists(
    st.sampled_from(
        ["a,1.5,0.1,2,3", "a,1.5,0.1", "a,,,2", "a,,,,3", "b,,,,,failed", "c,,,,,abandoned", "d",
         "e,7,,8,9", "e,7", "f,,,,,failed", "g,,,1", "b,,,,,Failed", "h,,,,,abandoned"]
    ),
    max_size=25,
)  # fmt: skip
FINAL = ["a,1.5,0.1,2,3", "b,,,,,failed", "c,,,,,abandoned", "e,7,,8,9", "f,,,,,failed", "g,,,1",
         "h,,,,,abandoned"]  # fmt: skip


@given(rows, st.lists(st.integers(1, 6), max_size=8), st.permutations(FINAL))
def test_any_order_and_any_repetition_give_the_same_history(
    some: list[str], cuts: list[int], rest: list[str]
) -> None:
    """Files of any rows in any order, then each final word once: what is known does not differ."""
    want = campaign(targets=THREE)
    add(want, FINAL, WIDE)
    got = campaign(targets=THREE)
    queue = [*some, *rest]
    for size in cuts:
        part, queue = queue[:size], queue[size:]
        if part:
            add(got, part, WIDE)
    add(got, queue or ["d"], WIDE)
    assert picture(got) == picture(want)
    add(got, [*some, *rest], WIDE)
    assert picture(got) == picture(want)
    counted = got.count_pending
    assert counted == 0 and {t.id for t in got.pending} == set(got.with_person)


@given(rows, st.data())
def test_a_file_with_a_contradiction_changes_nothing(some: list[str], data: Any) -> None:
    history = campaign(targets=THREE)
    add(history, FINAL, WIDE)
    before, seq = picture(history), history.seq
    bad = data.draw(
        st.sampled_from(["a,1.6,0.1,2,3", "a,,,2.5", "b,1,,2,3", "c,,,,,failed", "g,,,2"])
    )
    place = data.draw(st.integers(0, len(some)))
    with pytest.raises(InputError, match=f"line {place + 2}"):
        add(history, [*some[:place], bad, *some[place:]], WIDE)
    assert picture(history) == before and history.seq == seq


@pytest.mark.parametrize("other", ["y", "w"])
def test_a_target_called_as_the_error_of_another_keeps_its_value(other: str) -> None:
    """Such names are refused now, but not where a campaign has them; and `y.sem` beside `w` is a name
    as any other."""
    targets = (Target(other), Target("y.sem"), Target("z"))
    columns = f"id,{other},{other}_sem,y.sem,y.sem_sem,z"
    history = campaign(targets=targets)
    assert add(history, "a,,,0.5,0.25,", columns) == Summary(partial=1)
    assert add(history, "a,,,0.5,0.25,", columns) == Summary(already_there=1)
    row = Sheet("films", POOL, targets).row(history.trials[0], history.so_far(0))
    cells = {name: row[name] for name in columns.split(",")[1:]}
    assert cells == {other: None, f"{other}_sem": None, "y.sem": 0.5, "y.sem_sem": 0.25, "z": None}
    assert add(history, "a,2.0,,,,3.0", columns) == Summary(measured=1)
    trial = history.trials[0]
    assert trial.values == {other: 2.0, "y.sem": 0.5, "z": 3.0} and trial.sem == {"y.sem": 0.25}


def test_an_error_never_becomes_the_value_of_a_target_called_so() -> None:
    history = campaign(targets=(Target("y"), Target("y.sem")))
    assert add(history, "a,2.0,0.125,,", "id,y,y_sem,y.sem,y.sem_sem") == Summary(partial=1)
    assert dict(history.so_far(0)) == {"y": 2.0}


@pytest.mark.parametrize("digits", ["9" * 5000, "0" * 5000 + "1", "9" * 20])
def test_a_number_too_long_to_read_names_no_trial(digits: str) -> None:
    with pytest.raises(InputError, match="3 trials were asked for"):
        add(campaign(BOX), f"films-{digits},1.0", space=BOX)
