"""Workers that have a process and do not come up, unlike one that waits; nodes that will go."""

from __future__ import annotations

import ctypes
import importlib
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from matscout.cli.promises.alive import eventually
from matscout.evaluate.bad_lab import ByOrder
from matscout.evaluate.process_tree import family
from matscout.fleet import ray_actors, ray_places, ray_slot, running
from matscout.fleet.ray_actors import RayFleet
from matscout.fleet.ray_places import Found
from matscout.fleet.ray_sigterm import own_sigterm, while_answering
from matscout.fleet.ray_slot import TELL_AFTER_S, Slot
from matscout.fleet.running import START_S, Running
from matscout.outcome import Assignment, Kind, Outcome
from matscout.runfolder import RunFolder
from matscout.trial import Target

HANGS = """
import os, time

if "MATSCOUT_WORKER" in os.environ:
    time.sleep(600)


def factory():
    raise AssertionError("nobody gets here")
"""


def test_the_time_to_come_up_runs_from_when_there_is_a_process() -> None:
    slot = Slot("ray-0", Path("log"), actor=object(), asked_s=10.0)
    assert slot.waits and slot.late_at_s == math.inf, (
        "it waits for a place, for as long as it takes"
    )
    slot.placed_s = 50.0
    assert not slot.waits and slot.late_at_s == 50.0 + START_S
    slot.up_s = 60.0
    assert slot.late_at_s == 60.0 + START_S, "its evaluator is being made"
    slot.ready = True
    assert slot.late_at_s == math.inf
    slot.empty()
    assert slot.placed_s is None and not slot.waits


class At:
    now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@dataclass
class Rig:
    """A fleet with neither a cluster nor actors: where they are and which nodes will go is made up."""

    clock: At
    fleet: Any
    slots: dict[str, Slot]
    nodes: dict[str, str] = field(default_factory=dict)
    leaving: set[str] = field(default_factory=set)
    asked: list[frozenset[str]] = field(default_factory=list)
    killed: list[str] = field(default_factory=list)
    silent_s: float = 0.0

    def ask(self, actors: dict[str, str], late: frozenset[str]) -> None:
        assert actors == {slot.mark: slot.actor for slot in self.slots.values()}
        self.asked.append(late)

    def answer(self) -> Found:
        return Found(frozenset(self.leaving), self.nodes)

    def look(self) -> None:
        """Some time later."""
        self.clock.now_s += 60.0
        self.fleet._require_head()
        self.fleet._hand_over()


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    names = ("first", "second", "third", "fourth")
    slots = {n: Slot(n, Path("log"), actor=n, mark=n, asked_s=1000.0) for n in names}
    fleet: Any = RayFleet.__new__(RayFleet)
    rig = Rig(At(), fleet, slots)

    def kill(self: RayFleet, slot: Slot) -> None:
        rig.killed.append(slot.name)
        slot.empty()

    fleet._slots, fleet._waiting, fleet._refs, fleet._notes = list(slots.values()), deque(), {}, []
    fleet._look_at_head_s = fleet._look_at_nodes_s = 0.0
    fleet._joined = SimpleNamespace(silent_s=lambda: rig.silent_s)
    fleet._places = rig
    monkeypatch.setattr(ray_actors, "time", rig.clock)
    monkeypatch.setattr(RayFleet, "_kill", kill)
    return rig


def test_the_head_is_asked_of_those_that_take_long_to_come_up(rig: Rig) -> None:
    rig.slots["fourth"].up_s = 1001.0
    rig.fleet._require_head()
    assert rig.asked == [frozenset()]
    rig.clock.now_s += TELL_AFTER_S
    rig.slots["third"].asked_s = rig.clock.now_s - 1.0
    rig.silent_s = 3.0
    rig.fleet._require_head()
    assert len(rig.asked) == 1, "one that does not answer is not asked"
    rig.clock.now_s += 2.0
    rig.silent_s = 0.0
    rig.fleet._require_head()
    assert rig.asked[1:] == [{"first", "second"}]
    rig.nodes["first"] = "a"
    rig.clock.now_s += 1.5
    rig.fleet._require_head()
    assert len(rig.asked) == 2, "not every second"
    assert rig.slots["first"].placed_s == rig.clock.now_s
    assert rig.slots["second"].placed_s is None
    rig.clock.now_s += 60.0
    rig.fleet._require_head()
    assert rig.asked[2:] == [{"second", "third"}]
    assert rig.slots["first"].placed_s == rig.clock.now_s - 60.0


def test_nothing_is_begun_on_a_node_that_will_go(rig: Rig) -> None:
    rig.nodes |= {"first": "goes", "second": "goes", "third": "stays"}
    for slot in rig.slots.values():
        slot.up_s, slot.ready = 1001.0, True
    working = Running(Assignment(0, 1, {}), 5.0, 1000.0, began_s=1001.0)
    rig.slots["first"].running = working
    rig.look()
    assert rig.killed == [] and rig.fleet.notes() == []
    rig.leaving.add("goes")
    rig.look()
    assert rig.killed == ["second"], "the work in hand may come to its end"
    assert rig.fleet.notes() == [
        "the cluster is about to lose the place of first, second: nothing more is begun there"
    ]
    del rig.nodes["second"]
    rig.slots["second"].actor = "another"
    rig.look()
    assert rig.killed == ["second"] and rig.fleet.notes() == [], "once"
    rig.slots["first"].running = None
    assert not rig.slots["first"].idle
    rig.fleet._hand_over()
    assert rig.killed == ["second", "first"]
    assert rig.slots["third"].idle and rig.slots["fourth"].idle
    assert not rig.slots["first"].leaving, "the next one may be anywhere"


def test_a_head_that_does_not_answer_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    answers, asked = threading.Event(), list[str]()
    places = ray_places.Places({"num_cpus": 1.0, "num_gpus": 0.0, "resources": {}})

    def leaving_nodes() -> frozenset[str]:
        assert answers.wait(60.0)
        return frozenset()

    def node_of(actor: str) -> str:
        asked.append(actor)
        return "" if actor == "waits" else "a"

    monkeypatch.setattr(ray_places, "leaving_nodes", leaving_nodes)
    monkeypatch.setattr(ray_places, "node_of", node_of)
    node = {"Alive": True, "Resources": {"CPU": 2.0}}
    monkeypatch.setattr(ray, "nodes", lambda: [node])
    actors = {"1": "up", "2": "hangs", "3": "waits"}
    assert places.answer() is None
    for _ in range(3):
        places.ask(actors, frozenset("23"))
        assert places.answer() is None
    answers.set()
    assert places.answer(60.0) == Found(frozenset(), {"2": "a"}, 2)
    assert places.answer() is None and asked == ["hangs", "waits"]
    monkeypatch.setattr(ray_places, "leaving_nodes", lambda: frozenset("b"))
    places.ask(actors, frozenset())
    assert places.answer(60.0) == Found(frozenset("b"), {"1": "a", "2": "a"})


def test_where_nobody_can_be_asked_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> frozenset[str]:
        raise RuntimeError("Ray has not been started")

    monkeypatch.setattr(ray_places, "leaving_nodes", gone)
    places = ray_places.Places({})
    for _ in range(2):
        places.ask({"1": "up"}, frozenset("1"))
        assert places.answer(60.0) is None


def test_where_no_thread_can_be_had_the_question_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(ray_places, "leaving_nodes", frozenset)
    places = ray_places.Places({})
    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", none)
        places.ask({}, frozenset())
        assert places.answer() is None
    places.ask({}, frozenset())
    assert places.answer(60.0) == Found()


def test_one_that_came_up_while_the_driver_was_thinking_is_heard_first(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot = rig.slots["first"]
    slot.placed_s = rig.clock.now_s
    rig.clock.now_s += START_S
    rig.fleet._refs = {"up": (slot, "hello"), "watched": (slot, "watch")}
    monkeypatch.setattr(ray, "wait", lambda refs, **_: ([r for r in refs if r == "up"], []))
    monkeypatch.setattr(ray, "get", lambda ref: (4711, "here"))
    assert rig.fleet._heard(0.0, 2) == [] and list(rig.fleet._refs) == ["watched"]
    rig.fleet._enforce()
    assert rig.killed == []
    rig.clock.now_s += START_S
    rig.fleet._enforce()
    assert rig.killed == ["first"]


@pytest.mark.slow
def test_one_that_hangs_while_it_imports_crashes_what_waits_and_one_without_a_place_does_not(
    folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hangs_in_workers.py").write_text(HANGS)
    monkeypatch.syspath_prepend(str(tmp_path))
    factory = importlib.import_module("hangs_in_workers").factory

    fleet = RayFleet(factory, (Target("y"),), folder, slots=1, cpus=1.0)
    try:
        for module in (running, ray_slot):
            monkeypatch.setattr(module, "START_S", 2.0)
        monkeypatch.setattr(ray_slot, "TELL_AFTER_S", 0.0)
        until_s = time.monotonic() + 60.0
        fleet.submit(Assignment(0, 1, {}))
        while fleet._slots[0].waits and time.monotonic() < until_s:
            assert fleet.poll(0.2) == []
        all_cores = float(os.cpu_count() or 1)
        second = RayFleet(factory, (Target("y"),), folder, 1, cpus=all_cores, address="x:1")
        second.submit(Assignment(1, 1, {}))
        heard: list[Outcome] = []
        while not heard and time.monotonic() < until_s:
            heard = fleet.poll(0.5)
            assert second.poll(0.5) == [], "it waits for a place: the first one's is not free"
        (outcome,) = heard
        assert outcome.kind is Kind.CRASHED and outcome.trial == 0
        assert outcome.reason == "its worker did not start within 2 s"
        assert second.queued == [1]
        second.close()
    finally:
        fleet.close()


@pytest.mark.slow
def test_a_head_that_stands_still_holds_no_driver_up(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither one that begins a worker, nor one that would say how much room there is."""
    monkeypatch.setattr(ray_slot, "TELL_AFTER_S", 0.0)
    fleet = RayFleet(ByOrder, (Target("y"),), folder, slots=1, cpus=0.1)
    (head,) = ray._private.worker._global_node.all_processes["gcs_server"]
    polled = threading.Event()
    fleet.submit(Assignment(0, 1, {"do": "measure", "x": 1.0}))
    while not fleet.poll(0.5):  # until there is a worker to be killed
        pass

    def begin_and_poll() -> None:
        fleet._kill(fleet._slots[0])
        fleet.submit(Assignment(1, 1, {"do": "measure", "x": 2.0}))
        until_s = time.monotonic() + 5.0
        while time.monotonic() < until_s:
            assert fleet.poll(0.2) == []
        polled.set()

    try:
        os.kill(head.process.pid, signal.SIGSTOP)
        try:
            threading.Thread(target=begin_and_poll, daemon=True).start()
            assert polled.wait(40.0), "the driver waits for the head"
        finally:
            os.kill(head.process.pid, signal.SIGCONT)
        outcomes: list[Outcome] = []
        until_s = time.monotonic() + 60.0
        while not outcomes and time.monotonic() < until_s:
            outcomes = fleet.poll(0.5)
        assert [o.values for o in outcomes] == [{"y": 2.0}]
    finally:
        fleet.close()


def test_ray_answers_no_signal_while_it_starts() -> None:
    """A driver that is asked to end in those seconds ends in order."""
    before, answers = signal.getsignal(signal.SIGTERM), ray._private.utils.set_sigterm_handler
    with own_sigterm():
        ray._private.utils.set_sigterm_handler(print)
        assert signal.getsignal(signal.SIGTERM) is before
    assert ray._private.utils.set_sigterm_handler is answers


SIGNALLED = """
import os, signal
from matscout.fleet.ray_local import local_cluster

heard = []
signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
shut_down = local_cluster(1, None)
os.kill(os.getpid(), signal.SIGTERM)
shut_down()
os.kill(os.getpid(), signal.SIGTERM)
assert heard == [1, 1], heard
"""


def test_who_was_to_answer_sigterm_answers_it_beside_ray_and_after_it(tmp_path: Path) -> None:
    """In C++ Ray prints a trace there, and leaves death behind when it ends."""
    ended = subprocess.run(
        [sys.executable, "-c", SIGNALLED],
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "SIGTERM" not in ended.stderr


def test_an_answer_that_c_takes_away_meanwhile_is_given_back() -> None:
    """As Ray does while it ends; a moment later somebody asks the driver to end."""
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda signum, frame: heard.append(signum))

    def ends() -> None:
        ctypes.CDLL(None).signal(signal.SIGTERM, None)
        given_back = threading.Event()
        given_back.wait(1.0)
        os.kill(os.getpid(), signal.SIGTERM)

    try:
        while_answering(ends)
        assert heard == [signal.SIGTERM]
        with pytest.raises(ZeroDivisionError):
            while_answering(lambda: [][1 // 0])
    finally:
        signal.signal(signal.SIGTERM, before)


BROKEN_OFF = """
from ray._private.node import Node
from matscout.fleet.goodbye import end_process
from matscout.fleet.ray_local import local_cluster

start = Node.start_ray_processes

def struck(node):
    start(node)
    raise KeyboardInterrupt

Node.start_ray_processes = struck
try:
    local_cluster(1, None)
except KeyboardInterrupt:
    end_process(130)
"""


def test_ray_that_is_broken_off_while_it_starts_is_not_waited_for_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    mark = f"MATSCOUT_BROKEN_OFF={tmp_path}"
    ended = subprocess.run(
        [sys.executable, "-c", BROKEN_OFF],
        env={**os.environ, "PYTHONPATH": ":".join(sys.path), "MATSCOUT_BROKEN_OFF": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 130
    assert eventually(lambda: not family(-1, mark), 30.0)
