"""Weak robust samples: training rows whose prediction a small change of the inputs overturns.

A.-R. Nuhu, P. Kebria, V. Hemmati, B. Lartey, M. Nabil Mahmoud, A. Homaifar, E. Tunstel, "A Validation
Strategy for Deep Learning Models: Evaluating and Enhancing Robustness", arXiv:2509.19197 (2025): each
training row gets neighbours x + ε·random; the misprediction score of a neighbour is 0 where the label is
right, else the highest probability of a wrong one. Rows are ordered by it, and the weakest are the
validation set on which models of few rows are compared. For a number, which the paper does not treat,
the score of a neighbour is how far the prediction moved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

EPSILON = 0.1
"""Of each column's standard deviation. The field has no standard for tables, and this is not measured:
take the error of your own inputs where you know it."""

VARIANTS = 30


@dataclass(frozen=True)
class WeakRobust:
    """`score` (n,): the mean over a row's neighbours of the misprediction score (classes), or of
    |change of the prediction| in the target's unit (numbers). `flipped` (n,): the share of neighbours
    with another label than the row's own prediction; zeros for numbers. `right` (n,): whether the
    row itself was classified rightly; all True for numbers.
    """

    score: np.ndarray
    flipped: np.ndarray
    right: np.ndarray

    def weakest(self, share: float = 0.1) -> np.ndarray:
        """The rows to validate on, weakest first: `share` of all, one at least, of those that are right
        as they are (a row that is wrong already is an error, not a fragile success).
        """
        count = max(1, round(share * len(self.score)))
        order = np.argsort(-self.score, kind="stable")
        return np.asarray(order[self.right[order]][:count])


def weak_robust(
    predict: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    numbers: int,
    *,
    truth: np.ndarray | None = None,
    epsilon: float = EPSILON,
    variants: int = VARIANTS,
    seed: int = 0,
) -> WeakRobust:
    """Of the rows `x` (n, d), whose first `numbers` columns are numbers: they are moved by Gaussian
    noise of `epsilon` standard deviations of their column, which a missing number (NaN) is spared;
    words stay.

    `predict` gives values (m,) or probabilities of the classes (m, c); for the latter `truth` (n,) is
    the place of the true class. Raises ValueError for classes without truth, and for fewer than one
    variant.
    """
    if variants < 1:
        raise ValueError(f"at least one variant is needed, got {variants}")
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    width = epsilon * np.nanstd(x[:, :numbers], axis=0) if numbers else np.zeros(0)
    own = np.asarray(predict(x), dtype=float)
    if own.ndim == 2 and truth is None:
        raise ValueError("classes need the true ones")
    score, flipped = np.zeros(len(x)), np.zeros(len(x))
    for _ in range(variants):
        near = x.copy()
        near[:, :numbers] += rng.normal(size=(len(x), numbers)) * width
        guess = np.asarray(predict(near), dtype=float)
        if own.ndim == 1:
            score += np.abs(guess - own) / variants
        else:
            assert truth is not None
            score += _misprediction(guess, truth.astype(int)) / variants
            flipped += (guess.argmax(axis=1) != own.argmax(axis=1)) / variants
    if own.ndim == 1:
        right = np.ones(len(x), dtype=bool)
    else:
        assert truth is not None
        right = own.argmax(axis=1) == truth.astype(int)
    return WeakRobust(score, flipped, right)


def _misprediction(probability: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(n,): 0 where the label is right, else the highest probability of a wrong one."""
    wrong = probability.copy()
    wrong[np.arange(len(truth)), truth] = -np.inf
    return np.where(probability.argmax(axis=1) == truth, 0.0, wrong.max(axis=1))
