"""Strategies by the name that a config, a backtest or a table of results has for them."""

from __future__ import annotations

from collections.abc import Callable

from matscout.acquire.bald import Bald
from matscout.acquire.batch.bait import Bait
from matscout.acquire.batch.core_set import CoreSet
from matscout.acquire.batch.greedy import Greedy
from matscout.acquire.batch.lcmd import LargestClusterMaximumDistance
from matscout.acquire.committee_kl import CommitteeKL
from matscout.acquire.consensus_entropy import ConsensusEntropy
from matscout.acquire.entropy import Entropy
from matscout.acquire.least_confident import LeastConfident
from matscout.acquire.margin import Margin
from matscout.acquire.membership import MembershipScore
from matscout.acquire.rarity import RarityWeightedEntropy
from matscout.acquire.vote_entropy import VoteEntropy
from matscout.errors import InputError, did_you_mean
from matscout.goal import Goal
from matscout.propose.strategies import believer, bound, classes, ensemble, forest
from matscout.propose.strategies.believer import BelieverRule
from matscout.propose.strategies.bound import BoundRule
from matscout.propose.strategies.classes import ClassRule, Committee
from matscout.propose.strategies.coverage import CoverageRule, kernel_features
from matscout.propose.strategies.desirability import DesirabilityRule
from matscout.propose.strategies.ensemble import networks
from matscout.propose.strategies.forest import ForestRule
from matscout.propose.strategies.lookahead import LookaheadRule
from matscout.propose.strategies.membership import MembershipRule
from matscout.propose.strategies.pareto import ParetoRule
from matscout.propose.strategies.process import ProcessRule
from matscout.propose.strategies.thompson import ThompsonRule
from matscout.propose.strategies.top_share import TopShareRule
from matscout.propose.strategies.view import Strategy
from matscout.propose.tunable import Tunable

AUTO = "auto"


def _of_classes(
    rule: str, score: Callable[[], MembershipScore], committee: Committee
) -> Callable[[], Strategy]:
    """A score that asks nothing but the members' probabilities."""
    return lambda: ClassRule(rule, lambda labels: score(), committee)


CLASSES: dict[str, Callable[[], Strategy]] = {
    "entropy": _of_classes("entropy", Entropy, classes.by_mixture),
    "margin": _of_classes("margin", Margin, classes.by_mixture),
    "least_confident": _of_classes("least_confident", LeastConfident, classes.by_mixture),
    "vote_entropy": _of_classes("vote_entropy", VoteEntropy, classes.by_trees),
    "consensus_entropy": _of_classes("consensus_entropy", ConsensusEntropy, classes.by_trees),
    "committee_kl": _of_classes("committee_kl", CommitteeKL, classes.by_mixture),
    "bald": _of_classes("bald", Bald, classes.by_process),
    "rarity_entropy": lambda: ClassRule(
        "rarity_entropy", RarityWeightedEntropy, classes.by_mixture
    ),
    "quota": lambda: ClassRule("quota", lambda labels: Entropy(), classes.by_mixture, quota=0.5),
}
"""Those that ask classifiers on which side of the goal's threshold a candidate lies."""

STRATEGIES: dict[str, Callable[[], Strategy]] = {
    "lcb": lambda: ProcessRule("lcb", 1.0),
    "lcb2": lambda: ProcessRule("lcb", 2.0),
    "log_ei": lambda: ProcessRule("log_ei"),
    "log_noisy_ei": lambda: BelieverRule("log_noisy_ei", believer.noisy_ei),
    "thompson": ThompsonRule,
    "probability_top": TopShareRule,
    "mean": lambda: ProcessRule("mean"),
    "sd": lambda: ProcessRule("sd"),
    "nipv": lambda: BelieverRule("nipv", believer.nipv, believer.at_random),
    "rarity": lambda: BelieverRule("rarity", believer.rare_sd),
    "beyond": lambda: ProcessRule("beyond"),
    "straddle": lambda: ProcessRule("straddle"),
    "lookahead": LookaheadRule,
    "forest_ucb": ForestRule,
    "ensemble_ucb": lambda: BoundRule("ensemble_ucb", networks),
    "warped": lambda: BoundRule("warped", bound.warped),
    "stacked": lambda: BoundRule("stacked", bound.stacked),
    "find": lambda: MembershipRule("find"),
    "balance": lambda: MembershipRule("balance"),
    "learn": lambda: MembershipRule("learn"),
    **CLASSES,
    "lcmd": lambda: CoverageRule(LargestClusterMaximumDistance()),
    "core_set": lambda: CoverageRule(CoreSet()),
    "bait": lambda: CoverageRule(Bait(), kernel_features),
    "top_sd": lambda: CoverageRule(Greedy()),
    "pareto": ParetoRule,
    "desirability": DesirabilityRule,
}

TUNABLE: dict[str, Tunable] = {"forest_ucb": forest.TUNABLE, "ensemble_ucb": ensemble.TUNABLE}
"""Those whose surrogate has hyperparameters that it does not fit itself (propose/retune.py)."""

NEED_LIMIT = frozenset({"beyond", "straddle", "lookahead", "find", "balance", "learn", *CLASSES})
"""Those that ask on which side of the goal's threshold a candidate lies."""


def strategy(name: str, goal: Goal, targets: int = 1) -> Strategy:
    """`auto` is the one that suits the goal. InputError if unknown, or if the goal lacks a limit."""
    chosen = default(goal, targets) if name == AUTO else name
    if chosen not in STRATEGIES:
        known = [AUTO, "random", *STRATEGIES]
        raise InputError("strategy", f"unknown {name!r:.80}", did_you_mean(name, known))
    if chosen == "pareto" and targets < 2:
        raise InputError("strategy", "'pareto' needs several targets", "use auto")
    if chosen == "desirability" and not goal.desirability:
        what = "strategy 'desirability' needs it"
        raise InputError("goal.desirability", what, "say what each target's values are worth")
    if chosen in NEED_LIMIT and goal.threshold is None:
        raise InputError("goal.threshold", f"strategy {chosen!r} needs one", "name the limit")
    return STRATEGIES[chosen]()


def default(goal: Goal, targets: int = 1, priced: bool = False) -> str:
    """The strategy that did best for each goal over recorded experiments. Of several targets, the
    best compromises; every other goal is about the first target. Where experiments have prices,
    expected improvement, the only one that can be had per price.
    """
    if goal.desirability:
        return "desirability"
    if goal.kind == "best" and targets > 1:
        return "pareto"
    if goal.kind in ("threshold", "rare"):
        return "find" if goal.kind == "threshold" else "balance"
    if goal.kind == "model":
        return "lcmd" if goal.threshold is None else "learn"
    return "log_ei" if priced else "lcb"
