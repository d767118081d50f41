"""R14: eight drivers at once, on a file and on a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matscout.cli.promises import r14_one_driver as r14
from matscout.cli.promises.promise import Setting


def test_one_of_eight_drives_a_file(tmp_path: Path) -> None:
    figure = r14.keep(Setting(tmp_path, r14.PROMISE.small, seed=14))
    assert figure.holds, figure.said


def test_one_of_eight_drives_a_run_on_a_server(tmp_path: Path, postgres_server: Any) -> None:
    setting = Setting(tmp_path, r14.PROMISE.small, seed=14, journal=postgres_server.url)
    figure = r14.keep(setting)
    assert figure.holds, figure.said
