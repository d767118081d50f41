"""When to stop: the rules that a config switches on, asked before each ask; the others as advice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from matscout.drive.stop_rules import NothingBetter, Plateau, Regret, Seen, StopRule
from matscout.errors import InputError, did_you_mean
from matscout.goal import Goal
from matscout.history import History
from matscout.propose.base import Forecast, Forecaster
from matscout.space import Space
from matscout.trial import State

RULES: dict[str, type[Any]] = {rule.name: rule for rule in (Regret, NothingBetter, Plateau)}


@dataclass(frozen=True)
class Advice:
    """What one rule says; `on` tells whether the run obeys it."""

    name: str
    on: bool
    stop: bool
    text: str


def rules_of(table: Mapping[str, Any], *, pool: bool = True) -> tuple[StopRule, ...]:
    """The rules that a `[stop]` table switches on: `name = true`, or a table of its options.

    `pool` tells whether the space is one; InputError for a rule that needs one where it is not.

    >>> rules_of({"plateau": {"experiments": 20}, "regret": True})
    (Regret(tolerance=None), Plateau(experiments=20))
    """
    for name in table:
        if name not in RULES:
            raise InputError("stop", f"unknown key {name!r}", did_you_mean(name, RULES))
    rules = tuple(
        _built(name, rule, table[name])
        for name, rule in RULES.items()
        if table.get(name, False) is not False
    )
    for rule in rules:
        if rule.needs_pool and not pool:
            raise InputError(f"stop.{rule.name}", "needs a pool of candidates", "use plateau")
    return rules


class StopRules:
    """The rules of one run. A pure function of the history; remembers only its last answer."""

    def __init__(
        self,
        space: Space,
        goal: Goal,
        forecaster: Forecaster | None,
        rules: tuple[StopRule, ...] = (),
    ) -> None:
        self.space, self.goal, self.rules = space, goal, rules
        self._forecaster = forecaster
        self._last: tuple[History | None, tuple[int, ...], str] = (None, (), "")

    def verdict(self, history: History) -> str:
        """Why the run should ask for nothing more, or an empty text. What the loop obeys."""
        if not self.rules:
            return ""
        replicates = sum(len(t.replicates) for t in history.trials)
        complete = history.count(State.COMPLETE)
        state = (len(history.trials), history.endings, complete, replicates)
        if self._last[0] is not history or self._last[1] != state:
            seen = self.seen(history)
            verdicts = ((rule.name, rule.verdict(seen)) for rule in self.rules)
            said = next((f"{name}: {v.text}" for name, v in verdicts if v.stop), "")
            self._last = (history, state, said)
        return self._last[2]

    def advice(self, history: History, forecast: Forecast | None = None) -> list[Advice]:
        """What every rule that fits the space says, with its defaults where it is off.

        `forecast` saves a fit.
        """
        if not history.targets:
            return []
        seen = self.seen(history, forecast)
        mine = {rule.name: rule for rule in self.rules}
        out = []
        for name, make in RULES.items():
            if make.needs_pool and self.space.pool is None:
                continue
            verdict = mine.get(name, make()).verdict(seen)
            out.append(Advice(name, name in mine, verdict.stop, verdict.text))
        return out

    def seen(self, history: History, forecast: Forecast | None = None) -> Seen:
        if forecast is None and self._forecaster is not None and self.space.pool is not None:
            forecast = self._forecaster.forecast(self.space, history)
        return Seen(history, self.space, self.goal, forecast)


def _built(name: str, rule: type[Any], options: Any) -> StopRule:
    if options is True:
        options = {}
    if not isinstance(options, Mapping):
        raise InputError(f"stop.{name}", f"must be true or a table, got {options!r:.80}")
    known = [field.name for field in fields(rule)]
    for key in options:
        if key not in known:
            raise InputError(f"stop.{name}", f"unknown key {key!r}", did_you_mean(key, known))
    built: StopRule = rule(**options)
    return built
