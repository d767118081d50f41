"""Resamplers of imbalanced-learn by one name each, which hold where the rare class has few rows.

N. V. Chawla et al., "SMOTE", J. Artif. Intell. Res. 16, 321 (2002) (SMOTE; section 6.1 SMOTE-NC and
6.2 SMOTE-N for words); H. He et al., "ADASYN", IJCNN 2008; I. Mani & I. Zhang, ICML workshop 2003
(NearMiss); I. Tomek, IEEE Trans. Syst. Man Cybern. 6, 769 (1976); G. Batista et al., SIGKDD Explor.
6, 20 (2004) (SMOTE with Tomek links). Cluster centroids are those of k-means.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from imblearn import combine, over_sampling, under_sampling
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from matscout.errors import InputError

WHERE = "params.resample"
SYNTHETIC = ("smote", "smotenc", "adasyn", "smote_tomek")
"""They place a new row between a row and its neighbours of the same class: two rows at least."""


class ResampleWarning(UserWarning):
    """A resampler did less than was asked of it, since the rows do not give more."""


class Resampler(BaseEstimator):
    """One step of an imbalanced-learn pipeline, which calls `fit_resample` on training rows alone.

    `kind` is a word of `ResampleSettings.resample`. `ratio`: rare over common rows afterwards, for
    two classes; more are made equal. Where a class has too few rows for `neighbors`, fewer are taken;
    with a `ResampleWarning`, and a sentence in `said_`. `words_from` is the first of the columns that
    hold codes of words (for smotenc). Within an ensemble, `strict` is false: a part of the rows that
    has one class alone is left as it is, a rare row that is alone is repeated, and nothing is said.
    """

    _sampling_type = "bypass"  # what imbalanced-learn's ensembles leave as it is

    def __init__(
        self,
        kind: str = "smote",
        neighbors: int = 5,
        ratio: float = 1.0,
        words_from: int | None = None,
        strict: bool = True,
        random_state: int | None = None,
    ) -> None:
        self.kind = kind
        self.neighbors = neighbors
        self.ratio = ratio
        self.words_from = words_from
        self.strict = strict
        self.random_state = random_state

    def fit_resample(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(m, d) and (m,) of (n, d) and labels (n,). InputError where the rarest class has one row
        and rows between two of its own are asked for.
        """
        self.said_: list[str] = []
        self.width_ = x.shape[1]
        counts = np.unique(y, return_counts=True)[1]
        if len(counts) < 2:
            if not self.strict:
                return x, y
            raise InputError(WHERE, "the training fold has one class only", "use fewer folds")
        rare, common = int(counts.min()), int(counts.max())
        strategy: Any = "auto"
        if len(counts) == 2 and self.kind != "tomek_links":
            if rare >= self.ratio * common:
                return x, y
            strategy = self.ratio
        if self.kind in SYNTHETIC and rare < 2:
            if not self.strict:
                return self._resampled(_MAKERS["random_over"](self, strategy, rare), x, y)
            what = f"{self.kind} needs two rows of each class, and one class has {rare} to train on"
            raise InputError(WHERE, what, "use random_over, or fewer folds")
        sampler = _MAKERS[self.kind](self, strategy, rare)
        return self._resampled(sampler, x, y)

    def near(self, most: int) -> int:
        """As many neighbours as asked for, `most` at most."""
        if most < self.neighbors:
            self._say(
                f"{most} neighbours instead of {self.neighbors}: the rarest class has no more"
            )
        return min(self.neighbors, most)

    def _resampled(self, sampler: Any, x: np.ndarray, y: np.ndarray) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # k-means on rows that repeat
                warnings.filterwarnings(
                    "ignore", message="The number of the samples to be selected"
                )
                return sampler.fit_resample(x, y)
        except (ValueError, RuntimeError) as error:
            # ADASYN puts its rows where rare ones have common neighbours. Where none has, or too few
            # are asked for, its own rule adds nothing; imbalanced-learn raises.
            if self.kind != "adasyn" or not any(w in str(error) for w in _NOTHING_TO_ADD):
                raise
            self._say("ADASYN adds nothing: no rare row has a common neighbour")
            return x, y

    def _say(self, what: str) -> None:
        if not self.strict:
            return
        self.said_.append(what)
        warnings.warn(f"resample = {self.kind}: {what}", ResampleWarning, stacklevel=3)


_NOTHING_TO_ADD = ("No samples will be generated", "Not any neigbours")


def _smotenc(own: Resampler, strategy: Any, rare: int) -> Any:
    """SMOTE itself where there are no words, SMOTE-N where there is nothing else."""
    more = {"sampling_strategy": strategy, "random_state": own.random_state}
    near = own.near(rare - 1)
    if own.words_from is None:
        return over_sampling.SMOTE(k_neighbors=near, **more)
    if own.words_from == 0:
        return over_sampling.SMOTEN(k_neighbors=near, **more)
    words = list(range(own.words_from, own.width_))
    return over_sampling.SMOTENC(words, k_neighbors=near, **more)


def _plain(kind: Any) -> Callable[[Resampler, Any, int], Any]:
    return lambda own, strategy, rare: kind(
        sampling_strategy=strategy, random_state=own.random_state
    )


def _smote(own: Resampler, strategy: Any, rare: int) -> Any:
    return over_sampling.SMOTE(
        sampling_strategy=strategy, k_neighbors=own.near(rare - 1), random_state=own.random_state
    )


_MAKERS: dict[str, Callable[[Resampler, Any, int], Any]] = {
    "smote": _smote,
    "smotenc": _smotenc,
    "adasyn": lambda own, strategy, rare: over_sampling.ADASYN(
        sampling_strategy=strategy, n_neighbors=own.near(rare - 1), random_state=own.random_state
    ),
    "smote_tomek": lambda own, strategy, rare: combine.SMOTETomek(
        sampling_strategy=strategy,
        smote=_smote(own, strategy, rare),
        random_state=own.random_state,
    ),
    "random_over": _plain(over_sampling.RandomOverSampler),
    "random_under": _plain(under_sampling.RandomUnderSampler),
    "near_miss": lambda own, strategy, rare: under_sampling.NearMiss(
        sampling_strategy=strategy, n_neighbors=own.near(rare)
    ),
    "tomek_links": lambda own, strategy, rare: under_sampling.TomekLinks(
        sampling_strategy=strategy
    ),
    "cluster_centroids": lambda own, strategy, rare: under_sampling.ClusterCentroids(
        sampling_strategy=strategy,
        estimator=KMeans(n_init=1, random_state=own.random_state),
        random_state=own.random_state,
    ),
}
