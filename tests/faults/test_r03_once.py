"""R3, played in small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from matscout.cli.promises import r03_once as r03
from matscout.cli.promises.promise import Setting


def test_nothing_is_dispatched_twice(tmp_path: Path) -> None:
    figure = r03.keep(Setting(tmp_path, r03.PROMISE.small, seed=3))
    assert figure.holds, figure.said


def test_nothing_is_dispatched_twice_on_a_server(tmp_path: Path, postgres_server: Any) -> None:
    figure = r03.keep(Setting(tmp_path, 40, seed=4, journal=postgres_server.url))
    assert figure.holds, figure.said


def test_where_no_trouble_came_nothing_was_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(r03, "_killed", lambda *_: False)
    figure = r03.keep(Setting(tmp_path, 4, seed=3))
    assert not figure.holds and "no trouble came" in figure.said


@pytest.mark.slow
def test_nothing_is_dispatched_twice_on_ray(tmp_path: Path) -> None:
    figure = r03.keep(Setting(tmp_path, 40, seed=3, fleet="ray"))
    assert figure.holds, figure.said
