"""Let held-out measurements weigh the surrogates against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from matscout.surrogate.base import FitFailed, Surrogate
from matscout.surrogate.held_out import by_refits, held_out
from matscout.surrogate.in_units import check_data
from matscout.surrogate.mixture import MixturePosterior
from matscout.surrogate.scaling import Standard
from matscout.surrogate.stacking import PULL, stacking_weights

LEAST_ROWS = 4
"""Below, weights are equal: nothing is left to fit on once a row is held out."""

LEAST_WEIGHT = 0.02
"""What weighs less is dropped: it would cost as much to ask as the others."""


@dataclass(frozen=True)
class Auto:
    """The mixture of `surrogates` that predicted held-out rows best; a `Surrogate`.

    surrogates  by name
    pull        how many rows' worth of say equal weights have for each surrogate (stacking.py)
    refits      hold out by k-fold refits even where a closed form or held-out trees say it free

    Without `refits` the cost is that of one fit of each surrogate, but for those that know no
    cheaper way than refits (held_out.py). The closed form flatters a Gaussian process a little,
    since its hyperparameters have seen each row; refits on fewer rows slander it when rows are few.
    """

    surrogates: Mapping[str, Surrogate]
    pull: float = PULL
    refits: bool = False

    def __post_init__(self) -> None:
        if not self.surrogates:
            raise ValueError("no surrogate to choose from")

    def fit(self, X: Tensor, Y: Tensor, Yvar: Tensor | None = None) -> MixturePosterior:
        """X (n, d), Y (n, 1), Yvar (n, 1) with NaN where unknown; physical units, float64.

        A surrogate that cannot be fitted is left out; FitFailed if none can.
        """
        check_data(X, Y)
        parts: dict[str, Any] = {}
        densities: list[np.ndarray] = []
        failures: list[str] = []
        for name, surrogate in self.surrogates.items():
            try:
                part = surrogate.fit(X, Y, Yvar)
                density = self._log_density(surrogate, part, X, Y, Yvar)
            except FitFailed as failure:
                failures.append(f"{name}: {failure}")
                continue
            parts[name] = part
            densities.append(density)
        if not parts:
            raise FitFailed("; ".join(failures))
        weights = stacking_weights(np.column_stack(densities), self.pull)
        kept = {n: float(w) for n, w in zip(parts, weights, strict=True) if w >= LEAST_WEIGHT}
        return MixturePosterior.of({name: parts[name] for name in kept}, kept, Standard.of(Y[:, 0]))

    def _log_density(
        self, surrogate: Surrogate, part: Any, X: Tensor, Y: Tensor, Yvar: Tensor | None
    ) -> np.ndarray:
        """(n,), or (0,) where there are too few rows to say."""
        if len(Y) < LEAST_ROWS:
            return np.zeros(0)
        if self.refits:
            return by_refits(surrogate, X, Y, Yvar).log_density.numpy()
        return held_out(surrogate, part, X, Y, Yvar).log_density.numpy()
