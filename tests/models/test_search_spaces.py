"""Every ready space is a space, and each of its parameters is one of the model's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from matscout.models import hyperparameters as hyper
from matscout.models import tabular
from matscout.models.tabular import Columns
from matscout.space import Space

FOLDER = Path(__file__).parents[2] / "search_spaces"
SPACES = sorted(FOLDER.glob("*.toml"))
OVER_MODELS = ("small_table", "tabular_balanced_ensembles", "tabular_imbalanced")
"""Their points are fitted in test_narrow.py."""
BY_KIND = ("tabular_uncertain", "tabular_transfer")
"""Their points are fitted in test_scarce_parts.py."""
CRYSTAL = (hyper.GraphSettings, hyper.CgcnnSettings, hyper.FitSettings)
CRYSTAL_TOO = {
    "crystal_transfer": (hyper.GraphTransferSettings,),
    "crystal_tasks": (hyper.GraphTaskSettings,),
    "crystal_uncertain": (hyper.GraphUncertaintySettings,),
}
MLP = (hyper.PrepareSettings, hyper.MlpSettings, hyper.FitSettings)


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_a_ready_space_fits_its_model(path: Path) -> None:
    text = path.read_text()
    space = Space.from_toml(text, path.name)
    assert text.startswith("#"), "says where its ranges come from"
    assert f"`{path.stem}`" in (FOLDER / "README.md").read_text()
    for end in () if path.stem in (*OVER_MODELS, *BY_KIND) else (0.0, 0.5, 0.999):
        every: dict[str, Any] = {p.name: p.from_unit(end) for p in space.parameters}
        params = space.active(every)
        if path.stem.startswith("crystal_"):
            kinds = (*CRYSTAL, *CRYSTAL_TOO.get(path.stem, ()))
            hyper.check_names(params, hyper.names(*kinds))
            assert all(hyper.settings(kind, params) for kind in kinds)
        elif path.stem == "tabular_mlp":
            hyper.check_names(params, hyper.names(*MLP))
            assert all(hyper.settings(kind, params) for kind in MLP)
        else:
            import numpy as np

            model = path.stem.removeprefix("tabular_")
            x = np.random.default_rng(0).normal(size=(40, 3))
            pipe = tabular.pipeline(model, "regression", Columns(x, 3), params, 0)
            y = np.maximum(x[:, 0], 0.0)
            assert np.isfinite(tabular.fit(pipe, x, y).predict(x)).all()


def test_there_are_spaces() -> None:
    assert {"crystal_graph", "tabular_extra_trees", "tabular_mlp"} <= {p.stem for p in SPACES}
