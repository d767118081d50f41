"""R18; what each past journal says: tests/test_past_journals.py (on PostgreSQL, too)."""

from __future__ import annotations

from pathlib import Path

import pytest

from matscout.cli.promises import r18_versions as r18
from matscout.cli.promises.promise import Setting
from matscout.errors import InputError


def test_past_journals_open_and_newer_ones_are_left_alone(tmp_path: Path) -> None:
    figure = r18.keep(Setting(tmp_path, r18.PROMISE.small))
    assert figure.holds, figure.said


def test_without_a_checkout_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(r18, "ASSETS", tmp_path)
    with pytest.raises(InputError, match="in a checkout"):
        r18.keep(Setting(tmp_path, 1))
