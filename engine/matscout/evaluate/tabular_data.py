"""What a tabular trainer learns from: its table, read once, and the folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from matscout.data.censored_cut import above_cut
from matscout.data.equal_inputs import equal_inputs
from matscout.data.formula import is_formula, reduced_formula
from matscout.data.row_shares import shares_of_folds
from matscout.data.sealed import drawn
from matscout.data.split_names import EQUAL_INPUTS, GROUPED
from matscout.data.splits import Fold, binned
from matscout.data.tables import Table, read_table
from matscout.data.text_table import read_text_table
from matscout.errors import InputError
from matscout.evaluate.objectives import Plan, plan
from matscout.evaluate.outer import only, outer_fold, own_seed, sealed_seed
from matscout.evaluate.tabular_scores import views
from matscout.evaluate.trainer_options import check_first, check_folds, digest
from matscout.models import hyperparameters as hyper
from matscout.models import tabular
from matscout.models.columns import wants_bonding
from matscout.models.metrics import BELIEVING, Metric, Task, dummy_score, metric

if TYPE_CHECKING:
    from matscout.evaluate.base import Context
    from matscout.evaluate.trainer_tabular import TabularTrainer


@dataclass(frozen=True)
class TabularData:
    """A table, its inputs side by side, the folds, and what a dummy scores on each of them.

    `rows` are the numbers that the rows have in the file. `also` are metrics measured beside
    `metric`; `views` says what has to be predicted for all. `shares` has the training rows at
    [step][fold] where steps are shares of the rows. `amounts` (n,) are the numbers that classes were
    cut from, and `groups` (n,) what inner folds keep whole; None where there are none. `columns` lack
    inputs that few models are shown, until `shown` is asked for them.
    """

    table: Table
    columns: tabular.Columns
    plan: Plan
    metric: Metric
    dummies: list[float]
    digest: str
    hyperparameter_names: tuple[str, ...]
    also: tuple[Metric, ...]
    views: tuple[Metric, ...]
    breakdown: bool
    rows: np.ndarray
    shares: list[list[np.ndarray]]
    amounts: np.ndarray | None = None
    groups: np.ndarray | None = None
    formulas: tuple[str, ...] = ()

    def shown(self, *params: Mapping[str, Any]) -> TabularData:
        """These data with all inputs that models of any of these params are shown."""
        if self.columns.bonding or not any(map(wants_bonding, params)):
            return self
        return self._with_bonding

    @cached_property
    def _with_bonding(self) -> TabularData:
        """Made where it is asked for first, and kept."""
        return replace(self, columns=_columns(self.table, self.formulas, bonding=True))

    @property
    def folds(self) -> list[Fold]:
        return self.plan.folds


def load(trainer: TabularTrainer) -> TabularData:
    """Read the table and draw the folds. InputError for whatever a person can mend."""
    task = cast(Task, trainer.task)
    tabular.check_model(trainer.model)
    table, amounts = _read(trainer)
    table, rows, outer = _visible(trainer, table)
    amounts = None if amounts is None else amounts[rows]
    believes = trainer.model in BELIEVING
    chosen, *also = (
        metric(name, task, len(table.classes), believes=believes)
        for name in (trainer.metric, *trainer.also)
    )
    for one in (chosen, *also):
        if one.probability and trainer.model in tabular.NO_PROBABILITY:
            what = f"'{one.name}' needs probabilities, and {trainer.model} has none"
            raise InputError("trainer.metric", what, "use pr_auc or roc_auc, or another model")
    columns = _columns(table, trainer.formulas, bonding=False)
    y = table.target
    made = (
        _plan(trainer, chosen, columns, table) if outer is None else Plan("split", chosen, [outer])
    )
    check_folds(made.folds, y, chosen, _mend(trainer), pooled=bool(made.ends))
    shares = _checked_shares(trainer, made, table)
    return TabularData(
        table,
        columns,
        made,
        chosen,
        [dummy_score(chosen, y[train], y[judge]) for train, judge in made.folds],
        _digest(trainer, columns, y, made, shares, amounts),
        tabular.hyperparameter_names(trainer.model, task),
        tuple(also),
        views(chosen, also, trainer.breakdown),
        trainer.breakdown,
        rows,
        shares,
        amounts,
        table.groups if trainer.split in GROUPED else None,
        trainer.formulas,
    )


def check_judged(trainer: TabularTrainer) -> None:
    """Before a run: InputError for a metric beside the first that a fold cannot be judged by, and for
    one of more rows than a fold judges. A run that began with it goes on, and has NaN for the former.
    """
    data = trainer.data
    folds = data.folds[data.plan.ends :]
    check_first(folds, data.metric)
    for one in data.also:
        try:
            check_folds(folds, data.table.target, one, _mend(trainer))
            check_first(folds, one)
        except InputError as error:
            raise error.within("trainer.also") from None


def _mend(trainer: TabularTrainer) -> str:
    """What to do about a fold of one class."""
    if trainer.objective not in ("split", "cv"):
        return "use accuracy, or fewer folds"
    kind = "stratified_grouped" if trainer.split in GROUPED else "stratified"
    return "use fewer folds" if kind == trainer.split else f"use split = '{kind}', or fewer folds"


def _columns(table: Table, formulas: tuple[str, ...], *, bonding: bool) -> tabular.Columns:
    return tabular.columns(
        table.numeric, table.categorical, formulas, table.blocks, bonding=bonding
    )


def _digest(
    trainer: TabularTrainer,
    columns: tabular.Columns,
    y: np.ndarray,
    made: Plan,
    shares: list[list[np.ndarray]],
    amounts: np.ndarray | None,
) -> str:
    name = () if trainer.objective == "split" else (trainer.objective, str(made.ends))
    return digest(
        trainer.model,
        *name,
        columns.x,
        y,
        *(part for fold in made.folds for part in fold),
        *(part for few in shares for part in few),
        *([] if amounts is None else [amounts]),
    )


def digest_with_bonding(trainer: TabularTrainer) -> str:
    """What the digest of the trainer's data was while every model's inputs had that block."""
    data = trainer.data
    columns = _columns(data.table, data.formulas, bonding=True)
    return _digest(trainer, columns, data.table.target, data.plan, data.shares, data.amounts)


def print_of(
    trainer: TabularTrainer, data: TabularData, params: Mapping[str, Any], context: Context
) -> str:
    """The fingerprint of a trial's state: that of an earlier version where one with it is kept."""
    own = trainer.fingerprint(data.digest, params, context.seed)
    if context.checkpoints is None or not trainer.formulas:
        return own
    kept = context.checkpoints.load()
    if kept is None or kept.state.get("fingerprint") == own:
        return own
    before = trainer.fingerprint(digest_with_bonding(trainer), params, context.seed)
    return before if kept.state.get("fingerprint") == before else own


def whole(trainer: TabularTrainer) -> Table:
    """The table with all its rows: what a seal is drawn from, and nothing learns from."""
    return _read(trainer)[0]


def _read(trainer: TabularTrainer) -> tuple[Table, np.ndarray | None]:
    """The whole table, and the numbers that its classes were cut from."""
    inputs: Sequence[str] | None = trainer.inputs or None
    if inputs is None and trainer.group in trainer.formulas:
        # A group is no input unless it is listed, and a formula is one.
        header = read_text_table(trainer.table).header
        inputs = [name for name in header if name not in (trainer.predict, trainer.time)]
    cut = trainer.cut
    table = _by_composition(
        trainer,
        read_table(
            trainer.table,
            trainer.predict,
            inputs=inputs,
            categorical=trainer.categorical,
            group=None if trainer.group == EQUAL_INPUTS else trainer.group,
            classes=trainer.task == "classification" and cut is None,
            time=trainer.time,
            censored=trainer.censored,
            structures=trainer.structures,
            structure_cache=trainer.structure_cache,
        ),
    )
    if cut is None:
        return table, None
    above = table.target > cut
    if trainer.censored == "bound":
        above = above_cut(read_text_table(trainer.table), trainer.predict, cut)
    if above.all() or not above.any():
        what = f"no row of '{trainer.predict}' is {'at or below' if above.all() else 'above'} it"
        raise InputError("trainer.cut", f"{cut:g}: {what}", "choose another number")
    names = (f"<= {cut:g}", f"> {cut:g}")
    return replace(table, target=above.astype(float), classes=names), table.target


def _by_composition(trainer: TabularTrainer, table: Table) -> Table:
    """Groups by a column of formulas are those of one composition, under its first formula: `Fe2O3`
    and `Fe4O6` are the same to every model here, so that one of them would give the other away.
    Groups by equal inputs have no column."""
    if trainer.group == EQUAL_INPUTS:
        return replace(table, groups=equal_inputs(table, trainer.formulas))
    if trainer.group not in trainer.formulas or table.groups is None:
        return table
    texts = [str(text) for text in table.groups]
    first: dict[str, str] = {}
    one = [first.setdefault(reduced_formula(t) if is_formula(t) else t, t) for t in texts]
    return replace(table, groups=np.array(one, dtype=object))


def _visible(trainer: TabularTrainer, table: Table) -> tuple[Table, np.ndarray, Fold | None]:
    """What this trainer may see, the rows' numbers, and the outer fold if it is that which judges."""
    every = np.arange(len(table))
    if trainer.sealed:
        every = sealed_fold(trainer, table)[0]
        table = only(table, every)
    if not trainer.outer_folds:
        return table, every, None
    outer = outer_fold(
        table, trainer.outer_folds, trainer.outer_fold, kind=trainer.split,
        classes=trainer.task == "classification",
        seed=own_seed(trainer.split_seed) if trainer.outer_seed is None else trainer.outer_seed,
    )  # fmt: skip
    if trainer.outer_judge:
        return table, every, outer
    return only(table, outer[0]), every[outer[0]], None


def sealed_fold(trainer: TabularTrainer, table: Table) -> Fold:
    """(visible rows, sealed rows) of the whole table."""
    seed = sealed_seed(trainer.split_seed)
    return drawn(table, trainer.sealed, kind=sealed_kind(trainer), seed=seed)


def sealed_kind(trainer: TabularTrainer) -> str:
    """How sealed rows are drawn: groups whole where folds keep them so, classes in their shares."""
    if trainer.split in GROUPED:
        return trainer.split
    return "stratified" if trainer.task == "classification" else "kfold"


def _checked_shares(trainer: TabularTrainer, made: Plan, table: Table) -> list[list[np.ndarray]]:
    """The training rows at [step][fold], none where steps are no shares."""
    if trainer.fidelity != "rows":
        return []
    labels, groups = kept_in_shares(trainer, table)
    last = trainer.fidelity_steps[-1]
    shares = shares_of_folds(
        made.folds, [step / last for step in trainer.fidelity_steps], labels=labels,
        groups=groups, seed=trainer.split_seed,
    )  # fmt: skip
    for few in shares:
        parts = [(train, judge) for train, (_, judge) in zip(few, made.folds, strict=True)]
        try:
            check_folds(parts, table.target, made.metric, pooled=bool(made.ends))
        except InputError as error:
            mend = "let it begin with a larger share"
            raise InputError(
                "trainer.fidelity_steps", f"too few rows: {error.what}", mend
            ) from None
    return shares


def kept_in_shares(
    trainer: TabularTrainer, table: Table
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """`labels` and `groups`, (n,), for shares of training rows: groups whole where the split keeps them
    whole, else classes (and, where the split is stratified, tenths of the target) in their shares.
    """
    if trainer.split in GROUPED:
        return None, table.groups
    if trainer.task == "classification":
        return table.target, None
    if trainer.split in ("stratified", "repeated_stratified"):
        return binned(table.target, trainer.folds), None
    return None, None


def _plan(trainer: TabularTrainer, chosen: Metric, columns: tabular.Columns, table: Table) -> Plan:
    # Clusters alone look at inputs ahead of the folds: all rows', but at no target. No model sees
    # what is fitted here.
    x = columns.x
    if trainer.objective == "loco":
        x = tabular.preparation(columns, hyper.PrepareSettings()).fit_transform(x)
    return plan(
        trainer.objective, chosen, table.target, x, kind=trainer.split, folds=trainer.folds,
        repeats=trainer.repeats, fraction=trainer.fraction, groups=table.groups,
        classes=trainer.task == "classification", clusters=trainer.clusters,
        toward=trainer.toward, times=table.times, step=trainer.step, seed=trainer.split_seed,
    )  # fmt: skip
