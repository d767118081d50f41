"""`bench imbalance` as a page of Markdown, which is what a terminal shows too."""

from __future__ import annotations

from typing import Any

_HEAD = """# Rare classes: which technique helps, and where?

Each technique is put around the same plain model (`forest`: 100 trees; `boosting`: LightGBM; `network`:
a multilayer perceptron), with no other tuning, and learns everything it learns inside the training
fold. All see the same folds: five, formulas whole, shuffled anew for each seed.

A cell is the mean over folds and, in brackets, the 95 % interval of the paired difference to the plain
model of the first word, wide enough for folds that share training rows (Nadeau & Bengio 2003). **Bold**
is better than plain beyond that interval, *italic* worse. Hard labels (macro-F1, MCC) are cut at one
half but where a threshold is named."""

_SHOWN = {"pr_auc": "PR-AUC", "f1_macro": "macro-F1", "mcc": "MCC", "brier": "Brier"}


def markdown(result: dict[str, Any]) -> str:
    """The whole result."""
    parts = [_HEAD, _verdicts(result)]
    for name, table in result["tables"].items():
        share = table["positives"] / table["rows"]
        parts.append(
            f"## {name}: {table['task']}\n\n{table['rows']} rows, {table['positives']} positive "
            f"({share:.1%}), {table['groups']} groups, {table['inputs']} inputs, {table['folds']} folds"
        )
        rows = [["arm", *_SHOWN.values(), "s a fit"]]
        for arm, one in table["arms"].items():
            cells = [_cell(one[metric]) for metric in _SHOWN]
            rows.append([arm, *cells, f"{one['seconds_per_fit']:.2f}"])
        parts += [_grid(rows), f"`{table['command']}`"]
    return "\n\n".join(parts) + "\n"


def _verdicts(result: dict[str, Any]) -> str:
    """On how many tables an arm is better, level and worse than plain, by PR-AUC and by MCC."""
    counts: dict[str, dict[str, list[str]]] = {}
    for table in result["tables"].values():
        for arm, one in table["arms"].items():
            if arm == one["plain"]:
                continue
            for metric in ("pr_auc", "mcc"):
                verdict = one[metric].get("to_plain", {}).get("verdict", "not known")
                counts.setdefault(arm, {}).setdefault(metric, []).append(verdict)
    rows = [["arm", "what it is", "PR-AUC: better / level / worse", "MCC: better / level / worse"]]
    for arm, found in counts.items():
        cells = [
            " / ".join(str(found[metric].count(word)) for word in ("better", "tie", "worse"))
            for metric in ("pr_auc", "mcc")
        ]
        rows.append([arm, result["arms"].get(arm, ""), *cells])
    return f"## On how many tables\n\n{_grid(rows)}"


def _cell(one: dict[str, Any]) -> str:
    if one["mean"] is None:
        return "–"
    text = f"{one['mean']:.3f}"
    found = one.get("to_plain")
    if found is None or found["value"] is None or found["ci95"] == [0.0, 0.0]:
        return text
    low, high = found["ci95"]
    mark = {"better": "**", "worse": "*"}.get(found["verdict"], "")
    return f"{mark}{text}{mark} [{low:+.3f}, {high:+.3f}]"


def _grid(rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])
