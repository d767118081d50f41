"""When a parameter exists, learned from which trials had it: define-by-run spaces declare nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from matscout.parameter import Int, Ordinal, Parameter
from matscout.propose.sampling import Point
from matscout.trial import Value

Condition = dict[str, tuple[Value, ...]]
"""Names of parents to the values under which a parameter exists."""

MOST_VALUES = 32
"""A parameter with more values is no switch between branches."""


def conditions(
    points: Sequence[Point], parameters: Mapping[str, Parameter]
) -> tuple[dict[str, Condition], set[str]]:
    """The condition of every parameter that some of `points` lack, and the names of those whose
    presence no condition explains.

    A condition names one parent, or two at once, with the values under which the parameter may
    exist; it must hold at every point that has the parameter and at none that could have and lacks
    it. Of several the one with the fewest values seen is taken: it had the most chances to fail. A
    wrong guess from few trials is contradicted by later ones.
    """
    parents = [
        name for name, p in parameters.items() if p.count is not None and p.count <= MOST_VALUES
    ]
    known: dict[str, Condition] = {}
    unexplained: set[str] = set()
    for name in parameters:
        having = [p for p in points if name in p]
        lacking = [p for p in points if name not in p]
        if not lacking:
            continue
        if not having:  # said to exist, and not seen so far
            unexplained.add(name)
            continue
        # A parent is wherever its child is, and somewhere else too: no two can be each other's.
        wider = [
            q
            for q in parents
            if q != name and all(q in p for p in having) and any(q in p for p in lacking)
        ]
        found = _first(wider, having, lacking)
        if found is None:
            unexplained.add(name)
        else:
            known[name] = {q: _widened(parameters[q], having, lacking, q) for q in found}
    return known, unexplained


def _first(
    wider: Sequence[str], having: Sequence[Point], lacking: Sequence[Point]
) -> tuple[str, ...] | None:
    for size in (1, 2):
        fits = [group for group in combinations(wider, size) if _fits(group, having, lacking)]
        if fits:
            return min(fits, key=lambda group: sum(_seen(q, [*having, *lacking]) for q in group))
    return None


def _fits(group: tuple[str, ...], having: Sequence[Point], lacking: Sequence[Point]) -> bool:
    values = {q: {p[q] for p in having} for q in group}
    could = [p for p in lacking if all(q in p for q in group)]
    return bool(could) and not any(all(p[q] in values[q] for q in group) for p in could)


def _seen(name: str, points: Sequence[Point]) -> int:
    return len({p[name] for p in points if name in p})


def _widened(
    parent: Parameter, having: Sequence[Point], lacking: Sequence[Point], name: str
) -> tuple[Value, ...]:
    """The values seen, and those never met: a suggestion that nobody asks for costs nothing. An
    ordered parent that splits (layer 3 exists from 3 layers on) keeps to its side."""
    values = list(parent.values())
    place = {value: i for i, value in enumerate(values)}
    seen = {place[p[name]] for p in having}
    others = {place[p[name]] for p in lacking if name in p} - seen
    low, high = 0, len(values)
    if isinstance(parent, Int | Ordinal) and others:
        if max(others) < min(seen):
            low = max(others)
        elif min(others) > max(seen):
            high = min(others)
    return tuple(v for i, v in enumerate(values) if low <= i < high and i not in others)
