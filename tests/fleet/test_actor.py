"""What a Ray actor does, tried without Ray."""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace

import pytest

from matscout.evaluate.bad_lab import ByOrder
from matscout.evaluate.base import Context
from matscout.evaluate.function import FunctionEvaluator
from matscout.fleet.actor import AttemptActor
from matscout.fleet.worker import assignment_to_json
from matscout.outcome import Assignment, Kind, Outcome
from matscout.runfolder import RunFolder
from matscout.trial import Target

TARGETS = (Target("y"),)


def order(trial: int, do: str, **params: int) -> str:
    return assignment_to_json(Assignment(trial, 1, {"do": do, **params}))


def read(texts: list[str]) -> list[Outcome]:
    return [Outcome.from_json(text) for text in texts]


def test_a_short_attempt_says_everything_at_once(folder: RunFolder) -> None:
    actor = AttemptActor(ByOrder, TARGETS, str(folder.root), "ray-0")
    outcomes = read(actor.run(order(0, "report", n=3)))
    assert [o.kind for o in outcomes] == [Kind.REPORTED] * 3 + [Kind.MEASURED]
    assert outcomes[-1].worker.startswith("ray-0@")
    assert actor.reports(0, 1, 5.0) == [], "there is nothing to wait for"


def test_a_long_attempt_is_listened_to_and_stopped_from_other_threads(folder: RunFolder) -> None:
    actor = AttemptActor(ByOrder, TARGETS, str(folder.root), "ray-0")
    said: list[str] = []
    worker = threading.Thread(target=lambda: said.extend(actor.run(order(5, "until-stopped"))))
    worker.start()
    heard: list[Outcome] = []
    while len(heard) < 3:
        heard += read(actor.reports(5, 1, 10.0))
    actor.stop(5, 2)  # another attempt
    heard += read(actor.reports(5, 1, 10.0))
    actor.stop(5, 1)
    worker.join(30.0)
    assert not worker.is_alive()
    heard += read(said)
    assert [o.step for o in heard[:-1]] == list(range(1, len(heard)))
    assert heard[-1].kind is Kind.STOPPED


@pytest.mark.parametrize(
    ("gpu", "seen", "device"), [(False, True, "cpu"), (True, False, "cpu"), (True, True, "cuda:0")]
)
def test_the_device_is_a_gpu_where_the_slot_has_a_share_and_torch_sees_one(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    gpu: bool, seen: bool, device: str,
) -> None:  # fmt: skip
    cuda = SimpleNamespace(is_available=lambda: seen)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    devices: list[str] = []

    def look(params: object, context: Context) -> float:
        devices.append(context.device)
        return 1.0

    actor = AttemptActor(
        lambda: FunctionEvaluator(look), TARGETS, str(folder.root), "ray-0", gpu=gpu
    )
    actor.run(order(0, "measure"))
    assert devices == [device]
    assert ("torch sees none" in caplog.text) == (gpu and not seen), "nobody is slow unawares"
