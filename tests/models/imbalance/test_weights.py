"""Inverse-frequency and label-density weights against counts done by hand, and the authors' recipe."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from matscout.errors import InputError
from matscout.models.imbalance import weights as w


def test_class_weights_are_n_over_k_count() -> None:
    labels = np.array([0, 0, 0, 1, 2, 2])
    assert np.allclose(w.class_weights(labels), [6 / 9, 6 / 9, 6 / 9, 6 / 3, 1, 1])
    roots = np.sqrt(w.class_weights(labels))
    assert np.allclose(w.class_weights(labels, "sqrt"), roots / roots.mean())


def test_bins_that_are_empty_do_not_count() -> None:
    y = np.array([0.0, 0.0, 0.0, 10.0])
    assert np.allclose(w.bin_weights(y, 10), [4 / 6, 4 / 6, 4 / 6, 4 / 2])
    assert np.array_equal(
        w.bins_of(np.array([0.0, 0.99, 1.0, 5.0, 9.99, 10.0]), 10), [0, 0, 1, 5, 9, 9]
    )


def test_lds_smooths_with_a_gaussian_of_peak_one() -> None:
    counts = np.zeros(9)
    counts[4] = 1.0
    kernel = np.exp(-0.5 * (np.arange(-2, 3) / 2.0) ** 2)
    # scipy's filter, which the authors use, truncates and reflects at the ends of the window of five.
    found = w.smoothed(counts)
    assert found[4] == 1.0 and np.allclose(found[[2, 6]], found[2]) and found[1] == 0
    assert np.allclose(found[2:7], kernel, atol=0.35) and (np.diff(found[2:5]) > 0).all()
    y = np.concatenate([np.zeros(50), np.full(2, 0.5), [10.0]])
    lds = w.lds_weights(y, 100)
    plain = w.bin_weights(y, 100)
    # The two rows beside the crowd are not rare; the one far from all is.
    assert plain[50] / plain[0] == pytest.approx(25) and lds[50] / lds[0] == pytest.approx(25)
    y[50:52] = 0.15
    lds = w.lds_weights(y, 100)
    assert lds[50] / lds[0] < 2 < lds[52] / lds[0]


@given(arrays(float, st.integers(1, 40), elements=st.floats(-1e6, 1e6)), st.integers(2, 50))
def test_weights_are_positive_and_average_one(y: np.ndarray, bins: int) -> None:
    for kind in ("balanced", "sqrt", "lds"):
        found = w.row_weights(kind, y, classes=False, bins=bins)
        assert found is not None and (found > 0).all()
        assert found.mean() == pytest.approx(1.0)


def test_words() -> None:
    labels = np.array([0, 1, 1])
    assert w.row_weights("none", labels, classes=True) is None
    with pytest.raises(InputError, match="for numbers, not for classes"):
        w.row_weights("lds", labels, classes=True)
