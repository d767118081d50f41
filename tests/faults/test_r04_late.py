"""R4, played in small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from matscout.cli.promises import r04_late as r04
from matscout.cli.promises.promise import Setting


def test_a_late_result_is_stored_once(tmp_path: Path) -> None:
    figure = r04.keep(Setting(tmp_path, r04.PROMISE.small, seed=4))
    assert figure.holds, figure.said


@pytest.mark.slow
def test_a_late_result_is_stored_once_on_a_server(tmp_path: Path, postgres_server: Any) -> None:
    figure = r04.keep(Setting(tmp_path, 4, seed=4, journal=postgres_server.url))
    assert figure.holds, figure.said
