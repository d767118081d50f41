"""Hyperparameters by name, with their bounds. Light: no torch here, so that a driver can check a
space against a trainer before any worker starts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from matscout.errors import InputError, did_you_mean
from matscout.finite import is_number

WHERE = "params"


def number(default: float, low: float, high: float) -> Any:
    """A float field in [low, high]."""
    return dataclasses.field(default=default, metadata={"low": low, "high": high, "kind": float})


def count(default: int, low: int, high: int) -> Any:
    """An integer field in [low, high]."""
    return dataclasses.field(default=default, metadata={"low": low, "high": high, "kind": int})


def choice(default: str, *others: str) -> Any:
    """A text field: one of these words."""
    return dataclasses.field(default=default, metadata={"words": (default, *others)})


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How a network is fitted.

    `momentum` is SGD's; AdamW has its own betas and ignores it. Cosine is annealing without
    restarts (Loshchilov & Hutter 2017, Eq. 5); plateau divides lr by five after ten epochs in which
    the training loss did not fall. `clip` bounds the norm of the gradient; 0 leaves it alone.

    Classes are learned under cross-entropy, or under `loss = "focal"` with its `focal_gamma`
    (`imbalance/focal.py`); the other losses are for numbers. `weights` and `weight_bins` are those of
    `ImbalanceSettings`. `batches`: shuffled takes every row once an epoch; balanced draws each batch
    with equal shares of the classes (or bins of the target); two_phase does so for the first half of
    the epochs, and shuffles in the second.
    """

    optimizer: str = choice("adamw", "sgd")
    lr: float = number(1e-2, 1e-8, 10.0)
    weight_decay: float = number(1e-4, 0.0, 10.0)
    momentum: float = number(0.9, 0.0, 0.999)
    schedule: str = choice("cosine", "constant", "plateau")
    batch_size: int = count(32, 2, 65_536)
    loss: str = choice("mse", "mae", "huber", "focal")
    clip: float = number(0.0, 0.0, 1e6)
    focal_gamma: float = number(2.0, 0.0, 10.0)
    batches: str = choice("shuffled", "balanced", "two_phase")
    weights: str = choice("none", "balanced", "sqrt", "lds")
    weight_bins: int = count(10, 2, 200)


@dataclass(frozen=True, slots=True)
class GraphSettings:
    """Which atoms are neighbours: the nearest `max_neighbors` within `cutoff_angstrom`.

    CGCNN's own code takes twelve within 8 angstrom. Within 6 lie 40 % of those pairs, and still
    twelve or more for 99.8 % of the atoms in 253 crystals of Matbench's phonon set.
    """

    cutoff_angstrom: float = number(6.0, 1.0, 12.0)
    max_neighbors: int = count(12, 1, 200)


@dataclass(frozen=True, slots=True)
class CgcnnSettings:
    """The size of a crystal-graph network (Xie & Grossman, PRL 120, 145301 (2018))."""

    atom_features: int = count(64, 2, 1024)
    convolutions: int = count(3, 0, 12)
    head_features: int = count(64, 2, 2048)
    head_layers: int = count(1, 1, 8)
    gaussians: int = count(32, 2, 256)
    dropout: float = number(0.0, 0.0, 0.95)
    norm: str = choice("batch", "none")


BODY = (
    "cutoff_angstrom", "max_neighbors", "atom_features", "convolutions", "gaussians", "norm",
)  # fmt: skip
"""Hyperparameters that a crystal-graph network keeps when it is taken over for another property."""


@dataclass(frozen=True, slots=True)
class GraphTransferSettings:
    """How a crystal-graph network starts from what was learned of another property.

    `transfer`: two_stage, a new head on the frozen body for `frozen_share` of the epochs, then all of
    it at `slower` times `lr`; pairwise, the first stage alone; scratch takes nothing over. The body has
    learned `source_epochs` at `source_lr`, unless it comes from an earlier run.
    """

    transfer: str = choice("two_stage", "pairwise", "scratch")
    frozen_share: float = number(0.5, 0.01, 0.99)
    slower: float = number(0.1, 1e-6, 1.0)
    source_epochs: int = count(30, 1, 100_000)
    source_lr: float = number(1e-2, 1e-8, 10.0)

    def frozen(self, epochs: int) -> int:
        """Of `epochs`, those of the first stage; InputError where there is none left for the second."""
        if self.transfer != "two_stage":
            return epochs
        if epochs < 2:
            raise InputError(
                f"{WHERE}.transfer", "two stages take two epochs at least", "raise epochs"
            )
        return min(max(round(self.frozen_share * epochs), 1), epochs - 1)


@dataclass(frozen=True, slots=True)
class GraphUncertaintySettings:
    """How a crystal-graph network knows how sure it is: `uncertainty` is a deep_ensemble of `members`
    networks; one network with dropout, asked `passes` times (at the rate `dropout` of CgcnnSettings);
    or evidential, with `evidence_weight`.
    """

    uncertainty: str = choice("deep_ensemble", "dropout", "evidential")
    members: int = count(5, 2, 100)
    passes: int = count(50, 2, 10_000)
    evidence_weight: float = number(0.01, 0.0, 10.0)

    def check(self, fit: FitSettings, dropout: float) -> None:
        """InputError where the network's other hyperparameters do not go with this."""
        if fit.weights != "none":
            what = f"{fit.weights!r} weighs rows, and a network that says its own noise does not"
            raise InputError(f"{WHERE}.weights", what, "use none")
        if self.uncertainty == "dropout" and dropout == 0:
            what = "is 0, and so nothing is left out: MC dropout needs a rate above 0"
            raise InputError(f"{WHERE}.dropout", what, "0.1 is common")


@dataclass(frozen=True, slots=True)
class GraphTaskSettings:
    """How a crystal-graph network learns several numbers at once: the loss of each but the first counts
    `task_weight` times; `surgery = "pcgrad"` takes conflicts out of the gradients (`pcgrad.py`).
    """

    task_weight: float = number(1.0, 0.0, 1000.0)
    surgery: str = choice("none", "pcgrad")

    def check(self, fit: FitSettings) -> None:
        """InputError for batches that balance the target's bins."""
        if fit.batches != "shuffled":
            what = f"{fit.batches!r} goes by the target, and there are several"
            raise InputError(f"{WHERE}.batches", what, "use shuffled")


@dataclass(frozen=True, slots=True)
class MlpSettings:
    """The size of a multilayer perceptron."""

    hidden_features: int = count(64, 1, 4096)
    hidden_layers: int = count(2, 1, 16)
    dropout: float = number(0.0, 0.0, 0.95)
    activation: str = choice("silu", "relu", "tanh")


@dataclass(frozen=True, slots=True)
class PrepareSettings:
    """What is done to a table's columns inside the training fold, ahead of any model.

    `target_transform` is undone before a prediction is scored (`target_transform.py` has them all).
    `auto` standardises for models that care about the scale of their target (SVR, MLP) and does
    nothing for the others. `features` chooses among what was made of a column of formulas: the
    fractions of the elements, statistics of their properties, `all` of these two, or with `bonding`
    also what the elements may do together; other columns always stay.
    """

    imputer: str = choice("median", "mean", "most_frequent")
    scaler: str = choice("standard", "robust", "none")
    target_transform: str = choice(
        "auto", "none", "standard", "log1p", "sqrt", "quantile", "yeo_johnson"
    )
    features: str = choice("all", "fractions", "statistics", "bonding")


@dataclass(frozen=True, slots=True)
class WeightSettings:
    """What a row counts in the training fold: see `imbalance/weights.py`.

    `balanced` is N / (k count_j) for the class, or the bin of the target, that the row is in; `sqrt`
    its root; `lds` (numbers only) smooths the counts of neighbouring bins first.
    """

    weights: str = choice("none", "balanced", "sqrt", "lds")
    weight_bins: int = count(10, 2, 200)


@dataclass(frozen=True, slots=True)
class ResampleSettings:
    """Rows of rare classes added, or of common ones removed, in the training fold alone: see
    `imbalance/resample.py`. `resample_ratio` is what the rare class is to the common one afterwards
    (two classes; what clears a border and balances nothing, tomek_links, ignores it).
    """

    resample: str = choice(
        "none", "smote", "smotenc", "adasyn", "smote_tomek", "random_over", "random_under",
        "near_miss", "tomek_links", "cluster_centroids",
    )  # fmt: skip
    resample_neighbors: int = count(5, 1, 50)
    resample_ratio: float = number(1.0, 0.01, 1.0)


@dataclass(frozen=True, slots=True)
class DecisionSettings:
    """From scores to probabilities and labels, on inner out-of-fold predictions: see
    `imbalance/decide.py`.

    `threshold`: half; tuned for `threshold_metric`; halfway between the two; or cost, where a missed
    positive costs `miss_cost` times a false alarm.
    """

    calibrate: str = choice("none", "sigmoid", "isotonic")
    threshold: str = choice("half", "tuned", "halfway", "cost")
    threshold_metric: str = choice("balanced_accuracy", "f1", "f1_macro", "mcc")
    miss_cost: float = number(1.0, 1e-3, 1e6)
    inner_folds: int = count(5, 2, 20)


Settings = TypeVar("Settings")


def names(*kinds: type) -> tuple[str, ...]:
    """All hyperparameters of these classes."""
    return tuple(f.name for kind in kinds for f in dataclasses.fields(kind))


def check_names(given: Iterable[str], known: Iterable[str], where: str = WHERE) -> None:
    """InputError for the first name that is not known, with the nearest that is."""
    known = set(known)
    for name in given:
        if name not in known:
            raise InputError(f"{where}.{name}", "no such hyperparameter", did_you_mean(name, known))


def settings(kind: type[Settings], params: Mapping[str, Any], where: str = WHERE) -> Settings:
    """`kind` with those of `params` that are its fields. InputError for a value out of bounds."""
    changes = {
        field.name: _checked(field, params[field.name], f"{where}.{field.name}")
        for field in dataclasses.fields(kind)  # type: ignore[arg-type]
        if field.name in params
    }
    return kind(**changes)


def _checked(field: dataclasses.Field[Any], value: Any, where: str) -> Any:
    words = field.metadata.get("words")
    if words is not None:
        if value not in words:
            raise InputError(where, f"{value!r} is not a choice", did_you_mean(str(value), words))
        return value
    kind, low, high = (field.metadata[key] for key in ("kind", "low", "high"))
    if not is_number(value):
        raise InputError(where, f"must be a finite number, got {value!r:.40}")
    if kind is int and value != int(value):
        raise InputError(where, f"must be a whole number, got {value!r}")
    if not low <= value <= high:
        raise InputError(where, f"{low} <= value <= {high} must hold, but got {value!r}")
    return kind(value)
