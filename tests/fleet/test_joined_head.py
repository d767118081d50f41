"""The head of a cluster that was joined: heard as long as it answers, and given up when it does not."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import pytest

from matscout.clock import VirtualClock
from matscout.errors import RunFailed
from matscout.fleet import ray_local
from matscout.fleet.ray_actors import _HEAD_SILENT_S, RayFleet
from matscout.fleet.ray_local import JoinedHead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> VirtualClock:
    clock = VirtualClock(100.0)
    monkeypatch.setattr(ray_local, "time", clock)
    return clock


def head_at(place: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> JoinedHead:
    context = SimpleNamespace(gcs_address=f"{place[0]}:{place[1]}")
    monkeypatch.setattr(ray_local.ray, "get_runtime_context", lambda: context)
    return JoinedHead()


def test_its_silence_is_counted_from_its_last_answer(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        head = head_at(server.getsockname(), monkeypatch)
        assert head.silent_s() == 0.0
        clock.now_s += 30.0
        assert head.silent_s() == 0.0
    clock.now_s += 7.0
    assert head.silent_s() == 7.0
    clock.now_s += 50.0
    assert head.silent_s() == 57.0


def test_one_that_cannot_be_reached_from_here_is_nobodys_business(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = server.getsockname()
    head = head_at(place, monkeypatch)
    clock.now_s += 1e6
    assert head.silent_s() == 0.0


@pytest.mark.parametrize("silent_s", [_HEAD_SILENT_S - 1.0, _HEAD_SILENT_S])
def test_the_fleet_leaves_in_words(monkeypatch: pytest.MonkeyPatch, silent_s: float) -> None:
    fleet: Any = RayFleet.__new__(RayFleet)
    fleet._look_at_head_s, fleet._joined = 0.0, SimpleNamespace(silent_s=lambda: silent_s)
    fleet._places = SimpleNamespace(answer=lambda: None)
    if silent_s < _HEAD_SILENT_S:
        fleet._require_head()
    else:
        with pytest.raises(RunFailed, match=r"has not answered for 40 s.*resume"):
            fleet._require_head()
