"""What a child may not do, it does not take the parent along in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from matscout.data.bounded_child import ChildEnded, Refused, answers

CHILD = """
import os
from matscout.data import bounded_child
from matscout.data.bounded_child import Refused, serve
bounded_child.CPU_S = 1
def answer(request):
    print("chatter")
    if request == "memory":
        return len(bytearray(8 * 2**30))
    if request == "busy":
        while True:
            pass
    if request == "crash":
        os._exit(7)
    if request == "write":
        try:
            with open("written", "w") as file:
                file.write("x")
        except OSError as error:
            return type(error).__name__
    if request == "deep":
        raise RecursionError
    if request == "long":
        return "x" * 10_000
    return Refused("no", "ask nicely") if request == "refuse" else [request]
serve(answer)
"""


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "child_of_ours.py").write_text(CHILD)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def said(*requests: Any, **limits: Any) -> list[Any]:
        return list(answers("child_of_ours", requests, **{"most_bytes": 1000, **limits}))

    return said


def test_answers_come_in_order_and_a_refusal_is_one(ask: Any, tmp_path: Path) -> None:
    found = ask("a", "refuse", "memory", "deep", "write", {"b": 1.5})
    assert found[:2] == [["a"], Refused("no", "ask nicely")]
    assert "memory" in found[2].what and "deep" in found[3].what
    assert found[4:] == ["OSError", [{"b": 1.5}]]
    assert not (tmp_path / "written").exists() or not (tmp_path / "written").read_text()


@pytest.mark.parametrize(
    ("request_", "limits", "why"),
    [
        ("busy", {}, "more than 1 s|more than 20 s"),
        ("crash", {}, "crash .exit code 7"),
        ("long", {}, "larger than 1,000 bytes"),
        ("busy", {"wall_s": 0.2}, "more than 0.2 s to read"),
    ],
)
def test_a_child_that_ends_is_said(
    ask: Any, request_: str, limits: dict[str, float], why: str
) -> None:
    with pytest.raises(ChildEnded, match=why):
        ask(request_, "a", **limits)
