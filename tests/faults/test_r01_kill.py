"""R1, played in small; killed at named places one by one: test_kill.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from matscout.cli.promises import r01_kill as r01
from matscout.cli.promises.promise import Setting
from matscout.cli.promises.r01_places import SCENES
from matscout.failpoint import NAMES


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    figure = r01.keep(Setting(tmp_path, r01.PROMISE.small, seed=1))
    assert figure.holds, figure.said


@pytest.mark.slow
def test_it_survives_on_a_server(tmp_path: Path, postgres_server: Any) -> None:
    figure = r01.keep(Setting(tmp_path, 3, seed=1, journal=postgres_server.url))
    assert figure.holds, figure.said


@pytest.mark.slow
def test_it_survives_on_ray(tmp_path: Path) -> None:
    figure = r01.keep(Setting(tmp_path, 3, seed=1, fleet="ray"))
    assert figure.holds, figure.said


def test_every_named_place_has_a_scene() -> None:
    assert set(SCENES) == set(NAMES)
