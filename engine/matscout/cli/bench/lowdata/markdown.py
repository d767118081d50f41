"""`bench lowdata` as a page of Markdown, which is what a terminal shows too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from matscout.cli.bench.lowdata.cell import FOLDS, REPEATS, RULES, SEARCH

_HEAD = """# Few rows: is tuning worth it?

Of each table some rows are drawn; {search} configurations of extra trees, Gaussian processes,
support vectors and ridge are tried on them by {repeats} x {folds}-fold cross-validation; each rule
takes what it takes; and all the other rows judge (mean absolute error). Every rule has the same
draws and the same fitted models. `none` is the untuned mean of extra trees, a Gaussian process and
support vectors, `extra trees` the first of these alone, `best` the best inner score, `robert` the
best by ROBERT's objective, `average` the mean prediction of the three best, `auto` takes
`average` or `none`, by what choosing was worth in a bootstrap of these predictions.

Ratios are geometric means over draws with Student's 95 % interval; below 1 is better. Draws of one
table share rows, so that the intervals of the larger sizes are too narrow. `gap` is the outer over
the inner score of what was chosen: 1.10 says that the error on new rows is a tenth more than was
claimed. What `auto` claims is corrected for the choice."""


def markdown(result: dict[str, Any]) -> str:
    """The whole result."""
    head = _HEAD.format(search=len(SEARCH), repeats=REPEATS, folds=FOLDS)
    return "\n\n".join([head, *_means(result["mean"]), *_tables(result["tables"])]) + "\n"


def _means(found: dict[str, Any]) -> Iterator[str]:
    for size, one in found.items():
        named = "All sizes and tables" if size == "all" else f"{size} rows, over the tables"
        yield f"## {named}"
        rows = [["rule", "to `none`", "`auto` to it", "gap"]]
        for rule in RULES:
            rows.append([rule, *_ratios(one["rules"][rule])])
        yield _grid(rows)
        yield f"`auto` {_decided(one['tuned'])}."


def _tables(tables: dict[str, Any]) -> Iterator[str]:
    for name, table in tables.items():
        grouped = ", grouped by formula" if table["grouped"] else ""
        yield f"## {name} ({table['rows']} rows, {table['inputs']} inputs{grouped}; {table['unit']})"
        rows = [
            ["rows", "judged by", "rule", "outer", "claimed", "to `none`", "`auto` to it", "gap"]
        ]
        for size, one in table["sizes"].items():
            few = f"{min(one['judged'])}"
            for rule in RULES:
                part = one["rules"][rule]
                means = [f"{part[key]:.4g}" for key in ("mean", "claimed")]
                rows.append([size, few, rule, *means, *_ratios(part)])
        yield _grid(rows)
        yield "\n".join(
            f"- {size} rows: `auto` {_decided(one['tuned'])}. The first draw: {one['why'][0]}."
            for size, one in table["sizes"].items()
        )
        yield f"`{table['command']}`"


def _ratios(part: dict[str, Any]) -> list[str]:
    """Nothing is better or worse about a gap: either side of 1 is a wrong claim."""
    versus = [f"{_said(part[key])} {_verdict(part[key])}" for key in ("to_none", "auto_to_it")]
    return [*(text.rstrip() for text in versus), _said(part["gap"])]


def _decided(tuned: Sequence[bool]) -> str:
    return f"tuned in {sum(tuned)} of {len(tuned)} draws and declined in the others"


def _said(found: dict[str, Any]) -> str:
    if found["value"] is None:
        return "–"
    low, high = found["ci95"]
    return f"{found['value']:.3f} [{low:.3f}, {high:.3f}]"


def _verdict(found: dict[str, Any]) -> str:
    return found["verdict"] if found["verdict"] in ("better", "worse") else ""


def _grid(rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])
