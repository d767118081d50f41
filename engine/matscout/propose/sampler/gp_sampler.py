"""Our Gaussian process as a sampler of Optuna."""

from __future__ import annotations

import secrets
import threading
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.logging import get_logger
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial

from matscout.constraint import Linear
from matscout.errors import InputError, require_whole
from matscout.propose.gp import GpProposer
from matscout.propose.sampler.choice import Choice
from matscout.propose.sampler.coding import Coding
from matscout.propose.sampler.linear import (
    broken,
    check,
    drawn_within,
    require_possible,
)
from matscout.propose.sampler.spent import CostOf, spent
from matscout.propose.sampler.told import (
    SEM,
    Reads,
    all_trials,
    every_distribution,
    fixed,
    foreseen,
    latest_distributions,
    planned,
    told,
)
from matscout.propose.toolbox import generator
from matscout.seeds import ask_seed

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
    linear       `Linear` constraints on the parameters, by their names. Each counts where a trial has
                 all of its parameters; no suggestion breaks one
    search_space distributions by name, where they are known beforehand: then the first trial, too,
                 is chosen as a whole
    cost         seek the most improvement per predicted cost. True: learned from what `report_cost`
                 said, else from how long trials took; or a function of a trial that says it
    budget       with cost, in its unit: what all trials may cost. Cost counts less as it is spent
    replicates   values are noisy: one suggestion in three may be the best point once more, where its
                 lead is within the noise. For one objective without constraints

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
    A parameter that no complete trial had is drawn at random. Where the model fails, TPE suggests,
    and where that fails too a Sobol sequence: with a warning, and in the trial's `matscout:why`.

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
        linear: Sequence[Linear] = (),
        search_space: Mapping[str, BaseDistribution] | None = None,
        cost: bool | CostOf = False,
        budget: float | None = None,
        replicates: bool = False,
    ) -> None:
        if seed is not None:
            require_whole("GpSampler.seed", seed, 0)
        self._seed = secrets.randbits(32) if seed is None else seed
        paid = spent(cost)
        aware = paid is not None
        GpProposer(startup, acquisition, beta, start, aware, budget)  # says what is wrong, now
        self._choice = Choice(startup, start, acquisition, beta, aware, budget, replicates)
        self._declared = dict(search_space or {})
        self._linear = check(linear, None if search_space is None else list(search_space))
        self._reads = Reads(ordinal, self._linear, self._declared, paid)
        if self._declared and self._linear:
            require_possible(self._declared, self._linear, ordinal)

    def reseed_rng(self) -> None:
        """Nothing to do: no two trials share a draw, whichever thread asks."""

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        found = self._declared | latest_distributions(all_trials(study))
        return {name: found[name] for name in sorted(found) if not found[name].single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        with _ONE_AT_A_TIME:
            self._warn_of_slips(study, trial)
            known = told(study, trial, search_space, self._seed, self._reads)
            if known is None:
                return {}
            proposal = self._choice.proposal(known, ask_seed(self._seed, trial.number))
            if "fallback" in proposal.why:
                said = f"{proposal.why['rule']}, not the model's: {proposal.why['fallback']}"
                _logger.warning(f"Trial {trial.number} is {said}")
            params = self._beside_fixed(known.decoded(dict(proposal.params)), trial)
            attributes = {**planned(search_space, params), WHY: known.told_why(proposal)}
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
        if any(param_name in constraint.coefficients for constraint in self._linear):
            found = every_distribution(self._declared, all_trials(study))
            values = foreseen(found, trial)
            return drawn_within(self._linear, param_name, param_distribution, values, found, rng)
        coding = Coding.of(param_name, param_distribution)
        if coding is None:
            plain = RandomSampler(seed=int(rng.integers(2**32)))
            return plain.sample_independent(study, trial, param_name, param_distribution)
        return coding.decode(coding.parameter.from_unit(float(rng.random())))

    def _warn_of_slips(self, study: Study, trial: FrozenTrial) -> None:
        """Which names of constraints nothing has answered to, once the start is over."""
        if self._linear and trial.number == max(self._choice.startup, 1):
            found = every_distribution(self._declared, all_trials(study))
            unknown = [n for c in self._linear for n in c.parameters if n not in found]
            for name in unknown[:1]:
                _logger.warning(f"GpSampler.linear: no trial has had a parameter {name!r} so far")

    def _beside_fixed(self, params: dict[str, Any], trial: FrozenTrial) -> dict[str, Any]:
        """Without the parameters of constraints that values which a person enqueued would break: they
        are then drawn one by one, within what is left."""
        whole = {**params, **fixed(trial)}
        loose = {n for c in broken(self._linear, whole) for n in c.parameters}
        return {name: value for name, value in params.items() if name not in loose}
