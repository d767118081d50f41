"""R16: a sitting that is interrupted, once or many times, ends in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from matscout.cli.promises import r16_interrupt as r16
from matscout.cli.promises.promise import Setting


def test_interrupted_sittings_end_soon_and_lose_nothing(tmp_path: Path) -> None:
    figure = r16.keep(Setting(tmp_path, r16.PROMISE.small, seed=16))
    assert figure.holds, figure.said


@pytest.mark.slow
def test_on_ray(tmp_path: Path) -> None:
    figure = r16.keep(Setting(tmp_path, 3, seed=16, fleet="ray"))
    assert figure.holds, figure.said
