"""R21: a campaign on three nodes, of which something is killed every five seconds."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from matscout.cli.promises import survive
from matscout.cli.promises.promise import Setting


def test_a_storm_strikes_every_five_seconds_and_lets_what_it_struck_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither does it make up for strikes that it missed, nor strike what is not at work yet: else a
    machine on which a start takes longer than that would never come to the campaign's end."""
    now_s, drain_s = 1000.0, 70.0
    machines: Any = SimpleNamespace(cluster=SimpleNamespace(address="127.0.0.1:1"))
    setting = Setting(tmp_path, 60, fleet="ray")
    storm = survive._Sitting(setting, "storm", machines, random.Random(1))
    storm.began_s = storm._struck_s = now_s
    monkeypatch.setattr(survive, "time", SimpleNamespace(monotonic=lambda: now_s))
    took_s = 0.0

    def strike(self: Any, what: str, driver: Any, draw: Any) -> bool:
        nonlocal now_s
        now_s += took_s
        return True

    monkeypatch.setattr(survive._Sitting, "_strike", strike)

    def strikes(seconds: float, begun: bool) -> int:
        """How many come in so many seconds, looked at every fifth of one."""
        nonlocal now_s
        before = len(storm.strikes_s)
        for _ in range(round(5 * seconds)):
            now_s += 0.2
            if begun:
                with open(storm.lab.home / "ledger.txt", "a") as file:
                    file.write(f"begun 1 1 {now_s}\n")
            storm._strike_if_due(None, random.Random(2))  # type: ignore[arg-type]
        return len(storm.strikes_s) - before

    assert strikes(20.1, begun=True) == 4
    took_s = drain_s
    assert strikes(5.1, begun=True) == 1
    took_s = 0.0
    assert strikes(10.1, begun=True) == 2, "not the fourteen that were missed meanwhile"
    assert strikes(5.0, begun=False) == 1, "of what had been begun"
    assert strikes(60.0, begun=False) == 0
    assert strikes(0.2, begun=True) == 1


@pytest.mark.slow
def test_a_campaign_survives(tmp_path: Path) -> None:
    figure = survive.keep(Setting(tmp_path, survive.PROMISE.small, seed=21, fleet="ray"))
    assert figure.holds, figure.said
