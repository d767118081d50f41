"""One self-contained HTML page about a table: no scripts, nothing remote, everything escaped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from matscout.data.audit import Audit
from matscout.data.audit_findings import LEVELS, Finding
from matscout.report.markup import Markup, el, join, number, shortened, table
from matscout.report.style import STYLE

GENERATOR = "matscout audit"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_LINES = 40
_ROWS = 60
_BAR_EM = 20


def audit_page(found: Audit, made: str) -> str:
    """The whole page; `made` is the date it bears. The same audit and date give the same bytes."""
    counts = Counter(finding.level for finding in found.findings)
    told = ", ".join(f"{counts[level]} {level}" for level in LEVELS if counts[level]) or "nothing"
    intro = f"{found.rows} rows. Found: {told}."
    sections = [
        ("Findings", join(_finding(finding) for finding in found.findings)),
        ("Target", _target(found)),
        ("Columns", _columns(found)),
        ("Chemistry", _chemistry(found)),
    ]
    body = [
        el("header", el("h1", shortened(found.table, 80)), el("p", intro)),
        el("main", [el("section", el("h2", name), part) for name, part in sections if part]),
        el("footer", f"Made by {GENERATOR} on {made}. No scripts, nothing loaded from elsewhere."),
    ]
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="generator", content=GENERATOR),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", f"Audit of {shortened(found.table, 80)}"),
        el("style", Markup(STYLE)),
    )
    return f"<!DOCTYPE html>\n{el('html', head, el('body', body), lang='en')}\n"


def _finding(finding: Finding) -> Markup:
    lines = ", ".join(map(str, finding.lines[:_LINES]))
    more = f" and {len(finding.lines) - _LINES} more" if len(finding.lines) > _LINES else ""
    where = el("p", f"Lines: {lines}{more}") if finding.lines else Markup("")
    return el(
        "div",
        el("h3", f"{finding.kind} ({finding.level})"),
        el("p", shortened(finding.what, 600)),
        where,
        el("p", el("strong", "It means: "), finding.means),
        el("p", el("strong", "Do: "), shortened(finding.answer, 900)),
    )


def _target(found: Audit) -> Markup:
    if not found.histogram:
        return Markup("")
    most = max(bar.count for bar in found.histogram) or 1
    bars = sorted(found.histogram, key=lambda bar: -bar.count)[:_ROWS]
    shown = [bar for bar in found.histogram if bar in bars]
    rows = [
        (
            shortened(bar.label, 60),
            el("meter", str(bar.count), min="0", max=str(most), value=str(bar.count),
               style=f"width:{_BAR_EM}em"),
            str(bar.count),
        )
        for bar in shown
    ]  # fmt: skip
    words = f"{found.target} ({found.task}); imbalance ratio {number(found.imbalance, 3)}"
    return table(words, ("value", "rows", "count"), rows, numeric=(2,))


def _columns(found: Audit) -> Markup:
    rows = [(shortened(name, 60), kind) for name, kind in found.kinds.items()]
    return table("What each column was taken for", ("column", "kind"), rows) if rows else Markup("")


def _chemistry(found: Audit) -> Markup:
    parts = []
    if found.diversity is not None:
        d = found.diversity
        parts.append(
            el(
                "p",
                f"Diversity coefficient {number(d.coefficient)} ± {number(d.sem, 2)} (batches of"
                f" {d.batch} rows; {' and '.join(d.blocks)}); spread evenly it would be"
                f" {number(d.even)}.",
            )
        )
    if found.coverage is not None:
        c = found.coverage
        for name, counts in (
            ("element", c.elements), ("chemical system", c.systems), ("prototype", c.prototypes),
        ):  # fmt: skip
            if counts:
                parts.append(_counts(name, counts))
    return join(parts)


def _counts(name: str, counts: Mapping[str, int]) -> Markup:
    rows = [(key, str(count)) for key, count in list(counts.items())[:_ROWS]]
    more = f" (the commonest {_ROWS} of {len(counts)})" if len(counts) > _ROWS else ""
    return table(f"Rows by {name}{more}", (name, "rows"), rows, numeric=(1,))
