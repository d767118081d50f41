"""Configurations that are good for some table of crystal structures or other: asked right after the
untuned one. A kernel each for composition, CHGNet's feature and geometry was the best that a study of
phonons found for its cost; extra trees see the same columns.
"""

from __future__ import annotations

from collections.abc import Mapping

from matscout.trial import Value

_KERNELS: dict[str, Value] = {"model": "block_gaussian_process", "features": "statistics"}

CRYSTALS: Mapping[str, tuple[Mapping[str, Value], ...]] = {
    "regression": (
        {**_KERNELS, "block_gaussian_process.nu": 2.5, "target_transform": "log1p"},
        {"model": "extra_trees", "target_transform": "log1p", "extra_trees.max_features": 0.3},
        {**_KERNELS, "features": "all", "target_transform": "log1p"},
        {**_KERNELS, "target_transform": "yeo_johnson"},
    ),
    "classification": ({**_KERNELS, "block_gaussian_process.nu": 2.5}, _KERNELS),
}
