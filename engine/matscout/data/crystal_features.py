"""What the universal potential CHGNet knows of a crystal, as 64 numbers.

CHGNet's hidden features of the atoms (B. Deng et al., Nat. Mach. Intell. 5, 1031 (2023)), after the
last convolution, averaged over the crystal. CHGNet's own `crystal_fea` is their sum: it doubles with
the cell, so that two ways to write one crystal would be two crystals. Hence the division by the number
of atoms here. CHGNet comes with the extra `oracle`; nothing of it is imported before the first use.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matscout.errors import InputError

if TYPE_CHECKING:
    from pymatgen.core import Structure

WIDTH = 64
MODEL = "0.3.0"

_known: dict[str, NDArray[np.float64]] = {}


def crystal_features(
    structures: Sequence[Structure], names: Sequence[str] | None = None
) -> NDArray[np.float64]:
    """(n, 64), dimensionless. Some 10 ms for a crystal of ten atoms; remembered within the process.

    Each crystal is computed alone: the features do not depend on the company. `names` (n,) say in an
    error which structure it is about. Raises InputError where CHGNet is not installed, and for a
    structure with an atom that has no neighbour within CHGNet's cut-off.
    """
    out = np.empty((len(structures), WIDTH))
    for row, structure in enumerate(structures):
        key = key_of(structure)
        if key not in _known:
            _known[key] = _computed(structure, names[row] if names else f"structure {row}")
        out[row] = _known[key]
    return out


def _computed(structure: Structure, name: str) -> NDArray[np.float64]:
    import torch

    model = _model()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # torch, about the way CHGNet makes tensors
            graph = model.graph_converter(structure)
            found = model.predict_graph(graph, task="e", return_crystal_feas=True)
    except ValueError as error:
        if "isolated atom" not in str(error):
            raise
        raise InputError(
            name, "an atom has no neighbour within CHGNet's cut-off", "leave the structure out"
        ) from None
    return np.asarray(found["crystal_fea"], dtype=np.float64).reshape(WIDTH) / len(structure)


@cache
def _model() -> Any:
    try:
        # CHGNet prints as it loads; the output belongs to whoever called.
        with _quiet():
            from chgnet.model.model import CHGNet

            model = CHGNet.load(model_name=MODEL, use_device="cpu", verbose=False)
    except ImportError as error:
        if (error.name or "").split(".")[0] not in ("chgnet", "ase"):
            raise
        raise InputError(
            "structure features", "CHGNet is not installed", "pip install 'matscout[oracle]'"
        ) from None
    model.eval()
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def key_of(structure: Structure) -> str:
    """SHA-256 of lattice, species and fractional coordinates, as their 64-bit patterns."""
    digest = hashlib.sha256(np.ascontiguousarray(structure.lattice.matrix, dtype="<f8").tobytes())
    digest.update(np.array([site.specie.Z for site in structure], dtype="<i8").tobytes())
    digest.update(np.ascontiguousarray(structure.frac_coords, dtype="<f8").tobytes())
    return digest.hexdigest()
