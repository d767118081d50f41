"""Measured again because a person wants it: which points, and where their values go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from matscout.data.text_table import TextTable
from matscout.drive.again import again_events
from matscout.drive.intake import Summary, intake
from matscout.drive.recommend import asked_events, handed_out
from matscout.drive.results import read_rows
from matscout.drive.sheet import Sheet
from matscout.errors import InputError
from matscout.event import Event, EventKind
from matscout.goal import Goal
from matscout.history import History
from matscout.parameter import Float
from matscout.pool import Pool
from matscout.propose.base import Forecast
from matscout.propose.observations import best_of, of_pool, value_of
from matscout.propose.pool import PoolProposer
from matscout.propose.replicates import pooled
from matscout.space import Space
from matscout.trial import State

IDS = (*"abcdefgh", "best:9", "x,y")
POOL = Space(pool=Pool(IDS, {"x": tuple(range(10))}, ("x",)))
BOX = Space((Float("x", 0.0, 1.0),))


def campaign(space: Space = POOL, handed: int = 5) -> History:
    targets = [{"name": "y", "direction": "max"}]
    history = History([Event(EventKind.CREATED, body={"targets": targets})])
    for i in range(handed):
        body: dict[str, Any] = {"params": {"x": i / 10}}
        if space.pool is not None:
            body = {"params": {"x": i}, "candidate": IDS[i]}
        tell(history, *handed_out(i, body))
    return history


def tell(history: History, *events: Event) -> None:
    for event in events:
        history.apply(event)


def again(history: History, *words: str, space: Space = POOL, forecaster: Any = None) -> list[int]:
    """The ids of the trials that this hands out."""
    first = len(history.trials)
    tell(history, *again_events(space, history, "films", words, forecaster))
    return list(range(first, len(history.trials)))


def add(
    history: History, rows: Sequence[str], columns: str = "id,y,status", space: Space = POOL,
    replicates: bool = False,
) -> Summary:  # fmt: skip
    header = tuple(columns.split(","))
    cells = [tuple(line.split(";")) for line in rows]
    cells = [row + ("",) * (len(header) - len(row)) for row in cells]
    table = TextTable("results.csv", header, tuple(cells), tuple(range(2, 2 + len(cells))))
    sheet = Sheet("films", space, history.targets)
    events, summary = intake(history, read_rows(table, sheet, history), replicates=replicates)
    tell(history, *events)
    return summary


def means(history: History) -> dict[str, float | None]:
    target = history.targets[0]
    return {str(t.candidate or t.id): value_of(t, target) for t in pooled(history.completed)}


def test_a_value_comes_back_as_a_replicate_of_its_candidate() -> None:
    history = campaign()
    add(history, ["a;1.0", "b;3.0", "c;2.0"])
    (trial,) = again(history, "b")
    asked = history.trials[trial]
    assert (asked.candidate, asked.proposer, asked.params) == ("b", "person", {"x": 1})
    assert asked.why["replicate"] == 2 and asked.why["rule"] == "again"
    assert str(asked.why["reason"]).startswith("measurement 2, as you asked")
    assert asked.why["nearest"] in ("a", "c"), "not itself"
    assert history.with_person[trial] == 1
    assert add(history, ["b;1.0"]) == Summary(measured=1)
    assert means(history) == {"a": 1.0, "b": 2.0, "c": 2.0}
    assert history.trials[1].values == {"y": 3.0}, "nothing is overwritten"
    (third,) = again(history, "b")
    assert history.trials[third].why["replicate"] == 3


def test_the_first_sheet_added_again_answers_nothing() -> None:
    """Sheets of ours say which measurement a row is; a file of one's own goes to what is open."""
    sheet, own = "id,y,status,replicate", "id,y,status"
    for columns in (sheet, own):
        history = campaign()
        add(history, ["a;1.0", "b;3.0"], columns)
        (trial,) = again(history, "b")
        assert add(history, ["a;1.0", "b;3.0"], columns) == Summary(already_there=2)
        assert history.trials[trial].open
    with pytest.raises(InputError, match=r"'b' is recorded as y = 3, this row says y = 4"):
        add(history, ["b;4.0;"], sheet)
    with pytest.raises(InputError, match="'b' was not handed out as measurement 3"):
        add(history, ["b;4.0;;3"], sheet)
    # By its number it may even have come out the same.
    assert add(history, ["b;3.0;;2"], sheet) == Summary(measured=1)
    assert add(history, ["b;3.0;;2.0"], sheet) == Summary(already_there=1)
    assert means(history)["b"] == 3.0 and not of_pool(history, history.targets[0]).believed[3:]
    assert add(history, ["b;5.0"], own, replicates=True) == Summary(replicates=1)
    assert means(history)["b"] == pytest.approx(11 / 3)


def test_it_may_fail_the_second_time() -> None:
    history = campaign()
    add(history, ["a;1.0", "b;3.0"])
    (trial,) = again(history, "b")
    assert add(history, ["b;;failed"]) == Summary(failed=1)
    assert add(history, ["b;;failed"]) == Summary(already_there=1)
    assert history.trials[trial].state is State.FAILED and means(history)["b"] == 3.0
    (third,) = again(history, "b")
    assert history.trials[third].why["replicate"] == 3
    assert add(history, ["b;;abandoned"]) == Summary(abandoned=1)
    with pytest.raises(InputError, match="--again b: was abandoned"):
        again(history, "b")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["k"], "--again k: no candidate 'k' in this campaign's pool"),
        (["a,k"], "--again k: no candidate 'k'"),
        (["f"], "--again f: was never measured"),
        (["c"], "--again c: is not measured yet: it is open; --open writes it"),
        (["d"], "--again d: was abandoned (out of ink)"),
        (["e"], "--again e: has no value: it is failed"),
        (["a", "a"], "--again a: is named twice"),
        (["a", "best:1,"], "--again best:1,: must be best:N"),
        (["best:2", "b"], "--again b: is named twice"),
        (["best:3"], "--again best:3: 2 can be measured again"),
        (["best:0"], "must be best:N with N at least 1; write best:3"),
        (["best:" + "9" * 5000], "2 can be measured again"),
        (["best:x"], "must be best:N"),
        ([" , "], "--again: names nothing"),
    ],
)
def test_what_cannot_be_measured_again(words: list[str], message: str) -> None:
    history = campaign()
    add(history, ["a;1.0", "b;2.0"])
    add(history, ["d;;abandoned;out of ink", "e;;failed"], "id,y,status,note")
    before = history.seq
    with pytest.raises(InputError) as error:
        again(history, *words)
    assert message in str(error.value) and history.seq == before


def test_once_is_enough_while_it_is_open() -> None:
    history = campaign()
    add(history, ["a;1.0"])
    again(history, "a")
    with pytest.raises(InputError, match="--again a: is being measured again already; see --open"):
        again(history, "a")


def test_ids_that_look_like_something_else() -> None:
    history = campaign(handed=10)
    add(history, ["best:9;1.0", "x,y;2.0", "a;3.0"])
    ids = again(history, "best:9", "x,y", "a")
    assert [history.trials[i].candidate for i in ids] == ["best:9", "x,y", "a"]


class Line:
    """Believes that every candidate is as good as its x."""

    def forecast(self, space: Space, history: History) -> Forecast:
        flat = np.zeros(10)
        return Forecast(np.arange(10.0), flat, flat, flat, flat, flat + 1.0, "line")


def test_the_best_by_the_model_not_by_the_luckiest_value() -> None:
    history = campaign(handed=8)
    add(history, [f"{c};{y}" for c, y in zip("abcdefgh", [0, 1, 9, 3, 4, 5, 6, 7], strict=True)])
    ids = again(history, "best:3", forecaster=Line())
    assert [history.trials[i].candidate for i in ids] == ["h", "g", "f"]
    fresh = campaign(handed=8)
    add(fresh, ["a;1.0", "b;9.0", "c;5.0"])
    assert [fresh.trials[i].candidate for i in again(fresh, "best:2")] == ["b", "c"]


def test_points_of_a_space_by_the_ids_of_their_trials() -> None:
    history = campaign(BOX)
    columns = "id,y,status"
    add(history, [f"films-{i};{y}" for i, y in enumerate((1.0, 5.0, 2.0, 1.5))], columns, BOX)
    (trial,) = again(history, "films-1", space=BOX)
    asked = history.trials[trial]
    assert dict(asked.params) == {"x": 0.1} and asked.candidate is None
    assert asked.why["replicate"] == 2 and asked.why["repeats"] == 1
    assert add(history, [f"films-{trial};1.0"], columns, BOX) == Summary(measured=1)
    assert means(history)["1"] == 3.0
    best = best_of(history)
    assert best is not None and best.id == 1
    (third,) = again(history, f"films-{trial}", space=BOX)
    assert history.trials[third].why["repeats"] == 1
    assert history.trials[third].why["replicate"] == 3
    for word, message in {
        "films-99": "no 'films-99': 7 trials were asked for",
        "foils-1": "is campaign 'foils''s",
        "c1": "unknown id 'c1'",
        "films-4": "is not measured yet",
    }.items():
        with pytest.raises(InputError, match=message):
            again(history, word, space=BOX)
    (other,) = again(history, "best:1", space=BOX)
    assert history.trials[other].params["x"] in (0.0, 0.2, 0.3), "0.1 is open"
    # By the point itself: what says the same is there already, what is new goes to what is open.
    assert add(history, ["0.1;5.0"], "x,y", BOX) == Summary(already_there=1)
    assert add(history, ["0.1;6.0"], "x,y", BOX) == Summary(measured=1)
    assert means(history)["1"] == 4.0


def test_with_a_fixed_choice_nothing_is_repeated_unasked() -> None:
    """The pool still holds what was measured at other values: it must not come back."""
    pool = Pool(IDS, {"x": tuple(range(10)), "T": (60, 80) * 5}, ("x",))
    space, history = Space(pool=pool), campaign()
    add(history, [f"{c};{y}" for c, y in zip("abcde", (1.0, 5.0, 9.0, 4.0, 2.0), strict=True)])
    proposer = PoolProposer(Goal("best"), "lcb", 2, replicates=3)
    free = asked_events(space, history, proposer, None, 0, 8, {})
    assert "c" in {e.body.get("candidate") for e in free}
    held = asked_events(space, history, proposer, None, 0, 8, {"T": 80})
    picked = {e.body["candidate"] for e in held if e.kind is EventKind.ASKED}
    assert picked == {"f", "h", "x,y"}


def test_a_repeat_that_the_model_asks_for_says_so() -> None:
    history = campaign()
    add(history, [f"{c};{y}" for c, y in zip("abcde", (1.0, 5.0, 9.0, 4.0, 2.0), strict=True)])
    proposer = PoolProposer(Goal("best"), "lcb", 2, replicates=2)
    events = asked_events(POOL, history, proposer, proposer, 0, 8, {})
    said = {e.body["candidate"]: e.body["why"] for e in events if e.kind is EventKind.ASKED}
    assert str(said["c"]["reason"]).startswith("measurement 2, highest upper bound: predicted")
    assert said["c"]["nearest"] in ("b", "d") and "replicate" not in said["f"]
    sheet = Sheet("films", POOL, history.targets)
    tell(history, *events)
    rows = {r["id"]: r for r in (sheet.row(t, {}) for t in history.pending)}
    assert rows["c"]["replicate"] == 2 and rows["f"]["replicate"] is None
