"""Which rows train and which judge. Pure functions of a seed; nothing is fitted here.

A fold is (training rows, validation rows): two ascending arrays of row numbers that do not meet.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    RepeatedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
)

from matscout.data.split_names import GROUPED, KINDS, REPEATED
from matscout.errors import InputError, did_you_mean

Fold = tuple[np.ndarray, np.ndarray]

WHERE = "split"


def split(
    kind: str,
    y: np.ndarray,
    *,
    folds: int = 5,
    repeats: int = 1,
    fraction: float = 0.2,
    groups: Sequence[object] | np.ndarray | None = None,
    classes: bool = False,
    seed: int = 0,
) -> list[Fold]:
    """The folds of that `kind` over the targets `y`, (n,). Raises InputError where there are none.

    `stratified` keeps the share of every class, or of ten quantiles of a number, in each fold;
    `grouped` keeps rows of one group together, and `stratified_grouped` does both as well as can be;
    `leave_one_out` has a fold for every row, or for every group if there are `groups`; `holdout` is
    one fold with `fraction` held out. `repeated` and `repeated_stratified` are `repeats` splits, one
    after the other.
    """
    if kind == "holdout":
        return holdout(len(y), fraction, seed)
    if kind == "kfold":
        return kfold(len(y), folds, seed)
    if kind == "repeated":
        return repeated(len(y), folds, repeats, seed)
    if kind in ("stratified", "repeated_stratified"):
        labels = y if classes else binned(y, folds)
        if kind == "stratified":
            return stratified(labels, folds, seed)
        return repeats_of("stratified", labels, repeats, folds=folds, classes=True, seed=seed)
    if kind == "leave_one_out":
        return leave_one_out(len(y), groups)
    if kind in GROUPED:
        if groups is None:
            raise InputError(WHERE, f"'{kind}' needs a group for every row", "name a group column")
        if kind == "grouped":
            return grouped(groups, folds, seed)
        labels = y if classes else _binned_groups(y, groups, folds)
        return stratified_grouped(labels, groups, folds, seed)
    raise InputError(WHERE, f"no split is called '{kind}'", did_you_mean(kind, KINDS))


def repeats_of(
    kind: str,
    y: np.ndarray,
    repeats: int,
    *,
    folds: int = 5,
    fraction: float = 0.2,
    groups: Sequence[object] | np.ndarray | None = None,
    classes: bool = False,
    seed: int = 0,
) -> list[Fold]:
    """`repeats` different splits of that `kind`, one after the other: of "repeated" those of "kfold",
    of "repeated_stratified" those of "stratified".
    """
    if repeats < 1:
        raise InputError(WHERE, f"repeats must be at least 1, got {repeats}")
    seeds = np.random.SeedSequence(seed).generate_state(repeats)
    return [
        fold
        for own in seeds
        for fold in split(
            REPEATED.get(kind, kind), y, folds=folds, fraction=fraction,
            groups=groups, classes=classes, seed=int(own),
        )
    ]  # fmt: skip


def holdout(n: int, fraction: float, seed: int) -> list[Fold]:
    """One fold: `fraction` of the rows, at least one, judge the rest."""
    if not 0.0 < fraction < 1.0:
        raise InputError(WHERE, f"fraction must lie in (0, 1), got {fraction!r}")
    if n < 2:
        raise InputError(WHERE, f"{n} rows cannot be split", "bring more rows")
    judges = min(max(round(n * fraction), 1), n - 1)
    return _sorted(ShuffleSplit(1, test_size=judges, random_state=seed).split(np.zeros(n)))


def kfold(n: int, folds: int, seed: int) -> list[Fold]:
    """Every row judges once."""
    _enough(n, folds, "row")
    return _sorted(KFold(folds, shuffle=True, random_state=seed).split(np.zeros(n)))


def repeated(n: int, folds: int, repeats: int, seed: int) -> list[Fold]:
    """`repeats` different k-fold splits, one after the other."""
    _enough(n, folds, "row")
    if repeats < 1:
        raise InputError(WHERE, f"repeats must be at least 1, got {repeats}")
    maker = RepeatedKFold(n_splits=folds, n_repeats=repeats, random_state=seed)
    return _sorted(maker.split(np.zeros(n)))


def stratified(labels: np.ndarray, folds: int, seed: int) -> list[Fold]:
    """k-fold with the share of each label kept."""
    _enough(len(labels), folds, "row")
    held = most_folds(len(labels), labels)
    if held < folds:
        what = f"the rarest class has {_many(held, 'row')} for {folds} folds"
        raise InputError(WHERE, what, "use fewer folds")
    maker = StratifiedKFold(folds, shuffle=True, random_state=seed)
    return _sorted(maker.split(np.zeros(len(labels)), labels))


def binned(y: np.ndarray, folds: int, bins: int = 10) -> np.ndarray:
    """`y` as the number of its quantile, (n,): as many as `bins`, each with a row for every fold.

    Equal values share a bin; a bin that would be too small joins the one below.
    """
    bins = max(1, min(bins, len(y) // max(folds, 1)))
    edges = np.unique(np.quantile(y, np.linspace(0, 1, bins + 1)[1:-1]))
    place = np.searchsorted(edges, y, side="right")
    counts = np.bincount(place, minlength=len(edges) + 1)
    merged = np.zeros(len(counts), dtype=int)
    number, filled = 0, 0
    for k, count in enumerate(counts):
        if filled >= folds and counts[k:].sum() >= folds:
            number, filled = number + 1, 0
        merged[k] = number
        filled += count
    return np.asarray(merged[place])


def leave_one_out(n: int, groups: Sequence[object] | np.ndarray | None = None) -> list[Fold]:
    """Each row judges alone, in its turn; with `groups` each group does, in order of its name."""
    names = np.arange(n) if groups is None else np.array([str(g) for g in groups])
    _, codes = np.unique(names, return_inverse=True)
    if n < 2 or codes.max() < 1:
        what = "one row or group" if n else "no row"
        raise InputError(WHERE, f"{what} cannot be left out and learnt from", "bring more")
    return _sorted(LeaveOneGroupOut().split(np.zeros(n), groups=codes))


def stratified_grouped(
    labels: np.ndarray, groups: Sequence[object] | np.ndarray, folds: int, seed: int
) -> list[Fold]:
    """Groups stay whole, and the share of each label is kept as well as whole groups allow.

    Raises InputError where a label is in fewer groups than there are folds, and where the groups are
    so uneven that a fold is left empty.
    """
    names, codes = np.unique(np.array([str(g) for g in groups]), return_inverse=True)
    _enough(len(names), folds, "group")
    held = most_folds(len(labels), labels, codes)
    if held < folds:
        what = f"the rarest class is in {_many(held, 'group')} for {folds} folds"
        raise InputError(WHERE, what, "use fewer folds, or split = 'grouped'")
    maker = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    made = _sorted(maker.split(np.zeros(len(labels)), labels, groups=codes))
    if any(len(judge) == 0 for _, judge in made):
        most = names[np.bincount(codes).argmax()]
        what = f"groups so uneven (largest: {most!r:.40}) that a fold is empty"
        raise InputError(WHERE, what, "use fewer folds, or split = 'grouped'")
    return made


def grouped(groups: Sequence[object] | np.ndarray, folds: int, seed: int) -> list[Fold]:
    """k-fold over groups: no group is on both sides of a fold."""
    _, codes = np.unique(np.array([str(g) for g in groups]), return_inverse=True)
    _enough(int(codes.max(initial=-1)) + 1, folds, "group")
    maker = GroupKFold(folds, shuffle=True, random_state=seed)
    return _sorted(maker.split(np.zeros(len(codes)), groups=codes))


def _binned_groups(y: np.ndarray, groups: Sequence[object] | np.ndarray, folds: int) -> np.ndarray:
    """The quantile that the mean of each row's group is in, (n,)."""
    _, codes = np.unique(np.array([str(g) for g in groups]), return_inverse=True)
    return binned(np.bincount(codes, weights=y) / np.bincount(codes), folds)[codes]


def most_folds(
    n: int,
    labels: np.ndarray | None = None,
    groups: Sequence[object] | np.ndarray | None = None,
) -> int:
    """How many folds of n rows can each judge a row of each of the `labels` (n,), if any; a whole group
    of it, where there are `groups` (n,)."""
    units = np.arange(n) if groups is None else np.array([str(g) for g in groups])
    classes = [units] if labels is None else [units[labels == label] for label in np.unique(labels)]
    return min(np.unique(one).size for one in classes)


def _many(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _enough(n: int, folds: int, what: str) -> None:
    if folds < 2:
        raise InputError(WHERE, f"folds must be at least 2, got {folds}")
    if n < folds:
        short = f"{_many(n, what)} {'does' if n == 1 else 'do'} not make {folds} folds"
        raise InputError(WHERE, short, "use fewer folds")


def _sorted(pairs: object) -> list[Fold]:
    return [(np.sort(train), np.sort(judge)) for train, judge in pairs]  # type: ignore[attr-defined]
