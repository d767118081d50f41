"""A node of which the cluster is told that it will go, as a spot market does: it gets no more work."""

from __future__ import annotations

from pathlib import Path

import pytest

from matscout.cli.promises import ledger
from matscout.cli.promises.alive import eventually, is_alive
from matscout.cli.promises.driver import PATIENCE_S, driving, last_words
from matscout.cli.promises.laboratory import Laboratory
from matscout.cli.promises.promise import Setting
from matscout.cli.promises.ray_nodes import RayNodes

_TRIALS, _WITHIN_S = 3, 2


@pytest.mark.slow
def test_what_a_drained_node_has_in_hand_ends_there_and_the_rest_goes_elsewhere(
    tmp_path: Path, held: str
) -> None:
    """Ray takes the node away once it has nothing to do."""
    with RayNodes() as cluster:
        cluster.start(2)
        lab = Laboratory.make(
            tmp_path / "lab", Setting(tmp_path, 1, fleet="ray"), trials=_TRIALS, workers=1,
            oracle=held, run=f'address = "{cluster.address}"',
        )  # fmt: skip

        def begun() -> dict[tuple[int, int], int]:
            return {
                (int(t), int(a)): int(w[0]) for word, t, a, *w in lab.notes() if word == "begun"
            }

        with driving(lab) as driver:
            assert eventually(lambda: bool(begun()), PATIENCE_S), last_words(lab)
            (drained,) = begun().values()
            (node,) = (node for node in cluster.others if node.raylet == drained)
            assert cluster.drain(node, _WITHIN_S)
            assert eventually(lambda: "the place of ray-0: nothing more" in lab.said, PATIENCE_S)
            (lab.home / "go").touch()
            assert driver.ended() == 0, last_words(lab)
            assert eventually(lambda: not is_alive(drained), PATIENCE_S)
    assert ledger.check(lab, _TRIALS).problems == []
    assert list(begun()) == [(trial, 1) for trial in range(_TRIALS)]
    assert [raylet == drained for raylet in begun().values()] == [True, False, False]
