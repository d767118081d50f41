"""matscout from Python: the same as the commands, on data frames."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import matscout
from matscout import Campaign
from matscout.errors import InputError
from matscout.parameter import Categorical, Float
from matscout.space import Space
from matscout.trial import Target


@pytest.fixture
def candidates() -> pd.DataFrame:
    x = np.linspace(0, 1, 30)
    return pd.DataFrame(
        {"id": [f"c{i}" for i in range(30)], "x": x, "temperature": np.arange(30) % 3}
    )


def test_import_is_light_and_the_name_is_there() -> None:
    heavy = ("torch", "ray", "botorch", "optuna", "pymatgen", "sklearn", "numpy", "pandas")
    code = (
        "import sys, matscout\n"
        f"assert not [m for m in {heavy!r} if m in sys.modules]\n"
        "assert 'Campaign' in dir(matscout)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError):
        matscout.Champaign  # noqa: B018


def test_a_campaign_over_a_pool(tmp_path: Path, candidates: pd.DataFrame) -> None:
    proposer = {"type": "gp", "startup": 4}
    path = tmp_path / "films"
    with Campaign.new(
        path=path, space=candidates, targets={"y": "max"}, proposer=proposer, seed=3
    ) as films:
        assert films.forecast() is None
        first = films.recommend(5)
        assert list(first.columns[:5]) == ["id", "x", "temperature", "y", "y_sem"]
        assert first["y"].isna().all()
        first["y"] = 3 * first["x"] - first["x"] ** 2
        first.loc[4, "y"] = np.nan
        first["status"] = first["status"].astype(object)
        first.loc[4, "status"] = "failed"
        said = films.add_measurements(first)
        assert (said.measured, said.failed) == (4, 1)
        assert films.add_measurements(first).already_there == 5
        assert len(films.history.completed) == 4
        with pytest.raises(InputError, match="open elsewhere"):
            Campaign.open(path)
    with Campaign.open(path) as films:
        held = films.recommend(3, fix={"temperature": 2})
        assert set(held["temperature"]) == {2} and not set(held["id"]) & set(first["id"])
        assert held["reason"].str.startswith("highest upper bound: predicted").all()
        assert (held["p_feasible"] < 1).all() and (held["low"] < held["high"]).all()
        pd.testing.assert_frame_equal(films.open_rows(), held)
        forecast = films.forecast()
        assert forecast is not None and list(forecast["id"]) == list(candidates["id"])
        assert (forecast["low"] < forecast["mean"]).all()
        own = pd.DataFrame({"id": ["c0"], "y": [0.0]})
        if "c0" not in set(first["id"]) | set(held["id"]):
            assert films.add_measurements(own).own == 1


def test_measured_again(tmp_path: Path, candidates: pd.DataFrame) -> None:
    made = Campaign.new(path=tmp_path / "c", space=candidates, targets="y", proposer="random")
    with made as campaign:
        rows = campaign.recommend(4)
        rows["y"] = [1.0, 4.0, 3.0, 2.0]
        campaign.add_measurements(rows)
        twice = campaign.recommend(again=["best:2"])
        assert list(twice["id"]) == list(rows["id"][1:3]) and list(twice["replicate"]) == [2, 2]
        twice["y"] = [0.0, 3.0]
        assert campaign.add_measurements(twice).measured == 2
        assert list(campaign.recommend(again="best:1")["id"]) == [rows["id"][2]]
        with pytest.raises(InputError, match="again: does not go with n"):
            campaign.recommend(2, again="best:1")
        with pytest.raises(InputError, match="--again c77: no candidate"):
            campaign.recommend(again=["c77"])


def test_a_space_and_several_targets(tmp_path: Path) -> None:
    space = Space((Float("x", 0, 1), Categorical("kind", ("u", "v"))))
    targets = [Target("y", "min", "eV"), Target("z", "max")]
    with Campaign.new(
        path=tmp_path / "mix", space=space, targets=targets, proposer="random"
    ) as mix:
        rows = mix.recommend(6)
        assert list(rows["id"]) == [f"mix-{i}" for i in range(6)]
        rows["y"] = rows["x"] * 2
        assert mix.add_measurements(rows[["id", "y"]]).partial == 6
        own = pd.DataFrame({"x": [0.5], "kind": ["v"], "y": [1.0], "z": [2]})
        assert mix.add_measurements(own).own == 1
        rows["z"] = 1
        assert mix.add_measurements(rows).measured == 6
        said = mix.forecast(pd.DataFrame({"x": [0.1, 0.9], "kind": ["u", "v"]}))
        assert said is not None and said["mean"][0] < said["mean"][1]


def test_from_a_config(tmp_path: Path, candidates: pd.DataFrame) -> None:
    candidates.to_csv(tmp_path / "pool.csv", index=False)
    (tmp_path / "c.toml").write_text(
        'kind = "campaign"\nname = "c"\nspace = { pool = { file = "pool.csv" } }\n'
        '[[targets]]\nname = "y"\ndirection = "max"\n'
    )
    with Campaign.new(tmp_path / "c.toml", tmp_path / "other") as campaign:
        assert campaign.path.name == "other" and len(campaign.recommend(2)) == 2
    with pytest.raises(InputError, match="exists already"):
        Campaign.new(tmp_path / "c.toml", tmp_path / "other")
    raw = {"space": {"parameters": {"x": {"type": "float", "low": 0.0, "high": 1.0}}},
           "targets": [{"name": "y", "direction": "min"}], "name": "d"}  # fmt: skip
    with Campaign.new(raw, tmp_path / "d") as campaign:
        assert list(campaign.recommend(1)["id"]) == ["d-0"]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"id": ["c1"], "y": [np.inf]}, "line 1: y must be a finite number, got 'inf'"),
        ({"id": ["c1"], "y": ["good"]}, "got 'good'"),
        ({"id": ["c1", "c77"], "y": [1.0, 2.0]}, "line 2: no candidate 'c77'"),
        ({"id": ["c1"], "yy": [1.0]}, "no column 'yy'; did you mean 'y'?"),
    ],
)
def test_mistakes(
    tmp_path: Path, candidates: pd.DataFrame, frame: dict[str, list[object]], message: str
) -> None:
    made = Campaign.new(path=tmp_path / "c", space=candidates, targets="y", proposer="random")
    with made as campaign:
        before = campaign.history.seq
        with pytest.raises(InputError, match=message.replace("?", r"\?")):
            campaign.add_measurements(pd.DataFrame(frame))
        assert campaign.history.seq == before
        with pytest.raises(InputError, match="did you mean 'temperature'"):
            campaign.recommend(1, fix={"temprature": 1})
        with pytest.raises(InputError, match="at least 1"):
            campaign.recommend(0)
    with pytest.raises(InputError, match="targets is missing"):
        Campaign.new(path=tmp_path / "d", space=candidates)
    with pytest.raises(InputError, match="no campaign is here"):
        Campaign.open(tmp_path / "d")
