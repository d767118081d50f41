"""Every resampler: balance where it promises it, few rows, one row, words; the library's own rows."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE

from matscout.errors import InputError
from matscout.models.imbalance.resample import _MAKERS, Resampler, ResampleWarning


def rows(rare: int, common: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(rare)
    x = np.vstack([rng.normal(size=(common, 3)), rng.normal(0.7, 1.0, size=(rare, 3))])
    return x, np.repeat([0, 1], [common, rare])


@pytest.mark.parametrize("kind", sorted(_MAKERS))
@pytest.mark.parametrize("rare", [2, 3, 12])
def test_a_small_minority_is_resampled_all_the_same(kind: str, rare: int) -> None:
    x, y = rows(rare)
    sampler = Resampler(kind, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResampleWarning)
        more, labels = sampler.fit_resample(x, y)
        again = Resampler(kind, random_state=0).fit_resample(x, y)
    counts = np.bincount(labels)
    assert len(more) == len(labels) and np.isfinite(more).all() and np.array_equal(more, again[0])
    if kind in ("random_over", "smote", "smotenc"):
        assert counts[0] == counts[1] == 40
    elif kind in ("random_under", "near_miss", "cluster_centroids"):
        assert counts[0] == counts[1] == rare
    if kind in ("smote", "adasyn") and rare < 6:
        assert any(f"{rare - 1} neighbours instead of 5" in said for said in sampler.said_)


def test_smote_with_enough_rows_is_the_library_s() -> None:
    x, y = rows(12)
    ours = Resampler("smote", random_state=3).fit_resample(x, y)
    theirs = SMOTE(random_state=3).fit_resample(x, y)
    assert np.array_equal(ours[0], theirs[0]) and np.array_equal(ours[1], theirs[1])


def test_ratio_and_rows_that_are_balanced_already() -> None:
    x, y = rows(10)
    assert np.bincount(Resampler("random_over", ratio=0.5).fit_resample(x, y)[1])[1] == 20
    assert len(Resampler("smote", ratio=0.2).fit_resample(x, y)[1]) == len(y)


def test_one_rare_row_is_one_line_and_within_an_ensemble_repeated() -> None:
    x, y = rows(1)
    with pytest.raises(InputError, match=r"two rows of each class.*random_over"):
        Resampler("smote").fit_resample(x, y)
    _, labels = Resampler("smote", strict=False).fit_resample(x, y)
    assert (labels == 1).sum() == 40
    with pytest.raises(InputError, match="one class only"):
        Resampler("random_under").fit_resample(x[:5], y[:5])


def test_smotenc_makes_words_that_exist() -> None:
    x, y = rows(8)
    words = np.random.default_rng(0).integers(0, 3, size=len(y)).astype(float)
    more, labels = Resampler("smotenc", words_from=3, random_state=0).fit_resample(
        np.column_stack([x, words]), y
    )
    assert (labels == 1).sum() == 40 and set(np.unique(more[:, 3])) <= {0.0, 1.0, 2.0}
