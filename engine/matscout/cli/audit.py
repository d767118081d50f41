"""`matscout audit TABLE`: what is wrong with my table, and what does it mean for a model?"""

from __future__ import annotations

import json as jsonlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from matscout.data.audit import Audit
from matscout.data.audit import audit as look_through
from matscout.data.audit_findings import LEVELS, Finding
from matscout.data.whole_file import write_whole
from matscout.drive.sheet import check_writable
from matscout.errors import one_line
from matscout.report.audit_page import audit_page

_WIDTH = 40
_LINES = 8
_CLASSES = 20
_ELEMENTS = 12


def audit(
    path: Path,
    target: str | None,
    id: str | None,
    formula: str | None,
    structure: str | None,
    header: str | None,
    seed: int,
    out: Path | None,
    force: bool,
    json: bool,
) -> int:
    """Look the table through, say what was found, and write it as a page where that is asked for."""
    if out is not None:
        check_writable(out, force)
    names = None if header is None else header.split(",")
    found = look_through(
        path, target=target, id=id, formula=formula, structure=structure, header=names, seed=seed
    )
    if out is not None:
        made = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
        write_whole(out, audit_page(found, made).encode("utf-8", "replace"))
    if json:
        print(jsonlib.dumps(_plain(found), allow_nan=False))
    else:
        print("\n".join(lines(found)))
    return 0


def lines(found: Audit) -> Iterator[str]:
    """What people read."""
    kinds = Counter(found.kinds.values())
    told = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
    beside = " beside the target" if found.target else ""
    yield f"{found.table}: {found.rows} rows; columns{beside}: {told or 'none'}"
    for kind in ("formula", "structure", "category", "number"):
        names = [name for name, own in found.kinds.items() if own == kind]
        if names:
            yield f"  {kind}: {one_line(', '.join(names))}"
    yield from _target(found)
    yield from _chemistry(found)
    yield ""
    counts = Counter(finding.level for finding in found.findings)
    if not found.findings:
        yield "nothing found"
        return
    levels = ", ".join(f"{level} {counts[level]}" for level in LEVELS if counts[level])
    yield f"findings: {levels}"
    for finding in found.findings:
        yield from _finding(finding, found.rows)
    if found.target is None:
        yield "say --target COLUMN to learn what is wrong with what is to be predicted"


def _target(found: Audit) -> Iterator[str]:
    if found.target is None or not found.histogram:
        return
    scale = ", in decades" if found.decades else ""
    yield ""
    yield f"target {found.target!r} ({found.task}{scale}; imbalance ratio {found.imbalance:.3g})"
    bars = found.histogram
    if len(bars) > _CLASSES:
        bars = tuple(sorted(bars, key=lambda bar: -bar.count)[:_CLASSES])
    most = max(bar.count for bar in bars) or 1
    wide = max(len(one_line(bar.label)[:30]) for bar in bars)
    for bar in bars:
        # A bar that holds a row shows: the rare ones are what one looks for.
        length = max(round(_WIDTH * bar.count / most), int(bar.count > 0))
        yield f"  {one_line(bar.label)[:30]:>{wide}}  {'█' * length:<{_WIDTH}} {bar.count}"
    if len(bars) < len(found.histogram):
        yield f"  … and {len(found.histogram) - len(bars)} classes more"


def _chemistry(found: Audit) -> Iterator[str]:
    if found.coverage is not None and found.coverage.elements:
        yield ""
        elements, systems = found.coverage.elements, found.coverage.systems
        yield f"{len(elements)} elements: {_top(elements)}"
        alone = sum(1 for count in systems.values() if count == 1)
        yield f"{len(systems)} chemical systems ({alone} of them in one row): {_top(systems, 5)}"
        if found.coverage.prototypes:
            kinds = found.coverage.prototypes
            yield f"{len(kinds)} prototypes (formula, space group): {_top(kinds, 5)}"
    if found.diversity is not None:
        d = found.diversity
        yield (
            f"diversity coefficient {d.coefficient:.4f} ± {d.sem:.4f} (batches of {d.batch};"
            f" {' and '.join(d.blocks)}); spread evenly it would be {d.even:.4f}"
        )


def _top(counts: Mapping[str, int], most: int = _ELEMENTS) -> str:
    shown = list(counts.items())[:most]
    return ", ".join(f"{name} {count}" for name, count in shown) + (
        ", …" if len(counts) > most else ""
    )


def _finding(finding: Finding, rows: int) -> Iterator[str]:
    yield f"[{finding.level}] {finding.kind}: {one_line(finding.what)}"
    if finding.lines and (5 * len(finding.lines) < rows or len(finding.lines) <= _LINES):
        shown = ", ".join(map(str, finding.lines[:_LINES]))
        more = f" and {len(finding.lines) - _LINES} more" if len(finding.lines) > _LINES else ""
        yield f"    line{'s' * (len(finding.lines) > 1)} {shown}{more}"
    yield f"    means: {finding.means}"
    yield f"    do: {one_line(finding.answer)}"


def _plain(found: Audit) -> dict[str, Any]:
    out: dict[str, Any] = asdict(found)
    out["blocked"] = found.blocked
    for name in ("imbalance", "noise"):
        out[name] = out[name] if math.isfinite(out[name]) else None
    return out
