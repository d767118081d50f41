"""R20: nodes of a real Ray cluster are killed under a sweep."""

from __future__ import annotations

from pathlib import Path

import pytest

from matscout.cli.promises import r20_nodes as r20
from matscout.cli.promises.promise import Setting


@pytest.mark.slow
def test_a_node_that_dies_costs_no_result(tmp_path: Path) -> None:
    figure = r20.keep(Setting(tmp_path, r20.PROMISE.small, seed=20, fleet="ray"))
    assert figure.holds, figure.said


def test_a_trial_that_begins_anew_or_on_a_dead_node_is_caught() -> None:
    story = r20._Story(
        begun={(0, 1): (11, 0), (0, 2): (12, 3), (1, 1): (11, 0), (1, 2): (11, 2)},
        saved={(0, 1): 3, (1, 1): 2},
        done={(0, 2)},
    )
    assert story.resumed == [(0, 2), (1, 2)]
    assert "begun again on the node that had died" in story.wrong([11])
    assert story.wrong([12]) == ""
    story.begun[0, 2] = 12, 0
    assert "went on from step 0, and step 3 was saved" in story.wrong([12])
