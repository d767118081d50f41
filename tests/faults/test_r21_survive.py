"""R21: a campaign on three nodes, of which something is killed every five seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from matscout.cli.promises import survive
from matscout.cli.promises.promise import Setting


@pytest.mark.slow
def test_a_campaign_survives(tmp_path: Path) -> None:
    figure = survive.keep(Setting(tmp_path, survive.PROMISE.small, seed=21, fleet="ray"))
    assert figure.holds, figure.said
