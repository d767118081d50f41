"""R2, played in small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from matscout.cli.promises import r02_outbox as r02
from matscout.cli.promises.promise import Setting
from matscout.fleet.outbox import Outbox
from matscout.outcome import Outcome


def test_a_result_that_was_cut_off_is_recovered_once(tmp_path: Path) -> None:
    figure = r02.keep(Setting(tmp_path, r02.PROMISE.small, seed=2))
    assert figure.holds, figure.said


def test_it_is_recovered_on_a_server(tmp_path: Path, postgres_server: Any) -> None:
    figure = r02.keep(Setting(tmp_path, 4, seed=2, journal=postgres_server.url))
    assert figure.holds, figure.said


@pytest.mark.slow
def test_it_is_recovered_on_ray(tmp_path: Path) -> None:
    figure = r02.keep(Setting(tmp_path, 4, seed=2, fleet="ray"))
    assert figure.holds, figure.said


@pytest.mark.slow
def test_a_driver_that_forgets_the_outbox_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(self: Outbox, warn: list[str] | None = None) -> list[Outcome]:
        for path in self.folder.glob("*.json"):
            path.unlink()
        return []

    monkeypatch.setattr(Outbox, "sweep", forgetful)
    figure = r02.keep(Setting(tmp_path, 3, seed=2))
    assert not figure.holds
