"""matscout from Python: the commands `matscout campaign …` on data frames. The same code below."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matscout.cli.assemble import campaign_at, spec_from_config, spec_from_file
from matscout.data.pools import read_space
from matscout.data.text_table import TextTable
from matscout.drive.campaign import OpenCampaign
from matscout.drive.config import parse_config
from matscout.drive.hold import checked_choice
from matscout.drive.intake import Summary
from matscout.drive.run import RunSpec, create
from matscout.errors import InputError
from matscout.goal import Goal
from matscout.history import History
from matscout.pool import Pool
from matscout.propose.base import Forecaster, Proposer
from matscout.runfolder import RunFolder, checked_name
from matscout.space import Space
from matscout.trial import Target, Value

if TYPE_CHECKING:
    import pandas as pd

Targets = str | Target | Mapping[str, str] | Sequence[Target]


class Campaign:
    """A campaign that people feed. Owns its journal while it is open: close it, or use `with`.

        >>> with Campaign.open("results/runs/films") as films:  # doctest: +SKIP
        ...     films.recommend(8).to_csv("next.csv", index=False)

    Whatever `recommend` returns is in the journal already, and whatever `add_measurements` took in
    is on the disk when it returns. InputError says what is wrong with an argument.
    """

    def __init__(
        self, campaign: OpenCampaign, proposer: Proposer, forecaster: Forecaster | None
    ) -> None:
        self._campaign, self._proposer, self._forecaster = campaign, proposer, forecaster

    @classmethod
    def new(
        cls,
        config: str | Path | Mapping[str, Any] | None = None,
        path: str | Path | None = None,
        *,
        space: Space | Pool | Mapping[str, Any] | pd.DataFrame | None = None,
        targets: Targets | None = None,
        goal: str | Goal | Mapping[str, Any] | None = None,
        proposer: str | Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> Campaign:
        """Make the run folder `path` (its last part is the campaign's name) and open it. Without
        a path it is the config's name below results/runs.

        Either `config`, a TOML file or the same as a mapping; or `space` and `targets`: a Space, a
        Pool, a data frame of candidates with a column `id`, or a config's `[space]` table; a
        target's name (maximised), {name: "max" or "min"}, or Targets.
        """
        if config is not None:
            if space is not None or targets is not None:
                raise InputError("Campaign.new", "config excludes space and targets", "keep one")
            spec = _spec_from(config, None if path is None else _folder(path).name)
            folder = RunFolder.of(spec.name) if path is None else _folder(path)
        else:
            given = {"path": path, "space": space, "targets": targets}
            missing = next((name for name, value in given.items() if value is None), None)
            if path is None or targets is None or missing:
                raise InputError("Campaign.new", f"{missing} is missing", "or give a config")
            folder = _folder(path)
            raw: dict[str, Any] = {"targets": _target_tables(targets), "seed": seed}
            if goal is not None:
                raw["goal"] = _goal_table(goal)
            if proposer is not None:
                raw["proposer"] = {"type": proposer} if isinstance(proposer, str) else proposer
            parsed = parse_config({"kind": "campaign", "name": folder.name, "space": {}, **raw})
            spec = spec_from_config(parsed, _space(space), Path.cwd(), {})
        create(folder, spec)
        return cls.open(folder.root)

    @classmethod
    def open(cls, path: str | Path) -> Campaign:
        """Open the campaign in the folder `path`, exactly where it was left."""
        folder = _folder(path)
        if not folder.holds_run:
            raise InputError(str(folder.root), "no campaign is here", "make one: Campaign.new")
        return cls(*campaign_at(folder))

    @property
    def history(self) -> History:
        """Every trial, and what came of it."""
        return self._campaign.history

    @property
    def space(self) -> Space:
        return self._campaign.spec.space

    @property
    def path(self) -> Path:
        return self._campaign.folder.root

    def recommend(
        self,
        n: int | None = None,
        *,
        fix: Mapping[str, Value] | None = None,
        again: str | Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """n new points to measure (8 unless said), a row each, with the columns of `matscout campaign
        recommend`.

        `fix` holds columns or parameters at a value: {"temperature": 80}. Fewer rows come back when
        fewer are left. What was recommended before and is still open is not repeated: see `open_rows`.

        `again` names measured points to measure once more, instead of n new ones: ids, or "best:3"
        for the three with the best posterior mean.
        """
        if again is not None:
            if n is not None or fix:
                other = "n" if n is not None else "fix"
                raise InputError("again", f"does not go with {other}", "call twice")
            words = [again] if isinstance(again, str) else list(again)
            return self._frame(self._campaign.rows(self._campaign.again(words, self._forecaster)))
        fixed = {name: checked_choice(self.space, name, v) for name, v in (fix or {}).items()}
        wanted = 8 if n is None else n
        trials = self._campaign.recommend(wanted, self._proposer, self._forecaster, fixed)
        return self._frame(self._campaign.rows(trials))

    def open_rows(self) -> pd.DataFrame:
        """What was recommended and not answered yet, in the same columns."""
        return self._frame(self._campaign.rows(self._campaign.open()))

    def add_measurements(self, results: pd.DataFrame, *, replicates: bool = False) -> Summary:
        """Take rows in, as `matscout campaign add` does: all of them or, with an InputError, none."""
        return self._campaign.add(_text_table(results), replicates=replicates)

    def forecast(self, points: pd.DataFrame | None = None) -> pd.DataFrame | None:
        """What is believed about every candidate of the pool, or about `points` of a space: mean,
        sd, low, high (90 % for a new measurement) and, for pools, p_feasible and score.

        None while there is too little data to say.
        """
        import pandas as pd

        if self.space.pool is None:
            return self._forecast_at(points)
        said = None
        if self._forecaster is not None:
            said = self._forecaster.forecast(self.space, self.history)
        if said is None:
            return None
        columns = {"mean": said.mean, "sd": said.sd, "low": said.low, "high": said.high}
        columns |= {"p_feasible": said.feasible, "score": said.score}
        return pd.DataFrame({"id": self.space.pool.ids, **columns})

    def _forecast_at(self, points: pd.DataFrame | None) -> pd.DataFrame | None:
        from matscout.drive.point_belief import outlook_at
        from matscout.propose.encode import Encoding

        if points is None:
            raise InputError("forecast", "a space has no list of candidates", "give points")
        records = [_plain(row) for row in points.to_dict("records")]
        checked = [self.space.check(p, f"points: row {i}") for i, p in enumerate(records)]
        said = outlook_at(self.space, self.history, Encoding(self.space).rows(checked))
        if said is None:
            return None
        return points.assign(**dict(zip(("mean", "sd", "low", "high"), said, strict=True)))

    def _frame(self, rows: list[dict[str, Value | None]]) -> pd.DataFrame:
        import pandas as pd

        frame = pd.DataFrame(rows, columns=self._campaign.sheet.header)
        for name in (*self._campaign.sheet.target.values(), *self._campaign.sheet.sem.values()):
            frame[name] = frame[name].astype(float)
        return frame

    def close(self) -> None:
        """Let go of the journal. Twice is harmless."""
        self._campaign.close()

    def __enter__(self) -> Campaign:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Campaign({str(self.path)!r}, {len(self.history.trials)} trials)"


def _folder(path: str | Path) -> RunFolder:
    full = Path(path).absolute()
    return RunFolder.of(checked_name(full.name), full.parent)


def _spec_from(config: str | Path | Mapping[str, Any], name: str | None) -> RunSpec:
    if isinstance(config, str | Path):
        return spec_from_file(Path(config), "campaign", {"name": name})
    parsed = parse_config({"kind": "campaign", **config, **({"name": name} if name else {})})
    return spec_from_config(parsed, read_space(parsed.space, Path.cwd()), Path.cwd(), {})


def _target_tables(targets: Targets) -> list[dict[str, str]]:
    if isinstance(targets, str):
        return [{"name": targets, "direction": "max"}]
    if isinstance(targets, Mapping):
        return [{"name": name, "direction": way} for name, way in targets.items()]
    many = [targets] if isinstance(targets, Target) else list(targets)
    return [{"name": t.name, "direction": t.direction, "unit": t.unit} for t in many]


def _goal_table(goal: str | Goal | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(goal, str):
        return {"kind": goal}
    return goal.to_dict() if isinstance(goal, Goal) else dict(goal)


def _space(space: Any) -> Space:
    if isinstance(space, Space):
        return space
    if isinstance(space, Pool):
        return Space(pool=space)
    if isinstance(space, Mapping):
        return read_space(space, Path.cwd())
    if hasattr(space, "to_dict"):
        return Space(pool=Pool.from_rows(_plain(row) for row in space.to_dict("records")))
    raise InputError(
        "space", f"must be a space, a pool or a data frame, got {type(space).__name__}"
    )


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Python's own numbers for numpy's."""
    return {str(k): v.item() if isinstance(v, np.generic) else v for k, v in row.items()}


def _text_table(frame: pd.DataFrame) -> TextTable:
    """A data frame as the text that its CSV would hold; rows are numbered from 1."""
    header = tuple(str(name) for name in frame.columns)
    for name in header:
        if header.count(name) > 1:
            raise InputError("measurements", f"two columns are called {name!r}", "rename one")
    rows = tuple(tuple(_text(v) for v in row) for row in frame.itertuples(index=False, name=None))
    return TextTable("measurements", header, rows, tuple(range(1, len(rows) + 1)))


def _text(value: Any) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return ""
    return "" if isinstance(value, float) and math.isnan(value) else str(value).strip()
