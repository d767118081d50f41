"""What is believed now and would be asked for next. Computed from the history; nothing is written."""

from __future__ import annotations

from dataclasses import dataclass

from matscout.drive.belief import explained
from matscout.drive.run import RunSpec
from matscout.drive.stopping import Advice, StopRules
from matscout.errors import MatscoutError, one_line
from matscout.goal import Goal
from matscout.history import History
from matscout.propose.base import Forecast, Forecaster, Proposer
from matscout.seeds import ask_seed
from matscout.space import Space
from matscout.trial import Proposal


@dataclass(frozen=True)
class Outlook:
    """`next` is what the run would ask for if it went on now; `note` says why something is missing."""

    goal: Goal
    forecast: Forecast | None = None
    next: tuple[Proposal, ...] = ()
    advice: tuple[Advice, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class _Known:
    """Says the forecast that has been made already."""

    made: Forecast | None

    def forecast(self, space: Space, history: History) -> Forecast | None:
        return self.made


_EXPECTED = (MatscoutError, RuntimeError, ValueError, ArithmeticError)
"""What a model may fail with on odd data. The page is about the past: it appears nevertheless."""


def outlook(
    spec: RunSpec,
    history: History,
    proposer: Proposer,
    forecaster: Forecaster | None,
    rules: StopRules,
    count: int,
) -> Outlook:
    """Ask the models. `count` proposals, from the seed that the run's next ask would have."""
    notes = []
    forecast = None
    if forecaster is not None:
        try:
            forecast = forecaster.forecast(spec.space, history)
        except _EXPECTED as error:
            notes.append(f"no forecast: {error}")
    advice: list[Advice] = []
    try:
        advice = StopRules(spec.space, rules.goal, None, rules.rules).advice(history, forecast)
    except _EXPECTED as error:
        notes.append(f"no advice: {error}")
    proposals: list[Proposal] = []
    if count:
        seed = ask_seed(spec.seed, len(history.trials))
        try:
            proposals = proposer.propose(spec.space, history, count, seed=seed)
            if spec.kind == "campaign":  # a person will make these; a sweep's need no words
                proposals = explained(spec.space, history, proposals, _Known(forecast))
        except _EXPECTED as error:
            notes.append(f"no recommendations: {error}")
    return Outlook(
        rules.goal, forecast, tuple(proposals), tuple(advice), one_line("; ".join(notes))
    )
