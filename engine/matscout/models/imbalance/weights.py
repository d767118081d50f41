"""What each training row counts: more where rows like it are rare.

Inverse frequency, w_i = N / (k count_j), is G. King & L. Zeng, "Logistic regression in rare events
data", Polit. Anal. 9, 137 (2001), section 4.2, with equal shares for k classes; for numbers the bins
of the target take their place. Label-density smoothing: Y. Yang, K. Zha, Y. Chen, H. Wang, D. Katabi,
"Delving into deep imbalanced regression", ICML 2021, section 3.1, Eq. 1.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import convolve1d, gaussian_filter1d
from sklearn.utils.class_weight import compute_sample_weight

from matscout.errors import InputError

LDS_WIDTH, LDS_SD = 5, 2.0
"""The kernel that smooths the counts, in bins: that of Yang et al.'s own code (a Gaussian)."""


def class_weights(labels: np.ndarray, kind: str = "balanced") -> np.ndarray:
    """(n,) for the labels (n,): N / (k count_j), or its root; the mean is 1 in both cases."""
    weights = compute_sample_weight("balanced", labels)
    return _rooted(weights) if kind == "sqrt" else weights


def bin_weights(y: np.ndarray, bins: int, kind: str = "balanced") -> np.ndarray:
    """(n,) for targets (n,): N / (k count_j) over the k bins, of equal width, that hold a row."""
    return class_weights(bins_of(y, bins), kind)


def lds_weights(y: np.ndarray, bins: int) -> np.ndarray:
    """(n,) for targets (n,): one over the smoothed density of its bin, the mean being 1."""
    place = bins_of(y, bins)
    density = smoothed(np.bincount(place, minlength=bins).astype(float))
    weights = 1.0 / density[place]
    return np.asarray(weights * (len(y) / weights.sum()))


def smoothed(counts: np.ndarray) -> np.ndarray:
    """`counts` (bins,) under a Gaussian kernel whose peak is 1, with nothing beyond the ends."""
    half = np.zeros(LDS_WIDTH)
    half[LDS_WIDTH // 2] = 1.0
    kernel = gaussian_filter1d(half, LDS_SD)
    return np.asarray(convolve1d(counts, kernel / kernel.max(), mode="constant"))


def bins_of(y: np.ndarray, bins: int) -> np.ndarray:
    """(n,) places 0 … bins - 1 of targets (n,) in bins of equal width over their range."""
    low, high = float(y.min()), float(y.max())
    if not high > low:
        return np.zeros(len(y), dtype=int)
    inner = np.linspace(low, high, bins + 1)[1:-1]
    return np.asarray(np.searchsorted(inner, y, side="right"))


def row_weights(
    kind: str, y: np.ndarray, *, classes: bool, bins: int = 10, where: str = "params.weights"
) -> np.ndarray | None:
    """(n,) for training targets (n,), or None for `none`. InputError for lds on classes."""
    if kind == "none":
        return None
    if classes:
        if kind == "lds":
            what = "label-density smoothing is for numbers, not for classes"
            raise InputError(where, what, "use 'balanced' or 'sqrt'")
        return class_weights(y, kind)
    return lds_weights(y, bins) if kind == "lds" else bin_weights(y, bins, kind)


def _rooted(weights: np.ndarray) -> np.ndarray:
    roots = np.sqrt(weights)
    return np.asarray(roots * (len(roots) / roots.sum()))
