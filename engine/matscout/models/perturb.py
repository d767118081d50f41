"""A half-trained network's state, to be trained on with other hyperparameters (as population based
training does: Jaderberg et al. 2017, arXiv:1711.09846).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from matscout.errors import InputError
from matscout.models.hyperparameters import FitSettings, settings

TAKEN_UP = ("lr", "weight_decay", "momentum", "clip", "batch_size", "dropout")
"""What may change between two epochs. The others shape the network, its inputs or its optimiser's
state, which a trained network cannot change."""


def check_perturbation(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """InputError for the first hyperparameter that changes and cannot."""
    absent = object()
    for name in sorted({*old, *new}):
        if name not in TAKEN_UP and old.get(name, absent) != new.get(name, absent):
            raise InputError(
                f"params.{name}",
                "changed after the network was trained with another value",
                f"perturb only {', '.join(TAKEN_UP)}",
            )


def perturbed(
    state: Mapping[str, Any], old: Mapping[str, Any], new: Mapping[str, Any]
) -> dict[str, Any]:
    """`state` (what `Fitting.capture` gives beside its arrays) under `new` hyperparameters.

    Learning rates keep their place in the schedule: each is multiplied by new lr / old lr. The
    optimiser's moments stay.
    """
    if "members" in state:  # side_by_side.py
        return {**state, "members": [perturbed(one, old, new) for one in state["members"]]}
    if "fit" in state:  # staged.py
        return {**state, "fit": perturbed(state["fit"], old, new)}
    before, after = settings(FitSettings, old), settings(FitSettings, new)
    ratio = after.lr / before.lr
    out: dict[str, Any] = copy.deepcopy(dict(state))
    for group in out["optimizer"]["groups"]:
        for rate in ("lr", "initial_lr"):
            if rate in group:
                group[rate] *= ratio
        group["weight_decay"] = after.weight_decay
        if "momentum" in group:
            group["momentum"] = after.momentum
    for rates in ("base_lrs", "_last_lr"):
        if out["scheduler"] is not None and rates in out["scheduler"]:
            out["scheduler"][rates] = [ratio * rate for rate in out["scheduler"][rates]]
    return out
