"""What a table of structures begins with."""

from __future__ import annotations

import tomllib
from pathlib import Path

from matscout.drive.recipe_portfolio import portfolio
from matscout.models.narrow import narrowed
from matscout.space import Space

SPACE = Path(__file__).parents[2] / "search_spaces" / "small_table.toml"


def test_kernels_by_block_come_after_the_untuned_one() -> None:
    whole = Space.from_dict(tomllib.loads(SPACE.read_text()))
    for task in ("regression", "classification"):
        space = narrowed(whole, task, rows=1000, formulas=True)
        plain, crystals = portfolio(space, task), portfolio(space, task, structures=True)
        assert crystals[0] == plain[0] and crystals[0]["model"] == "extra_trees"
        assert all(point in crystals for point in plain)
        added = [point for point in crystals if point not in plain]
        assert {point["model"] for point in added} >= {"block_gaussian_process"}
        assert crystals.index(added[0]) <= 2
