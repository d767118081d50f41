"""Targets on another scale while a model learns them, fitted by training rows, undone afterwards."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.preprocessing import QuantileTransformer

from matscout.errors import InputError
from matscout.surrogate.warps import YeoJohnsonWarp

TRANSFORMS = ("standard", "log1p", "sqrt", "quantile", "yeo_johnson")

WHERE = "params.target_transform"
_BEYOND = 1.0
"""How far, in spans of the training targets on the model's scale, a prediction may lie outside before
it is undone: on a log scale a linear model a little too far out would say 10^20."""


class TargetTransform(TransformerMixin, BaseEstimator):
    """(n, 1) -> (n, 1), increasing. `standard`: mean 0, sd 1. `log1p`: log(1 + y), above -1. `sqrt`:
    of y >= 0; what a model says below 0 is 0. `quantile`: to a Gaussian by rank, back to no more than
    the training range. `yeo_johnson`: I.-K. Yeo & R. Johnson, Biometrika 87, 954 (2000), Eq. 2.1, of
    the standardised target, its power between 0 and 2, where every number has an inverse.
    """

    def __init__(self, kind: str = "standard") -> None:
        self.kind = kind

    def fit(self, y: np.ndarray, _: object = None) -> TargetTransform:
        """InputError for training targets that have no such transform."""
        check_target(self.kind, y)
        self.loc_, self.scale_ = float(y.mean()), float(y.std()) or 1.0
        if self.kind == "quantile":
            self.ranks_ = QuantileTransformer(
                n_quantiles=min(len(y), 1000), output_distribution="normal", subsample=None
            ).fit(y)
        elif self.kind == "yeo_johnson":
            standard = (y[:, 0] - self.loc_) / self.scale_
            # Of equal values every power is as likely as any other.
            varied = float(np.ptp(standard)) > 1e-12
            self.warp_ = YeoJohnsonWarp.fitted(standard) if varied else YeoJohnsonWarp(1.0)
        shown = self.transform(y)
        span = float(np.ptp(shown)) or 1.0
        self.ends_ = (float(shown.min()) - _BEYOND * span, float(shown.max()) + _BEYOND * span)
        return self

    def transform(self, y: np.ndarray) -> np.ndarray:
        if self.kind == "log1p":
            return np.log1p(y)
        if self.kind == "sqrt":
            return np.sqrt(y)
        if self.kind == "quantile":
            return np.asarray(self.ranks_.transform(y))
        standard = (y - self.loc_) / self.scale_
        if self.kind == "yeo_johnson":
            return self.warp_(torch.from_numpy(np.ascontiguousarray(standard))).numpy()
        return np.asarray(standard)

    def inverse_transform(self, z: np.ndarray) -> np.ndarray:
        if self.kind == "standard":
            return np.asarray(z * self.scale_ + self.loc_)
        z = np.clip(z, *self.ends_)
        if self.kind == "log1p":
            return np.expm1(z)
        if self.kind == "sqrt":
            return np.asarray(np.square(np.maximum(z, 0.0)))
        if self.kind == "quantile":
            return np.asarray(self.ranks_.inverse_transform(z))
        undone = self.warp_.inverse(torch.from_numpy(np.ascontiguousarray(z, dtype=float)))
        return np.asarray(undone.numpy() * self.scale_ + self.loc_)


def check_target(kind: str, y: np.ndarray) -> None:
    """InputError where the transform of a target does not exist."""
    least = float(np.min(y))
    if kind == "log1p" and least <= -1:
        raise InputError(WHERE, f"log1p needs targets above -1, got {least:g}", "use standard")
    if kind == "sqrt" and least < 0:
        raise InputError(
            WHERE, f"sqrt needs targets of 0 or more, got {least:g}", "use yeo_johnson"
        )
