"""R13, a tenth of it; the figure is of `matscout bench faults --full --only R13`."""

from __future__ import annotations

from pathlib import Path

from matscout.cli.promises import r13_large as r13
from matscout.cli.promises.promise import Setting


def test_a_run_of_a_thousand_trials_opens_and_goes_on(tmp_path: Path) -> None:
    figure = r13.keep(Setting(tmp_path, r13.PROMISE.small))
    assert figure.tried == 4 and figure.holds, figure.said
    assert "10001 events" in figure.said
