"""Trees in place of a Gaussian process: for many columns, steps and interactions."""

from __future__ import annotations

from dataclasses import dataclass

from matscout.propose.strategies.bound import BoundRule, Make, trees_alone


@dataclass(frozen=True)
class ForestRule(BoundRule):
    """mean + beta * sd of extra trees, weighted by P(feasible) above the worst value measured."""

    rule: str = "forest_ucb"
    make: Make = trees_alone
