"""Schedulers that tell the searcher what they decide; and ours, which cannot be forgotten."""

from __future__ import annotations

from typing import Any

from ray.tune.result import TRAINING_ITERATION
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from matscout.cli import registry
from matscout.drive.config import Part
from matscout.drive.prune import Pruner
from matscout.tune_bridge.searcher import MatscoutSearch


def watch(search: MatscoutSearch, scheduler: TrialScheduler) -> TrialScheduler:
    """`scheduler`, which tells `search` when it stops a trial early: Tune itself does not.

        >>> TuneConfig(search_alg=search, scheduler=watch(search, ASHAScheduler()))  # doctest: +SKIP

    Where it ends trials that have gone their whole way (`max_t` of ASHA and HyperBand), they count
    as complete.
    """
    return _Watched(search, scheduler)


def pruned_by(search: MatscoutSearch, pruner: str, **options: Any) -> TrialScheduler:
    """One of our early stopping rules as a scheduler: asha, hyperband, median, percentile, patience,
    wilcoxon, with the options of a config's [early_stopping] (docs/configs.md).

    It is a function of the searcher's history. So it goes on where it was after `Tuner.restore`,
    which Tune's own schedulers do not (ray issue 30838).
    """
    rule = registry.pruner(Part(type=pruner, **options))
    assert rule is not None
    return _PrunedBy(search, rule)


class _PrunedBy(FIFOScheduler):
    def __init__(self, search: MatscoutSearch, pruner: Pruner) -> None:
        super().__init__()
        self._search, self._pruner = search, pruner
        search.watched(None, TRAINING_ITERATION)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        if self._search.whole.reached(result):
            return str(TrialScheduler.CONTINUE)  # nothing is left to be saved
        verdict = self._search.judged(trial.trial_id, result, self._pruner)
        return str(TrialScheduler.STOP if verdict else TrialScheduler.CONTINUE)

    def debug_string(self) -> str:
        return f"Using matscout's early stopping: {self._pruner!r:.100}"


class _Watched(TrialScheduler):
    """Hands everything on to `_base`, as Ray's own ResourceChangingScheduler does."""

    def __init__(self, search: MatscoutSearch, base: TrialScheduler) -> None:
        super().__init__()
        self._search, self._base = search, base
        # No public name says it; a test would notice if these were renamed.
        inner = getattr(base, "_base_scheduler", base)
        whole = getattr(inner, "_max_t", getattr(inner, "_max_t_attr", None))
        if not getattr(inner, "_stop_last_trials", True):
            whole = None  # survivors go on beyond it, so that who ends there was cut
        search.watched(whole, getattr(inner, "_time_attr", TRAINING_ITERATION))

    @property
    def metric(self) -> Any:
        return self._base.metric

    @property
    def supports_buffered_results(self) -> bool:
        return bool(self._base.supports_buffered_results)

    def set_search_properties(self, metric: Any, mode: Any, **spec: Any) -> bool:
        return bool(self._base.set_search_properties(metric, mode, **spec))

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        self._base.on_trial_add(tune_controller, trial)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        self._base.on_trial_error(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        decision = str(self._base.on_trial_result(tune_controller, trial, result))
        if decision == TrialScheduler.STOP:
            name = type(self._base).__name__
            at = result.get(TRAINING_ITERATION)
            self._search.heard(trial.trial_id, f"stopped by {name} at step {at}")
        return decision

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        self._base.on_trial_complete(tune_controller, trial, result)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        self._base.on_trial_remove(tune_controller, trial)

    def choose_trial_to_run(self, tune_controller: Any, **more: Any) -> Any:
        return self._base.choose_trial_to_run(tune_controller, **more)

    def debug_string(self) -> str:
        return str(self._base.debug_string())

    def save(self, checkpoint_path: str) -> None:
        self._base.save(checkpoint_path)

    def restore(self, checkpoint_path: str) -> None:
        self._base.restore(checkpoint_path)
