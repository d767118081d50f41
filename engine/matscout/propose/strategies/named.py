"""Strategies by the name that a config, a backtest or a table of results has for them."""

from __future__ import annotations

from collections.abc import Callable

from matscout.acquire.batch.core_set import CoreSet
from matscout.acquire.batch.greedy import Greedy
from matscout.acquire.batch.lcmd import LargestClusterMaximumDistance
from matscout.errors import InputError, did_you_mean
from matscout.goal import Goal
from matscout.propose.strategies.coverage import CoverageRule
from matscout.propose.strategies.forest import ForestRule
from matscout.propose.strategies.membership import MembershipRule
from matscout.propose.strategies.pareto import ParetoRule
from matscout.propose.strategies.process import ProcessRule
from matscout.propose.strategies.view import Strategy

AUTO = "auto"

STRATEGIES: dict[str, Callable[[], Strategy]] = {
    "lcb": lambda: ProcessRule("lcb", 1.0),
    "lcb2": lambda: ProcessRule("lcb", 2.0),
    "log_ei": lambda: ProcessRule("log_ei"),
    "mean": lambda: ProcessRule("mean"),
    "sd": lambda: ProcessRule("sd"),
    "beyond": lambda: ProcessRule("beyond"),
    "straddle": lambda: ProcessRule("straddle"),
    "forest_ucb": ForestRule,
    "find": lambda: MembershipRule("find"),
    "balance": lambda: MembershipRule("balance"),
    "learn": lambda: MembershipRule("learn"),
    "lcmd": lambda: CoverageRule(LargestClusterMaximumDistance()),
    "pareto": ParetoRule,
    "core_set": lambda: CoverageRule(CoreSet()),
    "top_sd": lambda: CoverageRule(Greedy()),
}

NEED_LIMIT = frozenset({"beyond", "straddle", "find", "balance", "learn"})
"""Those that ask on which side of the goal's threshold a candidate lies."""


def strategy(name: str, goal: Goal, targets: int = 1) -> Strategy:
    """`auto` is the one that suits the goal. InputError if unknown, or if the goal lacks a limit."""
    chosen = default(goal, targets) if name == AUTO else name
    if chosen not in STRATEGIES:
        known = [AUTO, "random", *STRATEGIES]
        raise InputError("strategy", f"unknown {name!r}", did_you_mean(name, known))
    if chosen == "pareto" and targets < 2:
        raise InputError("strategy", "'pareto' needs several targets", "use auto")
    if chosen in NEED_LIMIT and goal.threshold is None:
        raise InputError("goal.threshold", f"strategy {chosen!r} needs one", "name the limit")
    return STRATEGIES[chosen]()


def default(goal: Goal, targets: int = 1, priced: bool = False) -> str:
    """The strategy that did best for each goal over recorded experiments. Of several targets, the
    best compromises; every other goal is about the first target. Where experiments have prices,
    expected improvement, the only one that can be had per price.
    """
    if goal.kind == "best" and targets > 1:
        return "pareto"
    if goal.kind in ("threshold", "rare"):
        return "find"
    if goal.kind == "model":
        return "lcmd" if goal.threshold is None else "learn"
    return "log_ei" if priced else "lcb"
