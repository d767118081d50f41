"""The diversity coefficient of a table: how different are random batches of its rows?

A. Lee, B. Miranda, S. Koyejo, "Beyond Scale: the Diversity Coefficient as a Data Quality Metric
Demonstrates LLMs are Pre-trained on Formally Diverse Data", arXiv:2306.13840 (2023): the expected
cosine distance between the embeddings of two batches. They embed a batch by Task2Vec, which needs a
network trained on text. A batch of materials is embedded here as the mean of its rows: of element
fractions (which elements, how much), of labels (which, how often), and of each number the share of
its ten ranges. They read the coefficient against a least and a greatest diverse data set; so do we:
0, and what the same elements, labels and ranges give when each is as frequent as the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

BATCH = 32
PAIRS = 400
RANGES = 10
_CLIP = 0.01


@dataclass(frozen=True)
class Diversity:
    """`coefficient` in [0, 1], with the standard error of its mean over `pairs` of batches; 0 where
    all rows are alike. `even` is what as many rows spread evenly over the same elements, labels and
    ranges would have; `blocks` says what the embedding is made of.
    """

    coefficient: float
    sem: float
    even: float
    batch: int
    pairs: int
    blocks: tuple[str, ...]


def diversity_coefficient(
    embedding: np.ndarray, *, batch: int = BATCH, pairs: int = PAIRS, seed: int = 0
) -> tuple[float, float]:
    """The mean cosine distance between mean rows of two batches of `embedding` (n, d), drawn
    without a row in common, and its standard error. Not below zero if no entry is.

    Raises ValueError for fewer than two rows. A batch has `batch` rows, or half of
    all if there are fewer.
    """
    n = len(embedding)
    if n < 2:
        raise ValueError(f"two batches need two rows, got {n}")
    size = min(batch, n // 2)
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    found = np.empty(pairs)
    for k in range(pairs):
        rows = rng.choice(n, 2 * size, replace=False)
        found[k] = _cosine(embedding[rows[:size]].mean(axis=0), embedding[rows[size:]].mean(axis=0))
    return float(found.mean()), float(found.std(ddof=1) / math.sqrt(pairs)) if pairs > 1 else 0.0


def diversity(
    numbers: Mapping[str, np.ndarray],
    labels: Mapping[str, Sequence[object]],
    formulas: Mapping[str, Sequence[str]],
    *,
    seed: int = 0,
) -> Diversity | None:
    """Of the columns of a table, n rows each. Rows without a formula have no elements; missing
    numbers are in no range. None for fewer than four rows, or where nothing varies.
    """
    from matscout.data.composition import element_fractions

    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
    parts, evens, told = [], [], []
    for texts in formulas.values():
        full = [row for row, text in enumerate(texts) if text]
        symbols, fractions = element_fractions([texts[row] for row in full])
        if len(symbols) > 1:
            whole = np.zeros((len(texts), len(symbols)))
            whole[full] = fractions
            parts.append(whole)
            evens.append(_even_fractions(whole, rng))
            told.append(f"{len(symbols)} elements")
    for values in numbers.values():
        codes = ranges(values)
        if codes.max(initial=0) > 0:
            _add(codes, RANGES, parts, evens, rng)
    counted = len(parts) - len(told)
    if counted:
        told.append(f"{counted} number{'s' * (counted > 1)} in {RANGES} ranges")
    for column in labels.values():
        _, codes = np.unique(np.array([str(v) for v in column]), return_inverse=True)
        if 0 < codes.max(initial=0) < len(codes) - 1:
            _add(codes, int(codes.max()) + 1, parts, evens, rng)
    if len(parts) > counted + (1 if formulas else 0):
        told.append("labels")
    if not parts or len(parts[0]) < 4:
        return None
    coefficient, sem = diversity_coefficient(np.hstack(parts), seed=seed)
    even, _ = diversity_coefficient(np.hstack(evens), seed=seed)
    size = min(BATCH, len(parts[0]) // 2)
    return Diversity(coefficient, sem, even, size, PAIRS, tuple(told))


def ranges(values: np.ndarray) -> np.ndarray:
    """The place of each number among ten ranges of one width between the 1 % and the 99 % quantile,
    (n,), -1 for NaN; ten of one width in log where the numbers span decades.
    """
    from matscout.data.audit_target import in_decades

    known = np.isfinite(values)
    codes = np.full(len(values), -1)
    if not known.any():
        return codes
    x = np.log10(values[known]) if in_decades(values[known]) else values[known]
    low, high = np.quantile(x, (_CLIP, 1 - _CLIP))
    if high <= low:
        return np.where(known, 0, -1)
    codes[known] = np.clip((x - low) / (high - low) * RANGES, 0, RANGES - 1).astype(int)
    return codes


def _add(
    codes: np.ndarray,
    count: int,
    parts: list[np.ndarray],
    evens: list[np.ndarray],
    rng: np.random.Generator,
) -> None:
    parts.append(_hot(codes, count))
    evens.append(_hot(rng.integers(count, size=len(codes)), count))


def _hot(codes: np.ndarray, count: int) -> np.ndarray:
    """(n, count), each row with a single 1; none where the code is -1."""
    hot = np.zeros((len(codes), count))
    known = codes >= 0
    hot[np.flatnonzero(known), codes[known]] = 1.0
    return hot


def _even_fractions(fractions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same amounts in each row, of elements drawn evenly from all that occur."""
    order = rng.permuted(np.tile(np.arange(fractions.shape[1]), (len(fractions), 1)), axis=1)
    return np.take_along_axis(fractions, order, axis=1)


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return max(0.0, 1.0 - float(a @ b) / size) if size else 0.0
