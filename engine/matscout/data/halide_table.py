"""The project's own table of decomposition enthalpies, and what drawing at random would find in it.

Computed by `matscout bench halide-reference` (drive/halide_reference.py) with the same oracle that
the demo runs live, and committed. It judges a finished campaign; no proposer ever sees it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class ReferenceRow:
    """One compound; the numbers are None where the experiment failed, and `failed` says why."""

    formula: str
    dH_dec_meV_atom: float | None
    E0_eV_atom: float | None
    a0_A: float | None
    B0_GPa: float | None
    phase_AX: str
    phase_BX2: str
    failed: str = ""


@cache
def reference_table() -> Mapping[str, ReferenceRow]:
    """By formula, every candidate of `halides.halides()`, the toxic ones too."""
    text = files("matscout.data").joinpath("halides_reference.csv").read_text(encoding="utf-8")
    return {row.formula: row for row in map(_row, csv.DictReader(io.StringIO(text)))}


def table_text(rows: Iterable[ReferenceRow]) -> str:
    """The text of the file that `reference_table` reads, ordered by formula."""
    out = io.StringIO()
    writer = csv.DictWriter(out, [f.name for f in fields(ReferenceRow)], lineterminator="\n")
    writer.writeheader()
    for row in sorted(rows, key=lambda r: r.formula):
        writer.writerow({k: _shown(v) for k, v in asdict(row).items()})
    return out.getvalue()


def most_stable(formulas: Collection[str], n: int = 20) -> list[str]:
    """The n of these with the lowest decomposition enthalpy, the most stable first."""
    table = reference_table()
    known = [(value, f) for f in formulas if (value := table[f].dH_dec_meV_atom) is not None]
    return [formula for _, formula in sorted(known)[:n]]


@dataclass(frozen=True, slots=True)
class RandomFinds:
    """How many of the best a random selection finds: mean, and the central 90 % of outcomes."""

    mean: float
    low: int
    high: int


def random_finds(pool_size: int, n_best: int, draws: int) -> RandomFinds:
    """What `draws` candidates drawn without replacement would hold (hypergeometric, exact)."""
    from scipy.stats import hypergeom

    found = hypergeom(pool_size, n_best, draws)
    return RandomFinds(float(found.mean()), int(found.ppf(0.05)), int(found.ppf(0.95)))


def _shown(value: float | str | None) -> str:
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else value


def _row(raw: Mapping[str, str]) -> ReferenceRow:
    def number(name: str) -> float | None:
        return float(raw[name]) if raw[name] else None

    return ReferenceRow(
        formula=raw["formula"],
        dH_dec_meV_atom=number("dH_dec_meV_atom"),
        E0_eV_atom=number("E0_eV_atom"),
        a0_A=number("a0_A"),
        B0_GPa=number("B0_GPa"),
        phase_AX=raw["phase_AX"],
        phase_BX2=raw["phase_BX2"],
        failed=raw["failed"],
    )
