"""A table, a model by name and a split, as an evaluator: params in, cross-validated score out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matscout.data.sealed_share import parts_of
from matscout.data.split_names import GROUPED
from matscout.errors import ExperimentFailed, InputError, did_you_mean, require_whole
from matscout.evaluate.base import Context, Joining, Part
from matscout.evaluate.objective_names import OBJECTIVES, REPEATED, REPEATS
from matscout.evaluate.trainer_options import TrainerOptions, digest
from matscout.trial import Measurement, Params, Report

if TYPE_CHECKING:
    from matscout.evaluate.tabular_data import TabularData


@dataclass(frozen=True, kw_only=True)
class TabularTrainer(TrainerOptions):
    """Learns the column `predict` of a table from `inputs` (all other columns, if empty).

    Columns of numbers are numeric unless listed in `categorical`; `group` is the column that a
    grouped split keeps together, and is no input unless listed. `formulas` are columns of chemical
    formulas, which are learnt from by their composition; `structures` is one of crystal structures
    (files below the table's folder, or pymatgen's JSON), learnt from by composition, CHGNet's crystal
    feature and geometry, which are kept in the folder `structure_cache`, if given. A censored target
    such as `<1E-10` is refused, or stands for its bound if `censored` is "bound". For classes, `cut`
    makes two of a column of numbers: at or below it, and above.

    `model` is one of `models.estimators.MODELS`, or "any": then it is itself a hyperparameter. Its
    hyperparameters have scikit-learn's names (the word "none" stands for None); mlp's are those of
    MlpSettings and FitSettings; imputer, scaler and target_transform go with all.

    `objective` says what the folds' scores become: see `evaluate.objectives.OBJECTIVES`, and
    docs/small-data.md. `clusters` (kmeans, hdbscan) is how `loco` finds its clusters, `toward` (high,
    low) the end of the target that `sorted` moves to; `time` is the column that the objective `time`
    goes by, and both judge `step` blocks ahead. `repeats` is 10 for `cv` and `robert` unless
    said, else 1. The metrics `also` are measured beside the objective; with `breakdown` so are
    scores by class, or by decile of the target.

    With `outer_folds` the rows of outer fold `outer_fold` (0, 1, …) are hidden: nothing here sees
    them, unless `outer_judge` makes them the only ones that judge. They are drawn from `outer_seed`,
    or, unless it is given, from a number that follows from `split_seed`.

    The share `sealed` of the rows is a sealed test set, hidden from all of this (data/sealed.py).

    A step is a fold, and an epoch for mlp, whose folds train side by side. With `fidelity` "rows" all
    folds are judged at each of `fidelity_steps`, trained on the share step / last step of their
    training rows: 1, 3 and 9 are a ninth, a third and all. `fold_threads` folds are fitted at a time,
    and reported in their order all the same. Checkpoints come after every fold; for
    mlp every `checkpoint_epochs` epochs, and inside an epoch after `checkpoint_s`.
    """

    table: Path
    predict: str
    model: str = "extra_trees"
    inputs: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    group: str | None = None
    formulas: tuple[str, ...] = ()
    structures: str | None = None
    structure_cache: Path | None = None
    time: str | None = None
    step: int = 1
    censored: str = "refuse"
    cut: float | None = None
    objective: str = "split"
    repeats: int = 0
    clusters: str = "kmeans"
    toward: str = "high"
    also: tuple[str, ...] = ()
    breakdown: bool = False
    outer_folds: int = 0
    outer_fold: int = 0
    outer_judge: bool = False
    outer_seed: int | None = None
    sealed: float = 0.0
    fidelity: str = ""
    fidelity_steps: tuple[int, ...] = (1, 3, 9)
    fold_threads: int = 1

    costly = False

    def __post_init__(self) -> None:
        if self.repeats == 0 and self.repeats is not False:
            repeats = REPEATS if self.objective in REPEATED else 1
            object.__setattr__(self, "repeats", repeats)
        super().__post_init__()
        if self.objective not in OBJECTIVES:
            mend = did_you_mean(str(self.objective), OBJECTIVES)
            raise InputError("trainer.objective", f"no objective is '{self.objective}'", mend)
        object.__setattr__(self, "table", Path(self.table))
        self._check_fidelity()
        for name in ("inputs", "categorical", "also", "formulas"):  # JSON and TOML have lists
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.structures is not None and self.structures not in self.formulas:
            object.__setattr__(self, "formulas", (*self.formulas, self.structures))
        if self.structure_cache is not None:
            object.__setattr__(self, "structure_cache", Path(self.structure_cache))
        if self.outer_folds and not 0 <= self.outer_fold < self.outer_folds >= 2:
            what = f"must be one of outer_folds (2 or more), got {self.outer_fold!r}"
            raise InputError("trainer.outer_fold", f"{what} of {self.outer_folds!r}")
        if self.outer_judge and not self.outer_folds:
            raise InputError("trainer.outer_judge", "there is no outer fold", "say outer_folds")
        if self.split in GROUPED and self.group is None:
            what = f"'{self.split}' needs a group column"
            raise InputError("trainer.split", what, "add group = …")
        require_whole("trainer.step", self.step, 1)
        if self.outer_seed is not None:
            require_whole("trainer.outer_seed", self.outer_seed, 0)
        if self.sealed:
            parts_of(self.sealed)
        if self.cut is not None:
            self._check_cut()

    def _check_cut(self) -> None:
        cut = self.cut
        if self.task != "classification":
            mend = "say task = 'classification'"
            raise InputError("trainer.cut", "cuts numbers into two classes", mend)
        if isinstance(cut, bool) or not isinstance(cut, int | float) or not math.isfinite(cut):
            raise InputError("trainer.cut", f"must be a finite number, got {cut!r}")

    def _check_fidelity(self) -> None:
        able = ("epochs",) if self.model == "mlp" else ("folds", "rows")
        if not self.fidelity:
            object.__setattr__(self, "fidelity", able[0])
        if self.fidelity not in able:
            what = f"a step of {self.model} cannot be one of {self.fidelity!r}"
            raise InputError("trainer.fidelity", what, f"use {' or '.join(able)}")
        require_whole("trainer.fold_threads", self.fold_threads, 1)
        if self.model == "mlp" and self.fold_threads > 1:
            what = "the networks of mlp train side by side already"
            raise InputError("trainer.fold_threads", what, "leave it out")
        steps = tuple(self.fidelity_steps)
        object.__setattr__(self, "fidelity_steps", steps)
        whole = all(isinstance(s, int) and not isinstance(s, bool) for s in steps)
        if len(steps) < 2 or not whole or steps[0] < 1 or list(steps) != sorted(set(steps)):
            what = f"must be two or more growing whole numbers above 0, got {list(steps)}"
            raise InputError("trainer.fidelity_steps", what, "write [1, 3, 9]")

    def check(self, names: Iterable[str]) -> None:
        """Before a run: read the data, and see that every parameter of the space is known here."""
        from matscout.data.decimal_comma import refuse_commas_as_words
        from matscout.evaluate.tabular_data import check_judged
        from matscout.models.hyperparameters import check_names

        if self.model == "transfer" and len(self.formulas) != 1:
            named = f"{len(self.formulas)} are named{' with that of structures' * bool(self.structures)}"
            what = f"transfer learns from one column of formulas, and {named}"
            raise InputError("trainer.formulas", what, "name one column, or use another model")
        self._check_belief(names := tuple(names))
        words = self.data.table.categorical
        own = {name: words[name].tolist() for name in words if name not in self.categorical}
        refuse_commas_as_words(self.table, own)
        check_judged(self)
        known = self.data.hyperparameter_names
        check_names(self.hyperparameters, known, "trainer.hyperparameters")
        check_names(names, known, "space.parameters")

    def _check_belief(self, names: tuple[str, ...]) -> None:
        from matscout.models.tabular import check_belief_target

        if any(view.sees == "belief" for view in self.data.views):
            check_belief_target(self.hyperparameters.get("target_transform", "auto"))
            if "target_transform" in names:
                check_belief_target("varied")

    def reported(self) -> dict[str, str]:
        from matscout.evaluate.tabular_scores import directions

        return directions(self.data, self.target_name)

    def evaluate(self, params: Params, context: Context) -> Iterator[Report | Measurement]:
        """A report after each fold (each epoch of mlp) with the running mean of the metric, then
        the measurement. InputError for the table; ExperimentFailed for params that are refused, be
        it by themselves or by the rows of a fold.
        """
        from matscout.evaluate import tabular_folds, tabular_shares

        given: Mapping[str, Any] = {**self.hyperparameters, **params}
        by = tabular_folds.by_folds
        if self.model == "mlp":
            by = tabular_folds.by_epochs
        elif self.fidelity == "rows":
            by = tabular_shares.by_shares
        data = self.data

        def said() -> Iterator[Report | Measurement]:
            with _failing():
                yield from by(self, data, given, context)

        return said()

    @property
    def indivisible(self) -> str:
        if self.model == "mlp":
            return "the networks of mlp train side by side already"
        if self.fold_threads > 1:
            return "fold_threads fits its folds side by side already"
        return ""

    def parts(self, params: Params) -> int:
        from matscout.evaluate.tabular_parts import steps_of

        return len(self.data.folds) * steps_of(self)

    def reported_before(self, params: Params, number: int) -> int:
        if self.fidelity != "rows":
            return number
        place = number // len(self.data.folds)
        return self.fidelity_steps[place - 1] if place else 0

    def part_fingerprint(self, params: Params, seed: int, number: int) -> str:
        given = {**self.hyperparameters, **params}
        return digest(self.fingerprint(self.data.digest, given, seed), f"part {number}")

    def evaluate_part(self, params: Params, number: int, context: Context) -> Part:
        from matscout.evaluate.tabular_parts import evaluate_part

        given, data = {**self.hyperparameters, **params}, self.data
        with _failing():
            return evaluate_part(self, data, given, number, context)

    def joining(self, params: Params, context: Context) -> Joining:
        from matscout.evaluate.tabular_parts import joining

        return joining(self, self.data, context)

    @property
    def baseline_digest(self) -> str:
        """Changes with the data, the folds, the objective and the metric; not with the model."""
        return digest(self.data.digest, self.metric, self.objective)

    @property
    def baseline_names(self) -> tuple[str, ...]:
        from matscout.evaluate.baselines import names

        return names(self.data)

    def is_baseline(self, digest_of: str) -> bool:
        """Whether baselines with that digest are of these data, be it by an earlier version."""
        if digest_of == self.baseline_digest:
            return True
        from matscout.evaluate.tabular_data import digest_with_bonding

        return digest_of == digest(digest_with_bonding(self), self.metric, self.objective)

    @property
    def remarks(self) -> list[str]:
        from matscout.evaluate.untold_formulas import untold_formulas

        return untold_formulas(self)

    def baselines(self, jobs: int) -> dict[str, Any]:
        """What a dummy, a linear model and a random forest score on the same folds."""
        from matscout.evaluate.baselines import baselines

        return {**baselines(self.data, jobs), "digest": self.baseline_digest}

    def shared(self) -> TabularData:
        return self.data

    def adopt(self, shared: TabularData) -> None:
        self.__dict__["data"] = shared

    @cached_property
    def data(self) -> TabularData:
        """Read once in a process, and then the same for every trial."""
        from matscout.evaluate.tabular_data import load

        return load(self)


@contextmanager
def _failing() -> Iterator[None]:
    """Params that are refused have failed: no retry changes them, or the rows."""
    try:
        yield
    except InputError as error:
        raise ExperimentFailed(str(error)) from None
