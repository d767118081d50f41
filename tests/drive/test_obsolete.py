"""Running experiments that a result has made pointless are cancelled, and cost no budget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matscout import failpoint
from matscout.cli.assemble import drive, spec_from_file
from matscout.cli.show import summary, summary_lines
from matscout.clock import VirtualClock
from matscout.drive.absorb import events_for
from matscout.drive.loop import Observer
from matscout.drive.obsolete import BEST, obsolete
from matscout.drive.policy import Policy
from matscout.drive.queue import queued
from matscout.drive.run import RunSpec, create, load, reopen, sit
from matscout.errors import InputError
from matscout.event import Event, EventKind
from matscout.fleet.simulated import Faults, SimulatedFleet
from matscout.history import History
from matscout.outcome import Assignment, Kind, Outcome
from matscout.pool import Pool
from matscout.propose.base import Forecast
from matscout.propose.pool import PoolProposer
from matscout.report.table import write_csv
from matscout.runfolder import RunFolder
from matscout.space import Space
from matscout.trial import Measurement, Proposal, State, Target

POOL = Pool.from_rows([{"id": f"c{i}", "x": float(i)} for i in range(40)])
SPACE = Space(pool=POOL)


@pytest.fixture(autouse=True)
def disarm() -> Iterator[None]:
    yield
    failpoint.arm("")


class Nearest:
    """Believes that what is near the best is good. Begins with what it is told to."""

    name = "nearest"

    def __init__(self, start: list[int] | None = None) -> None:
        self.start = start or []

    def score(self, history: History) -> np.ndarray:
        best = history.best()
        centre = 0.0 if best is None else float(best.params["x"])
        return -np.abs(np.arange(40.0) - centre)

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        asked = {t.candidate for t in history.asked_for}
        order = [f"c{i}" for i in self.start] if len(history.completed) < 1 else []
        order += [f"c{i}" for i in np.argsort(-self.score(history), kind="stable")]
        free = [c for c in dict.fromkeys(order) if c not in asked]
        return [Proposal(POOL.params(c), c, {"rule": "nearest"}) for c in free[:n]]

    def forecast(self, space: Space, history: History) -> Forecast | None:
        if not history.completed:
            return None
        nothing = np.zeros(40)
        return Forecast(
            nothing, nothing, nothing, nothing, self.score(history), nothing + 1, "nearest"
        )


def story(*running: int, measured: int = 10, rule: str = "nearest") -> History:
    """One measured candidate, and those in `running` on the fleet."""
    history = History([Event(EventKind.CREATED, body={"targets": [{"name": "y"}]})])
    for trial, i in enumerate((measured, *running)):
        body = {"params": POOL.params(f"c{i}"), "candidate": f"c{i}", "why": {"rule": rule}}
        history.apply(Event(EventKind.ASKED, trial, body=body))
        history.apply(Event(EventKind.DISPATCHED, trial, 1))
    history.apply(Event(EventKind.MEASURED, 0, 1, {"values": {"y": 1.0}}))
    return history


def judged(history: History, slots: int = 2, waiting: int = 2) -> dict[int, str]:
    nearest = Nearest()
    proposals = nearest.propose(SPACE, history, waiting, seed=0)
    return obsolete(SPACE, history, nearest, slots, proposals)


# -- what is obsolete ------------------------------------------------------------------------------


def test_only_what_lies_far_outside_the_best() -> None:
    # c10 is the centre of what is good, and measured. Nearer to it than c15 are eight.
    assert BEST == 4
    assert judged(story(14, 38)) == {2: "obsolete: place 38 of 39 candidates by what is known now"}
    assert list(judged(story(14, 15))) == [2]
    assert judged(story(14, 15), slots=3) == {}
    # What runs was hidden while ranking: of the two nearest, neither pushes the other out.
    assert judged(story(9, 11)) == {}


def test_the_worst_first_and_no_more_than_wait() -> None:
    assert list(judged(story(20, 38, 30), slots=3, waiting=2)) == [2, 3]
    assert list(judged(story(20, 38, 30), slots=3, waiting=1)) == [2]
    assert judged(story(20, 38, 30), waiting=0) == {}


def test_who_is_never_judged() -> None:
    assert judged(story(38, rule="random")) == {}, "drawn at random, not for its score"
    again = story(38)
    again.apply(queued([], {1: "obsolete"}))
    assert judged(again) == {}, "cancelled already"
    again.apply(Event(EventKind.WITHDRAWN, 1, 1, {"reason": "obsolete"}))
    body = {"params": POOL.params("c38"), "candidate": "c38", "why": {"rule": "nearest"}}
    again.apply(Event(EventKind.ASKED, 2, body=body))
    again.apply(Event(EventKind.DISPATCHED, 2, 1))
    assert judged(again) == {}, "not twice"
    handed = story(20)
    handed.apply(Event(EventKind.ASKED, 2, body=body))
    handed.apply(Event(EventKind.DISPATCHED, 2, 1, {"to": "person"}))
    assert list(judged(handed)) == [1], "a person is not to be cancelled"


def test_judging_changes_nothing() -> None:
    history = story(14, 38)
    before = (list(history.trials), dict(history.in_flight), list(history.changes))
    judged(history)
    assert before == (list(history.trials), dict(history.in_flight), list(history.changes))


def test_what_an_obsolete_trial_still_says() -> None:
    history = story(14, 38)
    history.apply(queued([], {2: "obsolete"}))
    policy = Policy(trials=9)

    def said(kind: Kind) -> EventKind:
        outcome = Outcome(2, 1, kind, values={"y": 3.0}, reason="r")
        (event,) = events_for(history, outcome, policy)
        return event.kind

    assert said(Kind.STOPPED) is said(Kind.CRASHED) is EventKind.WITHDRAWN
    assert said(Kind.MEASURED) is EventKind.MEASURED and said(Kind.FAILED) is EventKind.FAILED
    history.apply(Event(EventKind.WITHDRAWN, 2, 1, {"reason": "obsolete"}))
    assert said(Kind.MEASURED) is EventKind.MEASURED, "a late value is kept"
    assert history.trials[2].finished is None
    history.apply(Event(EventKind.MEASURED, 2, 1, {"values": {"y": 3.0}}))
    assert history.trials[2].state is State.COMPLETE and history.trials[2].finished == 1


# -- in the loop -----------------------------------------------------------------------------------


class Valley:
    """Lowest at x = 36."""

    def evaluate(self, params: Any, context: Any) -> Iterator[Measurement]:
        yield Measurement({"y": abs(params["x"] - 36.0)})


def long_at_first(assignment: Assignment, rng: np.random.Generator) -> float:
    """c0 and c5 take ten times as long. Seconds, not hours: an idle loop looks four times a second."""
    return 100.0 if assignment.candidate in ("c0", "c5") else 10.0


SPEC = RunSpec(
    "r",
    "campaign",
    SPACE,
    (Target("y"),),
    Policy(trials=14, slots=3, ahead=2, cancel_obsolete=True),
    config={},
)


def sitting(folder: RunFolder) -> str:
    clock, nearest = VirtualClock(), Nearest([0, 32, 5])
    journal, history, spec = reopen(folder, clock)
    with journal:
        return sit(
            folder,
            journal,
            history,
            spec,
            proposer=nearest,
            start_fleet=lambda: SimulatedFleet(
                Valley, spec.targets, folder, 3, clock, duration=long_at_first
            ),
            clock=clock,
            obsolete=lambda history, proposals: obsolete(
                SPACE, history, nearest, spec.policy.slots, proposals
            ),
        )


def test_what_c32_makes_pointless_is_cancelled_and_refunded(tmp_path: Path) -> None:
    folder = RunFolder.of("r", tmp_path)
    create(folder, SPEC)
    assert sitting(folder) == "budget of 14 trials used"
    history, _ = load(folder)
    gone = [t for t in history.trials if t.state is State.WITHDRAWN]
    # c1 was waiting when c32 came in, and was begun before anybody was asked what c32 means.
    assert {t.candidate for t in gone} == {"c0", "c5", "c1"}
    assert all(t.reason.startswith("obsolete: place ") for t in gone)
    assert history.count_asked == len(history.completed) == 14 and len(history.trials) == 17
    assert not history.obsolete and not history.in_flight and not history.queue
    # And the best was found.
    assert history.best().candidate == "c36"  # type: ignore[union-attr]


def test_its_candidate_may_be_asked_for_again_and_then_is_finished(tmp_path: Path) -> None:
    folder = RunFolder.of("r", tmp_path)
    create(folder, replace(SPEC, policy=replace(SPEC.policy, trials=40)))
    assert sitting(folder) == "budget of 40 trials used"
    history, _ = load(folder)
    assert {t.candidate for t in history.completed} == set(POOL.ids)
    withdrawn = Counter(t.candidate for t in history.trials if t.state is State.WITHDRAWN)
    assert withdrawn == {"c0": 1, "c5": 1, "c1": 1}


@pytest.mark.parametrize("place", ["loop.before_asked", "loop.after_queued", "loop.after_asked"])
def test_killed_before_or_after_the_word_is_given(tmp_path: Path, place: str) -> None:
    """Queue and cancellation are one event. What it named is withdrawn at the next sitting, and not
    begun anew."""
    for nth in (2, 4, 6):
        folder = RunFolder.of("r", tmp_path / f"{nth}")
        create(folder, SPEC)
        failpoint.arm(f"{place}:{nth}:raise")
        with pytest.raises(OSError, match="failpoint"):
            sitting(folder)
        failpoint.arm("")
        named = set(load(folder)[0].obsolete)
        assert sitting(folder) == "budget of 14 trials used"
        history, _ = load(folder)
        assert all(history.trials[i].attempts == 1 for i in named)
        assert all(history.trials[i].state is State.WITHDRAWN for i in named)
        assert len(history.completed) == history.count_asked == 14
        done = [t.candidate for t in history.trials if t.state is not State.WITHDRAWN]
        assert len(set(done)) == 14


@pytest.mark.parametrize("seed", range(6))
def test_in_a_bad_laboratory(tmp_path: Path, seed: int) -> None:
    """Whatever crashes, hangs, comes late or twice: the budget is kept, every value that came is kept,
    and nobody is cancelled twice."""
    folder = RunFolder.of("r", tmp_path)
    policy = replace(SPEC.policy, trials=20, lease_s=110.0, timeout_s=250.0)
    create(folder, replace(SPEC, policy=policy))
    heard: list[tuple[int, float]] = []
    cancelled: list[int] = []

    class Heard(Observer):
        def event(self, event: Event, history: History) -> None:
            if event.kind is EventKind.MEASURED and event.trial is not None:
                heard.append((event.trial, event.body["values"]["y"]))
            if event.kind is EventKind.WITHDRAWN and event.trial is not None:
                cancelled.append(event.trial)

    def uneven(assignment: Assignment, rng: np.random.Generator) -> float:
        return float(rng.exponential(10.0))

    faults = Faults(crash=0.1, hang=0.05, late=0.1, duplicate=0.1)
    clock, nearest = VirtualClock(), Nearest([0, 32, 5])
    journal, history, spec = reopen(folder, clock)
    with journal:
        sit(
            folder, journal, history, spec, proposer=nearest, clock=clock, observer=Heard(),
            start_fleet=lambda: SimulatedFleet(
                Valley, spec.targets, folder, 3, clock, seed, uneven, faults
            ),
            obsolete=lambda h, proposals: obsolete(SPACE, h, nearest, 3, proposals),
        )  # fmt: skip
        assert History(journal.read()).trials == history.trials
    named = Counter(history.trials[i].candidate for i in cancelled)
    assert max(named.values(), default=0) <= 1
    # A trial whose value came although it had been withdrawn counts again, beyond the budget.
    late = len(cancelled) - history.count(State.WITHDRAWN)
    assert 20 <= history.count_asked <= 20 + late
    assert dict(heard) == {t.id: t.values["y"] for t in history.completed}
    often = Counter(t.candidate for t in history.asked_for)
    assert all(n == 1 or c in named for c, n in often.items())


# -- from a config ---------------------------------------------------------------------------------

CONFIG = """
kind = "campaign"
name = "films"
[space]
pool = { file = "pool.csv" }
[[targets]]
name = "y"
direction = "max"
[evaluator]
type = "function"
target = "hill:height"
[goal]
kind = "best"
[proposer]
type = "pool"
startup = 3
[run]
trials = 14
workers = 3
fleet = "inline"
ahead = 2
cancel_obsolete = true
"""


def configured(home: Path, old: str = "", new: str = "") -> tuple[RunFolder, RunSpec]:
    (home / "pool.csv").write_text("id,x\n" + "".join(f"c{i},{i}\n" for i in range(60)))
    (home / "hill.py").write_text("def height(params):\n    return -((params['x'] - 40) ** 2)\n")
    assert old in CONFIG
    (home / "films.toml").write_text(CONFIG.replace(old, new))
    return RunFolder.of("films", home), spec_from_file(home / "films.toml", "campaign", {})


def test_a_campaign_from_a_config(tmp_path: Path) -> None:
    """The whole way: a real model, a real (inline) fleet."""
    folder, spec = configured(tmp_path)
    create(folder, spec)
    reason, _ = drive(folder, Observer())
    assert reason == "budget of 14 trials used"
    history, _ = load(folder)
    gone = [t for t in history.trials if t.state is State.WITHDRAWN]
    assert len(history.completed) == history.count_asked == 14
    assert history.best().candidate == "c40"  # type: ignore[union-attr]
    # Two that ran on the far side of the hill when it was found: below c30.
    assert gone and all(t.params["x"] < 30 for t in gone)
    write_csv(tmp_path / "out.csv", history)
    assert (tmp_path / "out.csv").read_text().count(",withdrawn,") == len(gone)
    history.apply(queued([{"params": {"x": 7}, "candidate": "c7"}]))
    lines = summary_lines(folder, history, spec)
    assert f"14 complete, {len(gone)} withdrawn" in lines[0] and "queued: c7" in lines
    assert summary(folder, history, spec)["queue"] == ["c7"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('[goal]\nkind = "best"\n[proposer]\ntype = "pool"\nstartup = 3', '[proposer]\ntype = "random"', "'random' does not rank all that could be"),
        ('kind = "best"', 'kind = "model"', "goal 'model' learns from every experiment"),
        ("workers = 3", "workers = 3\ncostly = true", "would cancel experiments, and these are costly"),
        ("ahead = 2", "", "needs something that waits to take the place"),
        ("ahead = 2", "ahead = 2\nbatch = 4", "run.ahead: is 2, and 4 are asked for at a time"),
        ("ahead = 2", "ahed = 2", "did you mean 'ahead'?"),
    ],
)  # fmt: skip
def test_configs_that_make_no_sense(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        configured(tmp_path, old, new)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_model_knows_nothing_of_what_was_withdrawn() -> None:
    proposer = PoolProposer(startup=1)
    told, untold = story(14, 38), story(14)
    for i, (x, y) in enumerate(((20, 3.0), (30, 2.0), (5, 4.0))):
        for history in (told, untold):
            trial = len(history.trials)
            body = {"params": POOL.params(f"c{x}"), "candidate": f"c{x}", "why": {}}
            history.apply(Event(EventKind.ASKED, trial, body=body))
            history.apply(Event(EventKind.DISPATCHED, trial, 1))
            history.apply(Event(EventKind.MEASURED, trial, 1, {"values": {"y": y - i}}))
    assert proposer.propose(SPACE, told, 3, seed=1) != proposer.propose(SPACE, untold, 3, seed=1)
    told.apply(Event(EventKind.WITHDRAWN, 2, 1, {"reason": "obsolete"}))
    assert proposer.propose(SPACE, told, 36, seed=1) == proposer.propose(SPACE, untold, 36, seed=1)
    ours, theirs = proposer.forecast(SPACE, told), proposer.forecast(SPACE, untold)
    assert ours is not None and theirs is not None
    np.testing.assert_array_equal(ours.score, theirs.score)
    asked = {p.candidate for p in proposer.propose(SPACE, told, 36, seed=1)}
    assert "c38" in asked and "c14" not in asked
