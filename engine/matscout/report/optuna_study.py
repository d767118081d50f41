"""A run as an Optuna study in a SQLite file, for optuna-dashboard and Optuna's own plots."""

from __future__ import annotations

import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

from matscout.history import History
from matscout.parameter import Categorical, Float, Int, Ordinal, Parameter
from matscout.space import Space
from matscout.trial import State, Trial


def write_study(path: Path, name: str, space: Space, history: History) -> None:
    """Write all trials. A candidate of a pool becomes a categorical parameter with its id."""
    import optuna

    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    try:
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            study = optuna.create_study(
                study_name=name,
                storage=storage,
                directions=[
                    "maximize" if t.direction == "max" else "minimize" for t in history.targets
                ],
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.set_metric_names([t.name for t in history.targets])
            study.add_trials([_frozen(t, space, history) for t in history.trials])
        finally:
            optuna.logging.set_verbosity(verbosity)
    finally:
        storage.engine.dispose()


def _frozen(trial: Trial, space: Space, history: History) -> Any:
    import optuna

    states = optuna.trial.TrialState
    state = {State.COMPLETE: states.COMPLETE, State.PRUNED: states.PRUNED}.get(
        trial.state, states.FAIL
    )
    if trial.state is State.PENDING:
        state = states.WAITING
    params, distributions = _params(trial, space)
    frozen = optuna.trial.create_trial(
        state=state,
        params=params,
        distributions=distributions,
        values=[trial.values[t.name] for t in history.targets] if trial.values else None,
        intermediate_values=_intermediate(trial.reports, history),
        constraints=_constraints(trial, history) if state is states.COMPLETE else None,
        user_attrs={"matscout_trial": trial.id, "state": trial.state.value, "reason": trial.reason}
        | {f"why.{k}": v for k, v in trial.why.items()}
        | {k: v for k, v in trial.values.items() if k not in {t.name for t in history.targets}},
    )
    if state.is_finished():
        frozen.datetime_start = datetime.fromtimestamp(trial.asked_at)
        frozen.datetime_complete = datetime.fromtimestamp(trial.finished_at)
    return frozen


def _constraints(trial: Trial, history: History) -> dict[str, float] | None:
    """What the trial is beyond each bound, in the value's unit: feasible at 0 or below."""
    out: dict[str, float] = {}
    for limit in history.limits:
        if limit.name in trial.values:
            out |= limit.excess(trial.values[limit.name])
    return out or None


def _intermediate(reports: Any, history: History) -> dict[int, float]:
    if len(history.targets) != 1:
        return {}
    name = history.targets[0].name
    return {report.step: report.values[name] for report in reports if name in report.values}


def _params(trial: Trial, space: Space) -> tuple[dict[str, Any], dict[str, Any]]:
    from optuna.distributions import CategoricalDistribution

    if space.pool is not None:
        ids = CategoricalDistribution(space.pool.ids)
        return {"candidate": trial.candidate}, {"candidate": ids}
    distributions = {name: distribution(space.by_name[name]) for name in trial.params}
    return dict(trial.params), distributions


def distribution(parameter: Parameter) -> Any:
    """The Optuna distribution of a parameter."""
    from optuna import distributions as d

    if isinstance(parameter, Float):
        return d.FloatDistribution(
            parameter.low, parameter.high, log=parameter.log, step=parameter.step
        )
    if isinstance(parameter, Int):
        return d.IntDistribution(
            parameter.low, parameter.high, log=parameter.log, step=parameter.step
        )
    if isinstance(parameter, Categorical):
        return d.CategoricalDistribution(parameter.choices)
    assert isinstance(parameter, Ordinal)
    return d.CategoricalDistribution(parameter.levels)
