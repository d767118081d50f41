"""How many workers a cluster has room for, and what a person is told of it."""

from __future__ import annotations

from typing import Any

from matscout.fleet.ray_slot import TELL_AFTER_S, Room, places


def node(alive: bool = True, **resources: float) -> dict[str, Any]:
    return {"Alive": alive, "Resources": resources}


def share(cpus: float, gpus: float = 0.0, **resources: float) -> dict[str, Any]:
    return {"num_cpus": cpus, "num_gpus": gpus, "resources": resources}


def test_a_worker_needs_its_whole_share_on_one_living_node() -> None:
    nodes = [node(CPU=3.0, GPU=1.0), node(CPU=3.0), node(alive=False, CPU=64.0), node(memory=1.0)]
    assert places(nodes, share(2.0)) == 2, "not three: nobody works on two nodes at once"
    assert places(nodes, share(1.0)) == 6
    assert places(nodes, share(0.1)) == 60, "tenths are no whole numbers in binary"
    assert places(nodes, share(1.0, gpus=0.5)) == 2
    assert places(nodes, share(1.0, furnace=1.0)) == 0
    assert places(nodes, share(0.0)) >= 100


def test_a_person_is_told_when_workers_wait_and_when_they_no_longer_do() -> None:
    room = Room(4)
    late_s = 100.0 + TELL_AFTER_S
    assert room.note(2, 100.0, late_s - 1.0, 2) == "", "a start takes its time"
    assert room.note(2, 100.0, late_s, None) == "", "nobody knows yet how much room there is"
    told = room.note(2, 100.0, late_s, 2)
    assert told == (
        "2 of 4 workers have a place in the Ray cluster; it has room for 2: "
        "what the others would do waits for a worker"
    )
    assert room.note(2, 100.0, late_s + 60.0, 2) == "", "once"
    assert "3 of 4" in room.note(3, 100.0, late_s + 90.0, 4)
    assert room.note(4, 0.0, late_s + 99.0, 4) == ("all 4 workers have a place in the Ray cluster")
    assert room.note(4, 0.0, late_s + 99.0, 4) == ""
