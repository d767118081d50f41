"""Hyperband: successive halving in several brackets, for when it is not known how early is too early."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate

from matscout.drive.prune import check_rungs, halved, rungs
from matscout.drive.prune_index import Reported, last_steps, last_value, reported, without_value
from matscout.errors import InputError
from matscout.history import History
from matscout.propose.memo import Memo
from matscout.trial import Trial

_GOLDEN = 0.6180339887498949
"""Multiples of the golden ratio, modulo 1, fill [0, 1) as evenly as any sequence does at every length:
after a few dozen trials each bracket has its share, and neighbours sit in different brackets."""


@dataclass(frozen=True)
class Hyperband:
    """Li et al., JMLR 18 (2018), Algorithm 1, with each bracket run asynchronously (as ASHA: Li et
    al., MLSys 2020).

    Bracket k halves first at step r·ηᵏ (r `min_step`, η `factor`) and for the last time before R
    (`max_step`, the steps of a whole trial); the last bracket never stops anybody. A trial's
    bracket follows from its id; with s halvings a bracket gets the share of Algorithm 1,
    ⌈(s_max + 1)·ηˢ / (s + 1)⌉.
    """

    max_step: int
    min_step: int = 1
    factor: int = 3
    _index: Memo[Reported] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_rungs(self.min_step, self.factor)
        if self.max_step < self.min_step * self.factor:
            what = f"must be at least min_step * factor, got {self.max_step}"
            raise InputError("early_stopping.max_step", what, "or use median")
        object.__setattr__(self, "_index", reported(self._places))

    def verdict(self, history: History, trial: Trial) -> str:
        bracket = self.bracket(trial.id)
        passed = self._rungs(bracket, *last_steps(trial))
        if not passed:
            return ""
        mine = last_value(trial, history.targets[0])
        if mine is None:
            return without_value(trial, history.targets[0])
        values = self._index(history).values((bracket, passed[-1]))
        reason = halved(values, mine, self.factor, trial)
        return f"{reason} in bracket {bracket}" if reason else ""

    def bracket(self, trial: int) -> int:
        """0 for the most impatient, `halvings` for the one that never stops."""
        reached = self._reached
        return bisect_right(reached, (trial * _GOLDEN) % 1.0 * reached[-1], hi=len(reached) - 1)

    @cached_property
    def halvings(self) -> int:
        """s_max: how often the most impatient bracket halves."""
        return len(rungs(self.min_step, self.factor, 0, self.max_step)) - 1

    @cached_property
    def _reached(self) -> list[int]:
        """Cumulated shares of brackets 0, 1, …"""
        most = self.halvings
        shares = [-(-(most + 1) * self.factor**s // (s + 1)) for s in range(most, -1, -1)]
        return list(accumulate(shares))

    def _rungs(self, bracket: int, before: int, step: int) -> list[int]:
        first = self.min_step * self.factor**bracket
        last = self.min_step * self.factor**self.halvings
        return [r for r in rungs(first, self.factor, before, step) if r < last]

    def _places(self, trial: int, before: int, step: int) -> Iterable[tuple[int, int]]:
        bracket = self.bracket(trial)
        return [(bracket, rung) for rung in self._rungs(bracket, before, step)]
