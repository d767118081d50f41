"""An uncertain model as a `Surrogate`, so that conformal intervals and campaigns can stand on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from matscout.models.uncertainty.belief import Fitted, UncertainModel
from matscout.surrogate.in_units import InUnits, check_data
from matscout.surrogate.scaling import Standard


@dataclass(frozen=True)
class AsSurrogate:
    """`noisy` makes the sd that of a measurement, row by row: what `surrogate.conformal.Conformal`
    is to be given, so that intervals are wide where either part is. Without it the sd is the
    epistemic one, as a `Surrogate` promises, and the mean aleatoric variance over the rows of the
    fit is the noise. Standard errors (Yvar) are not used. Below two rows it knows the prior alone.
    """

    model: UncertainModel
    noisy: bool = False

    def fit(self, X: Tensor, Y: Tensor, Yvar: Tensor | None = None) -> ModelPosterior:
        """X (n, d), Y (n, 1), physical units, float64."""
        check_data(X, Y)
        units = Standard.of(Y[:, 0])
        fitted = None if len(Y) < 2 else self.model.fit(X.numpy(), Y[:, 0].numpy())
        return ModelPosterior(units, self, X, Y, fitted, units)


@dataclass(frozen=True)
class ModelPosterior(InUnits):
    """`data` is what the target was standardised by; `units` is 1 once it is `standardised`."""

    surrogate: AsSurrogate
    X: Tensor
    Y: Tensor
    fitted: Fitted | None
    data: Standard

    @property
    def noise_here(self) -> float:
        """The variance of a new measurement about what `mean_sd` describes, standardised."""
        if self.surrogate.noisy or self.fitted is None:
            return 0.0
        noise = self.fitted.predict(self.X.numpy()).aleatoric / self.data.scale
        return float(np.square(noise).mean())

    def believe(self, X: Tensor) -> ModelPosterior:
        """A new fit that has these rows at their means."""
        if len(X) == 0:
            return self
        inside, _ = self._inside(X)
        said = (self.data.loc + self.data.scale * inside)[:, None]
        grown = self.surrogate.fit(torch.cat([self.X, X]), torch.cat([self.Y, said]))
        return ModelPosterior(self.units, self.surrogate, grown.X, grown.Y, grown.fitted, self.data)

    def _inside(self, X: Tensor) -> tuple[Tensor, Tensor]:
        if self.fitted is None:
            return torch.zeros(len(X)).double(), torch.ones(len(X)).double()
        said = self.fitted.predict(X.detach().numpy())
        sd = said.sd if self.surrogate.noisy else said.epistemic
        mean = self.data(torch.from_numpy(said.mean))
        return mean, torch.from_numpy(sd / self.data.scale)
