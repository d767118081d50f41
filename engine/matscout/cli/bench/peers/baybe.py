"""BayBE, as serve.py lets it answer.

    {"do": "new", "ids": […], "columns": {name: […]},
     "kinds": {name: "number" | "category"},
     "direction": "min" | "max", "seed": 0}             {}
    {"do": "tell", "ids": […], "values": […]}           {}
    {"do": "ask", "n": 4, "pending": [ids]}             {"ids": […]}
    {"do": "usage"}                                     {"peak_mb": 900.1, "cpu_s": 12.3}

BayBE is used as its documentation shows: a `Campaign` over the discrete candidates with one
numerical target, everything else by default; labels are one-hot.
"""

from __future__ import annotations

import resource
import sys
from typing import Any

_TARGET = "measured"


class Session:
    """The campaign that the other side plays."""

    def new(
        self,
        ids: list[str],
        columns: dict[str, list[Any]],
        kinds: dict[str, str],
        direction: str,
        seed: int,
    ) -> dict[str, Any]:
        import pandas as pd
        from baybe import Campaign, active_settings  # type: ignore[import-not-found]
        from baybe.parameters import CategoricalParameter  # type: ignore[import-not-found]
        from baybe.searchspace import (  # type: ignore[import-not-found]
            SearchSpace,
            SubspaceDiscrete,
        )
        from baybe.targets import NumericalTarget  # type: ignore[import-not-found]

        active_settings.random_seed = seed
        frame, labels = {}, []
        for place, (name, column) in enumerate(columns.items()):
            distinct = sorted(set(column))
            if len(distinct) < 2:
                continue
            frame[f"x{place}"] = column
            if kinds[name] != "number":
                # Numbers it finds by itself; naming them makes it check every value against all.
                labels.append(CategoricalParameter(f"x{place}", distinct))
        self._frame = pd.DataFrame(frame)
        self._ids = ids
        self._row = {name: row for row, name in enumerate(ids)}
        self._id = {tuple(point): ids[row] for row, point in enumerate(self._points(self._frame))}
        space = SearchSpace(discrete=SubspaceDiscrete.from_dataframe(self._frame, labels))
        objective = NumericalTarget(_TARGET, minimize=direction == "min").to_objective()
        self._campaign = Campaign(space, objective)
        return {}

    def tell(self, ids: list[str], values: list[float]) -> dict[str, Any]:
        measured = self._rows(ids)
        measured[_TARGET] = values
        self._campaign.add_measurements(measured)
        return {}

    def ask(self, n: int, pending: list[str]) -> dict[str, Any]:
        running = self._rows(pending) if pending else None
        asked = self._campaign.recommend(n, pending_experiments=running)
        return {"ids": [self._id[tuple(point)] for point in self._points(asked)]}

    def usage(self) -> dict[str, Any]:
        used = resource.getrusage(resource.RUSAGE_SELF)
        unit = 2**20 if sys.platform == "darwin" else 2**10
        return {"peak_mb": used.ru_maxrss / unit, "cpu_s": used.ru_utime + used.ru_stime}

    def _rows(self, ids: list[str]) -> Any:
        return self._frame.iloc[[self._row[name] for name in ids]].reset_index(drop=True)

    def _points(self, frame: Any) -> list[list[Any]]:
        return list(frame[list(self._frame.columns)].values.tolist())
