"""R9, played in small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from matscout.cli.promises import r09_clock as r09
from matscout.cli.promises.promise import Setting
from matscout.drive.attempts import Attempts


def test_no_clock_decides(tmp_path: Path) -> None:
    figure = r09.keep(Setting(tmp_path, r09.PROMISE.small, seed=9))
    assert figure.holds, figure.said


def test_leases_on_the_wall_clock_are_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Attempts.__init__

    def on_the_wall(self: Any, clock: Any, lease_s: float | None, *more: Any) -> None:
        class Wall:
            monotonic = staticmethod(clock.wall)

        made(self, Wall(), lease_s, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(Attempts, "__init__", on_the_wall)
    figure = r09.keep(Setting(tmp_path, 20, seed=9))
    assert not figure.holds
