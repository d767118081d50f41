"""Data to pretrain on that nobody has to download: what CHGNet says of substituted prototypes.

Single points by default, some 100 structures a second on one core of ten-atom cells; bulk moduli and
volumes at rest from an equation of state cost 14 single points each.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Structure

from matscout.data.prototypes import Substituted, substituted
from matscout.errors import ExperimentFailed
from matscout.evaluate.chgnet_potential import MODEL, potential
from matscout.evaluate.eos import find_eos
from matscout.json_text import parsed_json
from matscout.models.neighbors import structure_key

POINT = ("energy_eV_atom", "magmom_muB_atom")
"""Of the crystal as it stands."""

REST = ("rest_energy_eV_atom", "rest_volume_A3_atom", "bulk_modulus_GPa")
"""At the bottom of its equation of state: all lengths scaled alike, nothing else relaxed."""

_COARSE = np.linspace(0.7, 1.6, 7)  # of the volume at which hard ions would touch
_FINE = np.linspace(0.94, 1.06, 7)
_MAX_RMS_EV_ATOM = 0.01
_SAVE_EVERY = 64  # records between two fsyncs: less than a second of work is lost

Values = dict[str, float]


@dataclass(frozen=True)
class PretrainingSet:
    """Crystals and their properties, (n, len(names)), NaN where one has none. No row is all NaN."""

    crystals: tuple[Substituted, ...]
    names: tuple[str, ...]
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.crystals)

    def column(self, name: str) -> np.ndarray:
        """(n,)"""
        return self.values[:, self.names.index(name)]


def pretraining_set(
    n: int,
    seed: int,
    *,
    rest: bool = False,
    cache: Path | None = None,
    device: str = "cpu",
    max_sites: int = 10,
    told: Callable[[int, int], None] | None = None,
) -> PretrainingSet:
    """Up to `n` substituted prototypes with POINT (and with `rest`, REST); fewer, where CHGNet finds
    an atom without neighbours. Stopped and called again with the same `cache` (a file), it goes on
    where it was. `told` hears (done, of how many).
    """
    crystals = substituted(n, seed, max_sites=max_sites)
    names = (*POINT, *REST) if rest else POINT
    kept = PropertyCache(cache)
    rows = []
    for done, crystal in enumerate(crystals, start=1):
        values = kept.values(crystal.structure, "point", lambda s: point_values(s, device))
        if rest:
            values |= kept.values(crystal.structure, "rest", lambda s: rest_values(s, device))
        rows.append([values.get(name, np.nan) for name in names])
        if told is not None:
            told(done, len(crystals))
    kept.close()
    table = np.array(rows, dtype=np.float64).reshape(-1, len(names))
    known = np.flatnonzero(np.isfinite(table).any(axis=1))
    return PretrainingSet(tuple(crystals[k] for k in known), names, table[known])


def point_values(structure: Structure, device: str = "cpu") -> Values:
    """POINT of one crystal. Raises ExperimentFailed for an atom without neighbours.

    The moment is the mean size over the atoms.
    """
    energy, moments = potential(device).energy_and_moments(structure)
    return {
        "energy_eV_atom": energy / len(structure),
        "magmom_muB_atom": float(np.abs(moments).mean()),
    }


def rest_values(structure: Structure, device: str = "cpu") -> Values:
    """REST of one crystal. Raises ExperimentFailed where it has no minimum within 0.7 to 1.6 times
    the volume that it has."""
    sites = len(structure)

    def energies(volumes_A3: np.ndarray) -> np.ndarray:
        scaled = [structure.copy().scale_lattice(float(v)) for v in volumes_A3]
        return potential(device).energies_eV(scaled)

    found = find_eos(
        energies, structure.volume * _COARSE, _FINE, max_rms_eV=_MAX_RMS_EV_ATOM * sites
    )
    return {
        "rest_energy_eV_atom": found.E0_eV / sites,
        "rest_volume_A3_atom": found.V0_A3 / sites,
        "bulk_modulus_GPa": found.B0_GPa,
    }


class PropertyCache:
    """Values by crystal in one append-only file of JSON lines, each with its own hash: a line that
    is torn or altered counts as not there. One writer at a time. `path` None: nothing is kept.

    What failed (ExperimentFailed) is remembered as such, and is an empty answer.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[str, Values] = {}
        self._waiting: list[str] = []
        if path is not None and path.exists():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                found = _parsed(line)
                if found is not None:
                    self._known[found[0]] = found[1]

    def __len__(self) -> int:
        return len(self._known)

    def values(
        self, structure: Structure, what: str, compute: Callable[[Structure], Values]
    ) -> Values:
        """A copy of what is known, or `compute` it."""
        key = f"{MODEL} {what} {structure_key(structure, 0.0)}"
        if key not in self._known:
            try:
                self._known[key] = compute(structure)
            except ExperimentFailed:
                self._known[key] = {}
            self._waiting.append(_line(key, self._known[key]))
            if len(self._waiting) >= _SAVE_EVERY:
                self.close()
        return dict(self._known[key])

    def close(self) -> None:
        """Everything so far to disk."""
        if self._path is None or not self._waiting:
            self._waiting = []
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with open(self._path, "a+b") as file:
            torn = file.tell() > 0 and _last_byte(file) != b"\n"
            file.write((b"\n" if torn else b"") + "".join(self._waiting).encode())
            file.flush()
            os.fsync(file.fileno())
        self._waiting = []


def _line(key: str, values: Values) -> str:
    body = json.dumps({"key": key, "values": values}, sort_keys=True)
    return json.dumps({"body": body, "sha256": hashlib.sha256(body.encode()).hexdigest()}) + "\n"


def _parsed(line: str) -> tuple[str, Values] | None:
    try:
        raw = parsed_json(line)
        if hashlib.sha256(raw["body"].encode()).hexdigest() != raw["sha256"]:
            return None
        body = parsed_json(raw["body"])
        return str(body["key"]), {str(k): float(v) for k, v in body["values"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _last_byte(file: Any) -> bytes:
    file.seek(-1, os.SEEK_END)
    return bytes(file.read(1))
