"""Our proposers as a searcher of Ray Tune."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ray.tune.experiment import Trial as TuneTrial
from ray.tune.result import DEFAULT_METRIC, TRAINING_ITERATION
from ray.tune.search import Searcher

from matscout.bounded_read import read_bounded
from matscout.cli import registry
from matscout.drive.config import Part
from matscout.drive.prune import Pruner
from matscout.drive.queue import asked_body
from matscout.drive.run import RunSpec
from matscout.errors import InputError, MatscoutError, require_whole
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.propose.base import Proposer
from matscout.seeds import ask_seed
from matscout.space import Space
from matscout.trial import Proposal, Trial
from matscout.tune_bridge.ending import Whole, ending, finite_values, reported, step_of
from matscout.tune_bridge.experiment import check_goal, targets_of, tune_spec
from matscout.tune_bridge.record import Record
from matscout.tune_bridge.restore import Remembered, remembered
from matscout.tune_bridge.space import TuneSpace, converted, given_space, has_domains

log = logging.getLogger(__name__)

YOURS = "points_to_evaluate"
"""The rule under which the points that a person gave are recorded."""


class MatscoutSearch(Searcher):
    """`tune.TuneConfig(search_alg=MatscoutSearch("gp", seed=0), …)`.

    proposer     auto, gp, tpe, sobol, random, cmaes, nsga2, …, or an object with their `propose`
    options      of a proposer by name: {"startup": 5}
    space        a Space, a config's [space] table or a TOML file. Unset: the Tuner's param_space
    metric, mode as for TuneConfig, which may give them instead; two lists for several objectives
    seed         of every suggestion, together with its number
    points_to_evaluate  configs to begin with
    max_t        training iterations (`time_attr`) of a whole training, if a scheduler may end it there
    sem          the result's key for the standard error of the metric ("METRIC_sem" goes before it)
    run          a run folder: everything is in its journal before Tune hears of it

    A suggestion is a function of the space, what was told, and the seed. How the end of a trial is
    told early stop from completion: tune_bridge/ending.py. InputError says, in one line, what is wrong.
    """

    CKPT_FILE_TMPL = "searcher-state-{}.json"

    _space: TuneSpace | None
    _kept: Record | None
    _made: Proposer | None
    _broken: MatscoutError | None
    _later: Path | None
    _metric: str | list[str] | None
    _mode: str | list[str] | None
    _warned: bool

    def __init__(
        self,
        proposer: str | Proposer = "auto",
        *,
        options: Mapping[str, Any] | None = None,
        space: Space | Mapping[str, Any] | str | Path | None = None,
        metric: str | list[str] | None = None,
        mode: str | list[str] | None = None,
        seed: int = 0,
        points_to_evaluate: Sequence[Mapping[str, Any]] = (),
        max_t: float | None = None,
        time_attr: str = TRAINING_ITERATION,
        sem: str = "sem",
        run: str | Path | None = None,
    ) -> None:
        check_goal(metric, mode)
        require_whole("MatscoutSearch.seed", seed, 0)
        super().__init__(metric=metric, mode=mode)
        self._named = (proposer, dict(options or {}))
        self._seed, self._sem, self._points = seed, sem, list(points_to_evaluate)
        self._run = None if run is None else Path(run).absolute()
        self._space = None if space is None else given_space(space)
        self._whole = Whole(max_t, time_attr)
        self._slots: int | None = None
        self._samples = 0
        self._later = None
        self._forget()
        self._checked_proposer()

    # -- what Tune calls ----------------------------------------------------------------------

    def set_search_properties(
        self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any
    ) -> bool:
        if has_domains(config):
            if self._own_space:
                what = "a param_space beside the searcher's own space"
                raise InputError("param_space", what, "keep one, and constants here")
            self._space = converted(config)
        check_goal(metric or self._metric, mode or self._mode)
        self._metric, self._mode = metric or self._metric, mode or self._mode
        if self._metric is None and self._mode is not None:
            self._metric = DEFAULT_METRIC
        stop = spec.get("stop")
        if isinstance(stop, Mapping):
            self._whole = replace(self._whole, stop=dict(stop))
        samples = int(spec.get("num_samples") or 0)
        self._samples = samples if 0 < samples < sys.maxsize else 0  # without end: unknown
        return True

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        """We count ourselves what runs, since after a restore Tune's limiter may miscount."""
        self._slots = max_concurrent
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        record = self._record
        if record.known(trial_id) is None:
            if self._slots is not None and len(record.history.in_flight) >= self._slots:
                return None
            waiting = record.orphan()
            if waiting is not None:
                record.append(record.dispatch(waiting.id, trial_id))
            elif not self._ask(record, trial_id):
                return Searcher.FINISHED
        known = record.known(trial_id)
        assert known is not None and self._space is not None
        return self._space.config(known[0].params)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        known = self._record.known(trial_id)
        if known is None:
            return
        self._told[trial_id] = step_of(result, known[0])
        if _newer(known[0], result):
            self._record.tell(reported(*known, result, self._record.history.targets))

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        record, targets = self._record, self._record.history.targets
        known = record.known(trial_id)
        verdict, told = self._verdicts.pop(trial_id, ""), self._told.pop(trial_id, None)
        if known is None:
            log.warning("Tune trial %s is none of this searcher's", trial_id)
            return
        trial, attempt = known
        outcome, stopped, guess = ending(
            trial, attempt, result, error, targets, self._sem, self._whole, verdict, told
        )
        if result and finite_values(result, targets) and _newer(trial, result):
            record.tell(reported(trial, attempt, result, targets))
        if guess and not self._warned:
            self._warned = True
            log.warning(
                "Tune trial %s %s. It counts as stopped early. %s", trial_id, stopped, _HINT
            )
        record.tell(outcome, stopped)

    def save(self, checkpoint_path: str) -> None:
        Path(checkpoint_path).write_text(self._record.to_json())

    def restore(self, checkpoint_path: str) -> None:
        """Be where `save` was. What was running then is handed out again."""
        if self._space is None or self._metric is None or self._mode is None:
            self._later = Path(checkpoint_path)  # until Tune says what is to be searched
        else:
            self._take_up(Path(checkpoint_path), [])

    def restore_from_dir(self, checkpoint_dir: str) -> None:
        """As `restore`, knowing which trials Tune itself takes up again."""
        folder = Path(checkpoint_dir)
        newest = max(folder.glob(self.CKPT_FILE_TMPL.format("*")), default=None)
        if newest is None:
            self._broken = InputError(
                str(folder), f"holds no {self.CKPT_FILE_TMPL.format('*')}", "begin a new experiment"
            )
            raise self._broken
        trials = remembered(folder)
        if trials is None:
            log.warning("%s: cannot read Tune's trials; what runs is left to it", folder)
        self._take_up(newest, trials)

    # -- beyond what Tune calls ---------------------------------------------------------------

    @property
    def history(self) -> History:
        """Every trial and what came of it, also those that Tune has forgotten."""
        return self._record.history

    def heard(self, trial_id: str, verdict: str) -> None:
        """A scheduler that we watch has decided to stop a trial."""
        self._verdicts[trial_id] = verdict

    def judged(self, trial_id: str, result: Mapping[str, Any], pruner: Pruner) -> str:
        """Why one of our early stopping rules ends a trial after this result, or an empty text."""
        known = self._record.known(trial_id)
        if known is None:
            return ""
        if _newer(known[0], result):
            self._record.tell(reported(*known, result, self._record.history.targets))
        trial = self._record.history.trials[known[0].id]
        verdict = pruner.verdict(self._record.history, trial)
        if verdict:
            self.heard(trial_id, verdict)
        return verdict

    def watched(self, max_t: float | None, time_attr: str) -> None:
        """From now on a scheduler says when it stops a trial, and after how long it ends one."""
        self._whole = replace(self._whole, watched=True)
        if self._whole.max_t is None and max_t is not None:
            self._whole = replace(self._whole, max_t=max_t, time_attr=time_attr)

    @property
    def whole(self) -> Whole:
        return self._whole

    def close(self) -> None:
        """Let go of the run folder, if there is one. The process's end does it too."""
        if self._kept is not None:
            self._kept.close()

    # -- how -----------------------------------------------------------------------------------

    @property
    def _own_space(self) -> bool:
        return self._space is not None and not self._space.paths

    @property
    def _record(self) -> Record:
        if self._broken is not None:
            raise self._broken  # else Tune would begin anew ("Restarting experiment.")
        if self._later is not None:
            self._take_up(self._later, [])
        if self._kept is None:
            self._kept = Record.begun(self._spec(), self._run)
            self._kept.suspend_all_but([])
        return self._kept

    def _take_up(self, path: Path, trials: list[Remembered] | None) -> None:
        try:
            text = read_bounded(path).decode()
            self._kept = Record.from_json(text, self._spec(), str(path), self._run)
        except (OSError, UnicodeDecodeError) as error:
            self._broken = InputError(str(path), f"cannot be read ({error!s:.80})")
            raise self._broken from None
        except MatscoutError as error:
            self._broken = error
            raise
        self._broken = self._later = None
        if trials is None:
            return
        for trial in trials:
            if self._kept.known(trial.id) is None:
                self._adopt(trial)
        self._kept.suspend_all_but([t.id for t in trials])
        running = set(self._kept.running())
        over = [trial for trial in trials if trial.over and trial.id in running]
        # What a watched scheduler said of these may have been lost: its silence says nothing now.
        whole, self._whole = self._whole, replace(self._whole, watched=False)
        try:
            for trial in over:
                self._ended_unheard(trial)
        finally:
            self._whole = whole

    def _ended_unheard(self, trial: Remembered) -> None:
        """A trial that Tune knows to be over, and we do not yet."""
        assert self._kept is not None
        known = self._kept.known(trial.id)
        if known is not None and known[0].reports:
            self._told[trial.id] = known[0].reports[-1].step
        failed = trial.status == TuneTrial.ERROR
        self.on_trial_complete(trial.id, dict(trial.result or {}) or None, error=failed)

    def _adopt(self, trial: Remembered) -> None:
        """A trial that was suggested after our last snapshot, but before Tune's."""
        assert self._space is not None and self._kept is not None
        try:
            params = self._space.params(trial.config, f"Tune trial {trial.id}")
        except InputError as error:
            log.warning("%s", error)
            return
        body = asked_body(Proposal(params, why={"rule": "of Tune's snapshot"}), "tune", 0.0)
        number = len(self._kept.history.trials)
        self._kept.append(Event(EventKind.ASKED, number, body=body))
        self._kept.append(self._kept.dispatch(number, trial.id))

    def _ask(self, record: Record, trial_id: str) -> bool:
        """Choose the next point and record it; False where there is none left."""
        assert self._space is not None
        before, number = time.monotonic(), len(record.history.trials)
        proposal, by = self._yours(record.history), YOURS
        if proposal is None:
            proposer = self._proposer()
            found = proposer.propose(
                self._space.space, record.history, 1, seed=ask_seed(self._seed, number)
            )
            if not found:
                return False
            proposal, by = found[0], proposer.name
        body = asked_body(proposal, by, round(time.monotonic() - before, 6))
        record.append(Event(EventKind.ASKED, number, body=body), record.dispatch(number, trial_id))
        return True

    def _yours(self, history: History) -> Proposal | None:
        """The first of the points that were given and not asked for yet."""
        assert self._space is not None
        key = self._space.space.key
        taken = {key(t.params) for t in history.trials} if self._points else set()
        for i, point in enumerate(self._points):
            params = self._space.params(point, f"points_to_evaluate[{i}]")
            if key(params) not in taken:
                return Proposal(params, why={"rule": YOURS})
        return None

    def _proposer(self) -> Proposer:
        if self._made is None:
            self._made = self._checked_proposer()
        return self._made

    def _checked_proposer(self) -> Proposer:
        proposer, options = self._named
        if not isinstance(proposer, str):
            if options:
                raise InputError("MatscoutSearch.options", "belong to a proposer by name")
            return proposer
        if proposer == "auto":
            known = {"workers": self._slots, "budget": self._samples}
            options = {**{key: value for key, value in known.items() if value}, **options}
        return registry.proposer(Part(type=proposer, **options))

    def _spec(self) -> RunSpec:
        if self._space is None:
            raise InputError("MatscoutSearch", "there is no space", "give the Tuner a param_space")
        if self._metric is None or self._mode is None:
            what = "metric and mode are missing"
            raise InputError("MatscoutSearch", what, "give them here, or in TuneConfig")
        for i, point in enumerate(self._points):
            self._space.params(point, f"points_to_evaluate[{i}]")
        proposer, options = self._named
        by = proposer if isinstance(proposer, str) else proposer.name
        return tune_spec(
            self._space.space, targets_of(self._metric, self._mode), self._seed, by, options,
            trials=max(self._samples, 1), slots=self._slots or 1,
        )  # fmt: skip

    def _forget(self) -> None:
        self._kept = self._made = self._broken = None
        self._verdicts: dict[str, str] = {}
        self._told: dict[str, int] = {}
        self._warned = False

    def __getstate__(self) -> dict[str, Any]:
        """What it was made with: Tune keeps that in tuner.pkl. What was learned is JSON."""
        kept = ("_kept", "_made", "_broken", "_verdicts", "_told", "_warned")
        return {key: value for key, value in vars(self).items() if key not in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()


_HINT = "Say which it is: max_t=…, scheduler=watch(…), or finished=True in the last result."


def _newer(trial: Trial, result: Mapping[str, Any]) -> bool:
    """A retried trial goes over steps again, which replaces what was said of them; the very last
    one may come twice."""
    return not trial.reports or trial.reports[-1].step != step_of(result, trial)
