"""What the end of a Tune trial means. What is relied on of Ray 2.60, tune/execution/tune_controller.py:

- `_process_trial_result`: a result after which the trial goes on (or is paused) is told by
  `on_trial_result`. One at which it ends is not: it comes with `on_trial_complete`, always with
  `done=True`, whoever ended it: the trainable itself, `RunConfig(stop=…)`, or the scheduler.
- A function that returns sends no new result: the last one, which was told before, is taken as final.
- A scheduler is asked only of results at which neither the trainable nor `stop` ends the trial.
- `stop_trial` of a trial that is paused or waits comes without a result (synchronous HyperBand);
  of one that runs, from outside, with a last result that is not `done`.
- `_process_trial_failure`, after the last retry: `error=True`, without a result.

So a result with `done=True` that was not told before may be an early stop. It counts as complete
only where something says so: the length of a whole training (`max_t`, also ASHA's own), a criterion
of `stop`, `finished=True` in the result, or a scheduler that we watch and that did not stop it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

from ray.tune.result import DONE, TIME_TOTAL_S, TRAINING_ITERATION

from matscout.errors import InvalidValue
from matscout.outcome import Kind, Outcome
from matscout.trial import Target, Trial, checked_values

FINISHED = "finished"
"""Reported as True by a trainable (a class) that ends itself, so that nobody has to guess."""

Result = Mapping[str, Any]


@dataclass(frozen=True)
class Whole:
    """When a training is whole: after `max_t` of `time_attr`, or where `stop` says so.

    `watched`: a scheduler that is watched would have said that it stopped the trial.
    """

    max_t: float | None = None
    time_attr: str = TRAINING_ITERATION
    stop: Mapping[str, float] = field(default_factory=dict)
    watched: bool = False

    def reached(self, result: Result) -> bool:
        at = result.get(self.time_attr)
        if self.max_t is not None and isinstance(at, Real) and float(at) >= self.max_t:
            return True
        return any(key in result and result[key] >= value for key, value in self.stop.items())


def step_of(result: Result, trial: Trial) -> int:
    """Tune's training iteration; one more than the last where it is no whole number."""
    step = result.get(TRAINING_ITERATION)
    if isinstance(step, int) and not isinstance(step, bool) and step >= 1:
        return step
    return trial.reports[-1].step + 1 if trial.reports else 1


def finite_values(result: Result, targets: tuple[Target, ...]) -> dict[str, float]:
    """Those targets that are finite numbers."""
    found: dict[str, float] = {}
    for target in targets:
        try:
            found |= checked_values({target.name: result.get(target.name)}, (target,))
        except InvalidValue:
            continue
    return found


def sems(result: Result, targets: tuple[Target, ...], key: str) -> dict[str, float]:
    """Standard errors: under `key` for a single metric, or under METRIC_key for each."""
    found: dict[str, float] = {}
    for target in targets:
        raw = result.get(f"{target.name}_{key}", result.get(key) if len(targets) == 1 else None)
        known = finite_values({target.name: raw}, (target,))
        if known and known[target.name] > 0:
            found |= known
    return found


def reported(trial: Trial, attempt: int, result: Result, targets: tuple[Target, ...]) -> Outcome:
    """A result on the way. What is not finite is left out of it."""
    values = finite_values(result, targets)
    return Outcome(trial.id, attempt, Kind.REPORTED, step=step_of(result, trial), values=values)


def ending(
    trial: Trial,
    attempt: int,
    result: Result | None,
    error: bool,
    targets: tuple[Target, ...],
    sem: str,
    whole: Whole,
    verdict: str,
    told: int | None,
) -> tuple[Outcome, str, bool]:
    """The outcome of an attempt; why it was stopped early, or an empty text; and whether that is a
    guess. `verdict` is what a watched scheduler said, `told` the step of the last result on the way.

    Without a finite value it is invalid, however it ended: a loss of NaN is no early stop.
    """
    cost_s = _seconds(result)
    if error:
        reason = "the trainable raised, or its actor died (see error.txt in Tune's trial folder)"
        return Outcome(trial.id, attempt, Kind.FAILED, reason=reason), "", False
    stopped, guess = _stopped(trial, result, whole, verdict, told)
    last = result if result else _last_report(trial)
    if last is None:
        return Outcome(trial.id, attempt, Kind.STOPPED), stopped, False
    try:
        values = checked_values(last, targets)
    except InvalidValue as why:
        done = Outcome(trial.id, attempt, Kind.INVALID, reason=str(why), cost_s=cost_s)
        return done, "", False
    if stopped:
        return Outcome(trial.id, attempt, Kind.STOPPED, cost_s=cost_s), stopped, guess
    measured = Outcome(
        trial.id, attempt, Kind.MEASURED, values=values, sem=sems(last, targets, sem),
        cost_s=cost_s, source="ray tune",
    )  # fmt: skip
    return measured, "", False


def _stopped(
    trial: Trial, result: Result | None, whole: Whole, verdict: str, told: int | None
) -> tuple[str, bool]:
    """Why the training is not whole, or an empty text; and whether that is a guess."""
    last = result if result else _last_report(trial)
    if last is not None and whole.reached(last):
        return "", False
    if not result:
        return verdict or "stopped by Tune while it waited", False
    if not result.get(DONE):
        return verdict or "stopped from outside", False
    if verdict:
        return verdict, False
    step = step_of(result, trial)
    if whole.watched or result.get(FINISHED) is True or step == told:
        return "", False
    return f"ended at step {step}, by itself or by a scheduler: Tune does not say", True


def _last_report(trial: Trial) -> dict[str, Any] | None:
    if not trial.reports:
        return None
    last = trial.reports[-1]
    return {**last.values, TRAINING_ITERATION: last.step}


def _seconds(result: Result | None) -> float:
    seconds = (result or {}).get(TIME_TOTAL_S)
    return float(seconds) if isinstance(seconds, int | float) and seconds >= 0 else 0.0
