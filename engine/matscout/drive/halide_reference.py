"""Computes the two tables of halides that come with matscout: reference phases and enthalpies.

    python -m matscout.drive.halide_reference --out engine/matscout/data --processes 2

takes some ten minutes on two free cores from nothing. Phases that were relaxed by the same recipe are
read back from the cache folder, so a broken run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from matscout.data.halide_phases import Phase, phases_text
from matscout.data.halide_table import ReferenceRow, table_text
from matscout.data.halides import Halide, halides
from matscout.durable_file import replace_durably
from matscout.errors import ExperimentFailed, InputError, did_you_mean
from matscout.evaluate.chgnet_oracle import decomposition
from matscout.evaluate.chgnet_potential import potential
from matscout.evaluate.halide_phases import ReferencePhases

T = TypeVar("T")

_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def main(argv: Sequence[str] | None = None) -> int:
    """Relax every phase that the pool needs, then measure every candidate; write both tables."""
    parser = argparse.ArgumentParser(prog="matscout bench halide-reference", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/halide-reference"))
    parser.add_argument("--cache", type=Path, default=Path("results/runs/.halide-phases"))
    parser.add_argument("--formulas", nargs="*", default=[], help="only these candidates")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args(argv)
    for name in _ONE_THREAD:  # children inherit it before they import torch
        os.environ[name] = "1"
    args.out.mkdir(parents=True, exist_ok=True)

    candidates = _chosen(args.formulas)
    needed = sorted({(c.A, c.X, 1) for c in candidates} | {(c.B, c.X, 2) for c in candidates})
    phases: dict[str, Phase] = {}
    rows: list[ReferenceRow] = []
    with ProcessPoolExecutor(args.processes, get_context("spawn")) as workers:
        found = workers.map(partial(_phase, args.cache), needed)
        for phase in _counted(found, len(needed), "phases"):
            if phase is not None:
                phases[phase.formula] = phase
        measured = workers.map(partial(_row, args.cache), candidates, chunksize=8)
        for row in _counted(measured, len(candidates), "halides"):
            rows.append(row)
        name = workers.submit(_recipe, args.cache).result()
    replace_durably(args.out / "halides_phases.jsonl", phases_text(name, phases).encode())
    replace_durably(args.out / "halides_reference.csv", table_text(rows).encode())
    failed = [row.formula for row in rows if row.failed]
    print(f"{len(phases)} phases, {len(rows)} halides, failed: {', '.join(failed) or 'none'}")
    return 0


def _chosen(formulas: Sequence[str]) -> tuple[Halide, ...]:
    """The candidates with these formulas, or all; InputError for one that is not in the pool."""
    known = {candidate.formula: candidate for candidate in halides()}
    for formula in formulas:
        if formula not in known:
            raise InputError(
                "--formulas", f"{formula!r} is no candidate", did_you_mean(formula, known)
            )
    return tuple(known[formula] for formula in formulas) if formulas else halides()


@cache
def _phases(folder: Path) -> ReferencePhases:
    """In each worker process: from the cache or relaxed, never the shipped ones."""
    return ReferencePhases(potential("cpu"), folder, shipped=False)


def _recipe(folder: Path) -> str:
    return _phases(folder).recipe


def _phase(folder: Path, needed: tuple[str, str, int]) -> Phase | None:
    cation, halide, charge = needed
    try:
        phases = _phases(folder)
        return phases.ax(cation, halide) if charge == 1 else phases.bx2(cation, halide)
    except ExperimentFailed:
        return None


def _row(folder: Path, candidate: Halide) -> ReferenceRow:
    phases = _phases(folder)
    try:
        found = decomposition(potential("cpu"), phases, candidate)
    except ExperimentFailed as error:
        return ReferenceRow(candidate.formula, None, None, None, None, "", "", str(error))
    return ReferenceRow(
        candidate.formula,
        dH_dec_meV_atom=found["dH_dec_meV_atom"],
        E0_eV_atom=found["E0_eV_atom"],
        a0_A=found["a0_A"],
        B0_GPa=found["B0_GPa"],
        phase_AX=phases.ax(candidate.A, candidate.X).prototype,
        phase_BX2=phases.bx2(candidate.B, candidate.X).prototype,
    )


def _counted(results: Iterable[T], total: int, what: str) -> Iterator[T]:
    start = time.monotonic()
    for done, result in enumerate(results, 1):
        if done % 10 == 0 or done == total:
            print(f"{what} {done}/{total}, {time.monotonic() - start:.0f} s", file=sys.stderr)
        yield result


if __name__ == "__main__":
    raise SystemExit(main())
