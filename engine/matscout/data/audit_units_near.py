"""Slips of units inside the range of a target: rows a thousand times off what rows like them have.

GPa among MPa, eV among meV: where values themselves spread over decades, a slipped one stands out in no
histogram, but beside its neighbours in composition and settings it does.
"""

from __future__ import annotations

import numpy as np

from matscout.data.audit_coverage import reduced
from matscout.data.audit_sheet import Sheet
from matscout.data.audit_units import Slip

POWERS = (3, 6)
NEAREST = 7
_LEAST_ROWS, _MOST_ROWS = 30, 10_000
_LEAST_SLIPS, _LEAST_SHARE, _MOST_SHARE = 4, 0.005, 0.2

_SPREAD = 0.5
"""Decades of robust sd from which neighbours say too little: a thousandfold is then no six of them."""

_OFF = 0.5
"""Decades by which a slipped row may be off its neighbours beside the factor, as others are without."""

_TAIL = 1.25
"""Decades on either side of the factor that are nearly empty, but for `_OFF`, where units have slipped.
A target with a long tail, of small fractions say, has more rows there than at the factor itself."""

_COMPOSITION = 3.0
"""Another element is further off than another setting: some standard deviations of one column."""


def slipped_beside(values: np.ndarray, x: np.ndarray) -> Slip | None:
    """The rows whose `values` (n,), NaN where there is none, are a thousand or a million times, or that
    part of, the median of their seven nearest rows by the inputs `x` (n, d), all rows others; rows of
    `x` with NaN are left out, and so are values at or below 0.

    Nothing is found where neighbours differ by more than half a decade; where values off by something
    near the factor are a third of these or more; nor for less than four rows, than one in two hundred,
    or more than a fifth; nor where all have one and the same value: that is a default. Copies that have
    slipped together vouch for each other, and are not found.
    """
    with np.errstate(invalid="ignore"):
        rows = np.flatnonzero(np.isfinite(values) & (values > 0) & np.isfinite(x).all(axis=1))
    if not _LEAST_ROWS <= len(rows) <= _MOST_ROWS:
        return None
    off = _off(np.log10(values[rows]), x[rows])
    spread = 1.4826 * float(np.median(np.abs(off - np.median(off))))
    if spread >= _SPREAD:
        return None
    least = max(_LEAST_SLIPS, _LEAST_SHARE * len(rows))
    for power in POWERS:
        for above in (True, False):
            far = off if above else -off
            found = np.abs(far - power) <= _OFF
            near = ((far > power - _TAIL) & (far < power + _TAIL)) & ~found
            count = int(found.sum())
            if not least <= count <= _MOST_SHARE * len(rows) or 3 * near.sum() >= count:
                continue
            if len(np.unique(values[rows[found]])) == 1:
                continue
            return Slip(tuple(rows[found].tolist()), 10.0**power, f"10^{power}", above)
    return None


def neighbour_space(sheet: Sheet) -> np.ndarray | None:
    """What rows are compared by, (n, d): the compositions of the first column of formulas or structures,
    as the square roots of the elements' fractions (Hellinger's distance) and statistics of the
    elements' properties, and the columns of numbers, standardised, with their mean where one is
    missing. NaN for a row without a composition; None for a table with neither, and for one of more
    than ten thousand rows.
    """
    if len(sheet) > _MOST_ROWS:  # some seconds from here on
        return None
    parts = []
    columns = [sheet.numbers(name) for name in sheet.of_kind("number")]
    if columns:
        parts.append(np.nan_to_num(_standardised(np.column_stack(columns))))
    by = next(iter([*sheet.of_kind("formula"), *sheet.of_kind("structure")]), None)
    if by is not None:
        from matscout.data.composition import composition_features, element_fractions

        formulas = reduced(sheet, by)
        known = [place for place, formula in enumerate(formulas) if formula]
        if known:
            cells = [formulas[place] for place in known]
            statistics = np.nan_to_num(_standardised(composition_features(cells)[1]))
            own = [np.sqrt(element_fractions(cells)[1]), statistics / statistics.shape[1] ** 0.5]
            block = np.full((len(sheet), sum(part.shape[1] for part in own)), np.nan)
            block[known] = _COMPOSITION * np.hstack(own)
            parts.append(block)
    return np.hstack(parts) if parts else None


def _off(size: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Each of `size` (n,) less the median of its nearest others."""
    from sklearn.neighbors import NearestNeighbors

    found = NearestNeighbors(n_neighbors=NEAREST).fit(x).kneighbors(return_distance=False)
    return np.asarray(size - np.median(size[found], axis=1))


def _standardised(x: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and sd 1, (n, d); constant and empty ones are 0 or NaN."""
    shown = np.isfinite(x)
    count = np.maximum(shown.sum(axis=0), 1)
    mean = np.where(shown, x, 0.0).sum(axis=0) / count
    centred = x - mean
    sd = np.sqrt(np.square(np.where(shown, centred, 0.0)).sum(axis=0) / count)
    return np.asarray(centred / np.where(sd > 0, sd, 1.0))
