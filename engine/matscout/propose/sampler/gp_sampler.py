"""Our Gaussian process as a sampler of Optuna."""

from __future__ import annotations

import secrets
import threading
import zlib
from collections.abc import Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.logging import get_logger
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial

from matscout.errors import InputError, one_line, require_whole
from matscout.propose.gp import LEAST_DATA, STARTS, GpProposer
from matscout.propose.sampler.coding import Coding
from matscout.propose.sampler.joint import JointModel
from matscout.propose.sampler.told import SEM, Told, all_trials, latest_distributions, planned, told
from matscout.propose.toolbox import SpaceTools, Toolbox, generator
from matscout.seeds import ask_seed
from matscout.trial import Proposal

WHY = "matscout:why"
"""The system attribute of a trial that says how it was chosen."""

_ONE_AT_A_TIME = threading.Lock()
"""A thread must see what another is about to suggest. Not held by a sampler: those are pickled."""

_logger = get_logger("matscout.sampler")


def report_sem(trial: Trial, sem: float | Sequence[float]) -> None:
    """Tell `GpSampler` how sure the value of `trial` is: its standard error (for a mean over k folds
    sd / √k), one for each objective where there are several. Call it within the objective.

    It is kept as the user attribute "sem". InputError unless positive and finite.
    """
    each = [float(s) for s in sem] if isinstance(sem, Sequence) else [float(sem)]
    if not each or not all(0.0 < s < float("inf") for s in each):
        raise InputError("report_sem", f"a standard error must be a positive number, got {sem!r}")
    trial.set_user_attr(SEM, each if isinstance(sem, Sequence) else each[0])


class GpSampler(BaseSampler):
    """Bayesian optimisation with the Gaussian process of surrogate/gp.py, for any Optuna study.

    seed         of every draw, together with the trial's number; without it one is made up
    startup      trials before the model decides
    start        sobol or random: what these trials are once the parameters are known
    acquisition  lcb, log_ei, sd or alternate (the default), for one objective without constraints.
                 With constraints it is log_ei, for several objectives qLogNEHVI
    beta         how many sd the lcb looks beyond the mean (2 where unset)
    ordinal      take three or more increasing numeric choices in their order

    A suggestion depends on the study, the seed and the trial's number alone, so workers in threads,
    processes or on other machines need no coordination beyond the storage.

    Noise is learned, or known where `report_sem` says it. Running trials are believed to come out
    as expected. Failed trials (a value of NaN is one) and infinite values count as the worst value
    seen, or for several objectives against the chance that a trial works. A pruned trial counts as
    the worse of its last report and the median. Values of a parameter outside its latest range are
    left out.

    Branches: the parameters of all complete trials are modelled together, those that are absent at
    their middle, beside a column for each condition that tells whether it holds. Conditions are
    learned from the trials (sampler/conditions.py); where none explains a presence, the parameter
    is suggested always. The alternative, a model for each branch, learned more slowly: on two
    made-up problems (2 branches of minima near -0.25 and -0.10, 2 shared parameters, 2 or 3 of
    their own; 8 seeds each) the mean best value was 0.035 against 0.156 after 20 trials (better in
    12 runs of 16), -0.127 against -0.085 after 30 (10 of 16), and level, -0.136 against -0.145,
    after 40 (better in 5, worse in 3).
    A parameter that no complete trial had is drawn at random, as is everything when the model
    fails, with a warning.

    Constraints set by `trial.set_constraint` get a model each; P(feasible) multiplies the
    acquisition. Those of pruned trials are not used. When every point of a finite space is taken, the
    best score is proposed again.
    """

    def __init__(
        self,
        *,
        seed: int | None = None,
        startup: int = 10,
        start: str = "sobol",
        acquisition: str | None = None,
        beta: float | None = None,
        ordinal: bool = True,
    ) -> None:
        if seed is not None:
            require_whole("GpSampler.seed", seed, 0)
        self._seed = secrets.randbits(32) if seed is None else seed
        self._startup, self._start, self._ordinal = startup, start, ordinal
        self._acquisition, self._beta = acquisition, beta
        GpProposer(startup, acquisition, beta, start)  # says what is wrong with them, now

    def reseed_rng(self) -> None:
        """Nothing to do: no two trials share a draw, whichever thread asks."""

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return latest_distributions(all_trials(study))

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        with _ONE_AT_A_TIME:
            known = told(study, trial, search_space, self._seed, self._ordinal)
            if known is None:
                return {}
            try:
                proposal = self._proposal(known, ask_seed(self._seed, trial.number))
            except RuntimeError as failure:  # FitFailed is one, as is what linear algebra raises
                _logger.warning(f"Trial {trial.number} is random: {one_line(str(failure))}")
                return {}
            if "fallback" in proposal.why:
                _logger.warning(f"Trial {trial.number} is random: {proposal.why['fallback']}")
            params = known.decoded(dict(proposal.params))
            attributes = {**planned(search_space, params), WHY: dict(proposal.why)}
            for key, value in attributes.items():
                study._storage.set_trial_system_attr(trial._trial_id, key, value)
            return params

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        place = (trial.number, zlib.crc32(param_name.encode(errors="replace")))
        rng = generator(self._seed, *place)
        coding = Coding.of(param_name, param_distribution)
        if coding is None:
            plain = RandomSampler(seed=int(rng.integers(2**32)))
            return plain.sample_independent(study, trial, param_name, param_distribution)
        return coding.decode(coding.parameter.from_unit(float(rng.random())))

    def _proposal(self, known: Told, seed: int) -> Proposal:
        # Two processes that ask at once cannot see each other, and must not both take the next
        # point of one sequence.
        start = "random" if known.unseen else self._start
        if known.constraints or len(known.history.targets) > 1:
            return self._jointly(known, start, seed)
        # A new one: proposers keep what they derived last, which other studies must not see.
        proposer = GpProposer(self._startup, self._acquisition, self._beta, start)
        found = proposer.propose(known.space, known.history, 1, seed=seed)
        return found[0] if found else self._again(known, seed)

    def _jointly(self, known: Told, start: str, seed: int) -> Proposal:
        history, tools = known.history, SpaceTools(known.space)
        measured = [t for t in history.completed if history.targets[0].name in t.values]
        if len(history.trials) < self._startup or len(measured) < LEAST_DATA:
            found = STARTS[start]().propose(known.space, history, 1, seed=seed)
            return found[0] if found else self._again(known, seed)
        taken, rng = Toolbox().taken(known.space, history), generator(seed, 0)
        model = JointModel(tools, history, known.constraints, seed)
        return model.propose(taken, rng) or self._again(known, seed)

    def _again(self, known: Told, seed: int) -> Proposal:
        """Every point was asked for: the best of those that are not under way, once more."""
        history, tools = known.history, SpaceTools(known.space)
        pending, rng = {tools.key(dict(t.params)) for t in history.pending}, generator(seed, 1)
        found = None
        if history.completed:
            found = JointModel(tools, history, known.constraints, seed).propose(pending, rng)
        point = tools.random_new(set(), rng)
        assert point is not None
        return found or Proposal(point, why={"rule": "random"})
