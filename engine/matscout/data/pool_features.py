"""The features of a pool as numbers, whatever they are: for Gaussian processes, and for trees."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from matscout.errors import InputError
from matscout.pool import Pool

Array = NDArray[np.float64]

_SAME = 1e-9
"""Computed features that differ by less, relative to their size, do so by rounding."""

_MOST_CELLS = 2**28
"""Of a one-hot matrix: 2 GiB."""


class PoolFeatures:
    """What models see of the n candidates of one pool. Computed on demand, once.

    Raises InputError, naming the candidate, for a number that is not finite, for a formula or a
    structure file that cannot be read, and where structures are given without CHGNet (the extra
    `oracle`).
    """

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._computed: dict[str, Array] = {}
        self._of_elements: dict[str, Array] = {}

    @cached_property
    def numbers(self) -> Array:
        """(n, numbers): the features that are numbers, finite, in their own units."""
        matrix = self.pool.matrix
        bad = np.argwhere(~np.isfinite(matrix))
        if len(bad):
            row, column = bad[0].tolist()
            raise InputError(
                f"space.pool.{self.pool.numbers[column]}",
                f"candidate {self.pool.ids[row]!r} has {matrix[row, column]}",
                "features must be finite numbers",
            )
        return matrix

    @cached_property
    def blocks(self) -> tuple[Array, ...]:
        """(n, d) blocks of the features that vary, for distances between candidates.

        A number is min-max scaled over the pool. A category is one-hot / √2, so that two labels are
        as far apart as the two ends of a number. A formula is two blocks: its composition statistics
        (composition.py), and the roots of its element fractions / √2, whose distance is Hellinger's:
        1 between formulas without a common element. Statistics say which elements are alike, fractions
        keep apart what statistics confuse: a Gaussian process of both has a fifth less error on
        steels, a tenth less on perovskites, than one of statistics alone. A structure is CHGNet's
        crystal features (crystal_features.py). Statistics and crystal features are standardised,
        and two candidates about 1 apart.
        """
        out = []
        for name in self.pool.features:
            kind = self.pool.kinds[name]
            if kind == "number":
                block = _scaled(self._number(name), tolerance=0.0)
            elif kind == "category":
                hot = self._one_hot(name)
                block = hot / math.sqrt(2.0) if hot.shape[1] > 1 else hot[:, :0]
            else:
                block = _standardised(self._chemistry(name))
            out.append(block)
            if kind == "formula":
                out.append(_hellinger(self._fractions(name)))
        return tuple(block for block in out if block.shape[1])

    @cached_property
    def table(self) -> Array:
        """(n, d) for trees, which need no scale: numbers as they are, one-hot categories,
        composition statistics and element fractions of formulas, crystal features of structures.
        """
        out = [np.zeros((len(self.pool), 0))]
        for name in self.pool.features:
            kind = self.pool.kinds[name]
            if kind == "number":
                out.append(self._number(name))
            elif kind == "category":
                out.append(self._one_hot(name))
            else:
                out.append(self._chemistry(name))
            if kind == "formula":
                out.append(self._fractions(name))
        return np.hstack(out)

    def _number(self, name: str) -> Array:
        place = self.pool.numbers.index(name)
        return self.numbers[:, place : place + 1]

    def _texts(self, name: str) -> list[str]:
        return [str(value) for value in self.pool.columns[name]]

    def _one_hot(self, name: str) -> Array:
        """(n, labels), the labels in alphabetical order."""
        labels, code = np.unique(np.array(self._texts(name), dtype=object), return_inverse=True)
        if len(code) * len(labels) > _MOST_CELLS:
            raise InputError(
                f"space.pool.{name}",
                f"{len(labels)} labels for {len(code)} candidates are too many for a category",
                "leave the column out of features, or describe its labels by numbers",
            )
        hot = np.zeros((len(code), len(labels)))
        hot[np.arange(len(code)), code] = 1.0
        return hot

    def _chemistry(self, name: str) -> Array:
        """(n, d): what is computed of a formula or a structure, in its own units."""
        if name not in self._computed:
            formula = self.pool.kinds[name] == "formula"
            self._computed[name] = self._composition(name) if formula else self._crystals(name)
        return self._computed[name]

    def _composition(self, name: str) -> Array:
        from matscout.data.composition import composition_features
        from matscout.data.formula import is_formula

        texts = self._texts(name)
        try:
            return composition_features(texts)[1]
        except ValueError as error:
            row = next(row for row, text in enumerate(texts) if not is_formula(text))
            where = f"space.pool.{name}"
            raise InputError(where, f"candidate {self.pool.ids[row]!r}: {error}") from None

    def _fractions(self, name: str) -> Array:
        """(n, elements): a formula's atomic fractions. `_chemistry` has read every formula."""
        from matscout.data.composition import element_fractions

        if name not in self._of_elements:
            self._of_elements[name] = element_fractions(self._texts(name))[1]
        return self._of_elements[name]

    def _crystals(self, name: str) -> Array:
        from matscout.data.crystal_features import crystal_features
        from matscout.data.structure_files import load_texts, structure_text

        names = [f"space.pool.{name}: candidate {candidate!r}" for candidate in self.pool.ids]
        texts = [
            structure_text(source, where)
            for source, where in zip(self._texts(name), names, strict=True)
        ]
        return crystal_features(load_texts(texts), names)


def _varies(columns: Array, tolerance: float) -> NDArray[np.bool_]:
    """(d,): whose range is more than `tolerance` of their size."""
    low, high = columns.min(axis=0), columns.max(axis=0)
    # Halved first: the range from -1e308 to 1e308 is no float.
    size = np.maximum(np.abs(low), np.abs(high)) / 2
    return np.asarray((high > low) & (high / 2 - low / 2 > tolerance * size))


def _scaled(columns: Array, tolerance: float) -> Array:
    """(n, d) to [0, 1], without the columns that do not vary."""
    columns = columns[:, _varies(columns, tolerance)]
    low, high = columns.min(axis=0), columns.max(axis=0)
    return np.asarray((columns / 2 - low / 2) / (high / 2 - low / 2))


def _standardised(columns: Array) -> Array:
    """(n, d) with mean 0 and variance 1 / 2d, so that two rows are 1 apart in the root mean square,
    however many columns there are; without those that differ by rounding only."""
    scaled = _scaled(columns, tolerance=_SAME)
    if not scaled.shape[1]:
        return scaled
    ordered = np.sort(scaled, axis=0)  # sums do not depend on the order of the candidates
    mean, sd = ordered.mean(axis=0), ordered.std(axis=0)
    return np.asarray((scaled - mean) / sd / math.sqrt(2 * scaled.shape[1]))


def _hellinger(fractions: Array) -> Array:
    """(n, elements) with a distance between 0 and 1; without the elements that do not vary."""
    return np.sqrt(fractions[:, _varies(fractions, tolerance=_SAME)] / 2.0)
