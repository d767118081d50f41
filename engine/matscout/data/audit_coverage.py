"""What chemistry a table covers: elements, chemical systems, prototypes, and how even it is."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache

from matscout.data.audit_findings import Coverage, Finding, finding
from matscout.data.audit_sheet import Sheet
from matscout.data.diversity import Diversity
from matscout.errors import InputError

SELDOM = 5
"""Rows below which an element is called rare: one a fold, of five folds."""

MOST_STRUCTURES = 2_000
"""Whose symmetry is sought: some 10 ms each."""

_NARROW = 0.05
"""Of the coefficient of an even table. Of fifteen tables of recorded materials fourteen lay between 0.1
and 0.75, and steels at 0.004 (`matscout audit`, seed 0)."""


def coverage(sheet: Sheet, formulas: Sequence[str], structures: str | None) -> Coverage:
    """Of the reduced `formulas` (n,), "" for none; `structures` names the column, if there is one."""
    from matscout.data.formula import amounts, symbol

    elements: Counter[str] = Counter()
    systems: Counter[str] = Counter()
    for formula in formulas:
        if formula:
            names = [symbol(z) for z, _ in amounts(formula)]
            elements.update(names)
            systems["-".join(sorted(names))] += 1
    found = _prototypes(sheet, structures) if structures else Counter()
    return Coverage(*(dict(counts.most_common()) for counts in (elements, systems, found)))


def reduced(sheet: Sheet, column: str) -> list[str]:
    """The reduced formula of every row, by its formula or its structure; "" for none."""
    from matscout.data.formula import is_formula, reduced_formula

    if sheet.inputs[column].kind == "structure":
        texts = [_formula_of(str(path)) for path in sheet.inputs[column].values]
    else:
        texts = [str(value) for value in sheet.inputs[column].values]
    known = {text: reduced_formula(text) if is_formula(text) else "" for text in set(texts)}
    return [known[text] for text in texts]


def coverage_findings(sheet: Sheet, found: Coverage) -> Iterator[Finding]:
    rare = [name for name, count in found.elements.items() if count < SELDOM]
    if rare:
        told = ", ".join(f"{name} ({found.elements[name]})" for name in rare[:12])
        more = f" and {len(rare) - 12} more" if len(rare) > 12 else ""
        verb = "is" if len(rare) == 1 else "are"
        of_all = f"{len(rare)} of {len(found.elements)} elements"
        what = f"{of_all} {verb} in fewer than {SELDOM} rows: {told}{more}"
        yield finding("rare elements", "note", what)
    name, most = next(iter(found.systems.items()), ("", 0))
    if most > 0.2 * len(sheet) and len(found.systems) > 1:
        what = f"{most} of {len(sheet)} rows are of one chemical system, {name}"
        yield finding("few systems", "note", what)
    name, most = next(iter(found.prototypes.items()), ("", 0))
    if most > 0.2 * sum(found.prototypes.values()) and len(found.prototypes) > 1:
        what = f"{most} of {sum(found.prototypes.values())} structures are of prototype {name}"
        yield finding("prototypes", "note", what)


def diversity_finding(found: Diversity) -> Iterator[Finding]:
    if found.even > 0 and found.coefficient < _NARROW * found.even:
        what = (
            f"diversity coefficient {found.coefficient:.3g} (batches of {found.batch} rows), only"
            f" {found.coefficient / found.even:.1%} of what rows spread evenly over the same"
            f" {' and '.join(found.blocks)} would have ({found.even:.3g})"
        )
        yield finding("diversity", "note", what)


def _formula_of(path: str) -> str:
    from matscout.data.structure_files import load_structure

    try:
        return str(load_structure(path).composition.formula).replace(" ", "")
    except InputError:
        return ""  # told by its row already


def _prototypes(sheet: Sheet, column: str) -> Counter[str]:
    """Anonymous formula and space group (symprec 0.1 angstrom, as in the Materials Project)."""
    sources = list(dict.fromkeys(map(str, sheet.inputs[column].values)))[:MOST_STRUCTURES]
    return Counter(_prototype(source) for source in sources)


@lru_cache(maxsize=MOST_STRUCTURES)
def _prototype(source: str) -> str:
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    from matscout.data.structure_files import load_structure

    try:
        crystal = load_structure(source)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            group = SpacegroupAnalyzer(crystal, symprec=0.1).get_space_group_number()
        return f"{crystal.composition.anonymized_formula} {group}"
    except Exception:  # spglib gives up on odd cells, each in its own way
        return "unknown"
