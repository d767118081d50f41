"""R10, played in small."""

from __future__ import annotations

from pathlib import Path

from matscout.cli.promises import r10_malformed as r10
from matscout.cli.promises.promise import Setting


def test_what_is_no_number_is_invalid(tmp_path: Path) -> None:
    figure = r10.keep(Setting(tmp_path, r10.PROMISE.small, seed=10))
    assert figure.holds, figure.said
