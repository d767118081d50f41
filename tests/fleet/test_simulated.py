"""The virtual laboratory: the same to the bit every time, with faults as often as it is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from matscout.clock import VirtualClock
from matscout.evaluate.base import Context
from matscout.evaluate.noop import Noop
from matscout.fleet.simulated import Faults, SimulatedFleet
from matscout.outcome import Assignment, Kind, Outcome
from matscout.trial import Measurement, Params, Report, Target

TARGETS = (Target("y"),)
ALL_FAULTS = Faults(crash=0.1, hang=0.1, late=0.1, duplicate=0.1)


def exponential(assignment: Assignment, rng: np.random.Generator) -> float:
    return float(rng.exponential(60.0))


@dataclass
class Epochs:
    """A trainer of five epochs that keeps a ledger of the virtual times at which it works."""

    clock: VirtualClock
    costly: bool = False
    ledger: list[float] = field(default_factory=list)

    def evaluate(self, params: Params, context: Context) -> Iterator[Report | Measurement]:
        for step in range(1, 6):
            self.ledger.append(self.clock.now_s)
            yield Report(step, {"y": 1.0 / step})
            if context.should_stop():
                return
        yield Measurement({"y": 0.0})


def drain(fleet: SimulatedFleet, trials: int, timeout_s: float | None = 600.0) -> list[Outcome]:
    """Keep all slots busy until `trials` attempts have ended; then whatever comes late."""
    heard: list[Outcome] = []
    ended: set[int] = set()
    given = 0
    while len(ended) < trials:
        while given < trials and given - len(ended) < fleet.slots:
            fleet.submit(Assignment(given, 1, {"x": float(given)}, seed=given, timeout_s=timeout_s))
            given += 1
        outcomes = fleet.poll(1e6)
        assert outcomes
        heard += outcomes
        ended |= {o.trial for o in outcomes if o.ends_attempt}
    while outcomes := fleet.poll(1e6):
        heard += outcomes
    return heard


def test_the_same_seed_gives_the_same_run_to_the_bit() -> None:
    def run(seed: int) -> tuple[list[Outcome], float]:
        clock = VirtualClock()
        fleet = SimulatedFleet(
            Noop, TARGETS, None, 7, clock, seed, duration=exponential, faults=ALL_FAULTS
        )
        return drain(fleet, 200), clock.now_s

    assert run(5) == run(5)
    assert run(5) != run(6)


def test_faults_come_as_often_as_they_are_asked_for() -> None:
    fleet = SimulatedFleet(
        Noop, TARGETS, None, 50, VirtualClock(), 1, duration=exponential, faults=ALL_FAULTS
    )
    heard = drain(fleet, 4000, timeout_s=60_000.0)
    endings = Counter(o.trial for o in heard)
    crashes = sum(o.reason == "the worker died: simulated" for o in heard)
    timeouts = sum(o.reason.startswith("timeout") for o in heard)
    twice = sum(count == 2 for count in endings.values())
    # Five standard errors of a share of 0.1 in 4,000 (0.9 of them for duplicates) are 0.024.
    for share in (crashes / 4000, timeouts / 4000, twice / 3600):
        assert abs(share - 0.1) < 0.024
    assert set(endings) == set(range(4000))


def test_durations_do_not_depend_on_faults() -> None:
    def cost(faults: Faults) -> dict[int, float]:
        fleet = SimulatedFleet(
            Noop, TARGETS, None, 3, VirtualClock(), 2, duration=exponential, faults=faults
        )
        return {o.trial: o.cost_s for o in drain(fleet, 50) if o.kind is Kind.MEASURED}

    sound, faulty = cost(Faults()), cost(Faults(crash=0.5))
    assert len(faulty) < len(sound) == 50
    assert all(abs(sound[trial] - faulty[trial]) < 1e-6 for trial in faulty)


def test_reports_are_spread_over_the_time_and_a_cancel_cuts_them_short() -> None:
    clock = VirtualClock()
    lab = Epochs(clock)
    fleet = SimulatedFleet(lambda: lab, TARGETS, None, 1, clock, duration=lambda a, rng: 10.0)
    fleet.submit(Assignment(0, 1, {}))
    first, second = fleet.poll(1e6), fleet.poll(1e6)
    assert (first[0].step, second[0].step, clock.now_s) == (1, 2, 20.0)
    fleet.cancel(0)
    assert fleet.poll(1.0) == [] and clock.now_s == 21.0
    (ending,) = fleet.poll(1e6)
    assert ending.kind is Kind.STOPPED
    assert clock.now_s == 26.0, "killed after the grace time, before the next epoch"
    assert lab.ledger == [10.0, 20.0]
    assert fleet.poll(1e6) == []
    fleet.submit(Assignment(1, 1, {}))


def test_a_late_result_comes_although_the_attempt_was_given_up() -> None:
    clock = VirtualClock()
    fleet = SimulatedFleet(
        Noop, TARGETS, None, 1, clock, duration=lambda a, rng: 10.0, faults=Faults(late=1.0)
    )
    fleet.submit(Assignment(0, 1, {"x": 3.0}, timeout_s=20.0))
    (given_up,) = fleet.poll(1e6)
    assert (given_up.kind, clock.now_s) == (Kind.CRASHED, 26.0)
    fleet.submit(Assignment(1, 1, {}))  # the slot is free
    (late,) = fleet.poll(1e6)
    assert (late.trial, late.kind, late.values) == (0, Kind.MEASURED, {"y": 3.0})
    assert clock.now_s == 100.0


def test_polling_moves_the_clock_by_its_timeout_and_no_further() -> None:
    clock = VirtualClock()
    fleet = SimulatedFleet(Noop, TARGETS, None, 1, clock, duration=lambda a, rng: 10.0)
    assert fleet.poll(3.0) == [] and clock.now_s == 3.0
    fleet.submit(Assignment(0, 1, {}))
    assert fleet.poll(0) == [] and clock.now_s == 3.0
    assert fleet.poll(9.0) == [] and clock.now_s == 12.0
    (outcome,) = fleet.poll(9.0)
    assert (clock.now_s, outcome.cost_s) == (13.0, 10.0)


def test_thousands_of_slots() -> None:
    clock = VirtualClock()
    fleet = SimulatedFleet(Noop, TARGETS, None, 1920, clock, duration=exponential)
    heard = drain(fleet, 3000)
    assert len(heard) == 3000
    assert len({o.worker for o in heard}) == 1920


def test_a_hanging_attempt_without_a_timeout_is_the_drivers_to_end() -> None:
    fleet = SimulatedFleet(Noop, TARGETS, None, 1, VirtualClock(), faults=Faults(hang=1.0))
    fleet.submit(Assignment(0, 1, {}))
    assert fleet.poll(1e9) == []
    fleet.cancel(0)
    (ending,) = fleet.poll(1e9)
    assert ending.kind is Kind.STOPPED and ending.reason.startswith("killed")


@pytest.mark.parametrize("faults", [Faults(), ALL_FAULTS])
def test_a_run_folder_makes_it_use_the_outbox(folder: Any, faults: Faults) -> None:
    fleet = SimulatedFleet(Noop, TARGETS, folder, 2, VirtualClock(), 3, faults=faults)
    heard = drain(fleet, 20)
    stored = {p.name for p in folder.outbox.glob("*.json")}
    measured = {o.trial for o in heard if o.kind is Kind.MEASURED}
    assert stored == {f"trial-{trial:06d}-01.json" for trial in measured}
    for outcome in heard:
        fleet.acknowledge(outcome)
    assert not list(folder.outbox.glob("*.json"))
