"""R11: timeouts that are enforced by force, with all that was started."""

from __future__ import annotations

from pathlib import Path

import pytest

from matscout.cli.promises import r11_hanging as r11
from matscout.cli.promises.promise import Setting


@pytest.mark.parametrize("fleet", ["process", pytest.param("ray", marks=pytest.mark.slow)])
def test_what_hangs_is_ended_with_all_that_it_started(tmp_path: Path, fleet: str) -> None:
    figure = r11.keep(Setting(tmp_path, r11.PROMISE.small, seed=11, fleet=fleet))
    assert figure.holds, figure.said
