"""Out of distribution beside in distribution: a table where clusters are harder, and one where not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from matscout.drive.nested_select import predicted
from matscout.drive.shift import Shift, shift_of
from matscout.errors import InputError
from matscout.evaluate.clusters_left_out import clusters_left_out
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.report.shift import meaning, rows, sentence

INPUTS = ("a", "c", "d", "b")


def table(folder: Path, slope: float, count: int = 120) -> Path:
    """Three families, far apart along three columns; the target climbs by `slope` from one to the next, and
    by `b` inside each."""
    rng = np.random.default_rng(4)
    family = np.arange(count) % 3
    far = 20.0 * family[:, None] + rng.normal(size=(count, 3))
    b = rng.normal(size=count)
    y = slope * family + b + 0.5 * rng.normal(size=count)
    cells = np.column_stack([far, b, np.arange(count) // 2, y]).tolist()
    lines = [",".join(map(repr, row)) for row in cells]
    (folder / "t.csv").write_text("\n".join(["a,c,d,b,group,y", *lines]) + "\n")
    return folder / "t.csv"


def shifted(folder: Path, slope: float, **options: object) -> Shift:
    given = {"model": "extra_trees", "folds": 3, "inputs": INPUTS, **options}
    trainer = TabularTrainer(table=table(folder, slope), predict="y", **given)  # type: ignore[arg-type]
    judged, truth, guess = predicted(trainer, {}, 1, folder / "work")
    return shift_of(trainer, [({}, 1)], judged, guess - truth)


def test_families_that_differ_are_harder_left_out_whole(tmp_path: Path) -> None:
    """A tree says of an unseen family what it knows of the nearest: it is off by the slope."""
    found = shifted(tmp_path, slope=10.0)
    assert [one.rows for one in found.clusters] == [40, 40, 40] and found.unjudged == 0
    assert all(one.inside < 1 for one in found.clusters)
    first, second, middle = found.clusters
    assert first.outside == pytest.approx(10, abs=1) == second.outside
    assert middle.outside < 1  # it lies between the two that were left
    ratio = found.ratio
    assert ratio.pdr == pytest.approx(ratio.outside / ratio.inside) and 5 < ratio.low < ratio.high
    assert "Beware: for a kind of material" in meaning(found)
    assert sentence(found, "GPa").count("GPa") == 2 and len(rows(found)) == 3


def test_families_that_are_alike_are_not(tmp_path: Path) -> None:
    """A line learns of two families all that there is to know of the third."""
    found = shifted(tmp_path, slope=0.0, model="linear")
    assert 0.9 < found.ratio.pdr < 1.2 and found.ratio.low <= 1
    assert "no more than the noise" in meaning(found)


def test_the_clusters_are_those_of_the_objective_loco(tmp_path: Path) -> None:
    given = {"table": table(tmp_path, 1.0), "predict": "y", "inputs": INPUTS, "folds": 3}
    own = TabularTrainer(**given, split="stratified", objective="cv")  # type: ignore[arg-type]
    loco = TabularTrainer(**given, objective="loco")  # type: ignore[arg-type]
    for (_, ours), (_, theirs) in zip(
        clusters_left_out(own).data.folds, loco.data.folds, strict=True
    ):
        assert np.array_equal(ours, theirs)
    whole = TabularTrainer(**given, split="grouped", group="group", fidelity="rows")  # type: ignore[arg-type]
    kept = clusters_left_out(whole).data
    assert kept.table.groups is not None
    for train, judge in kept.folds:
        assert not set(kept.table.groups[train]) & set(kept.table.groups[judge])


def test_too_few_rows_make_no_clusters(tmp_path: Path) -> None:
    trainer = TabularTrainer(table=table(tmp_path, 1.0, 9), predict="y", inputs=INPUTS, folds=4)
    with pytest.raises(InputError, match="do not make 4 clusters"):
        shift_of(trainer, [({}, 1)], np.arange(9.0), np.ones(9))
