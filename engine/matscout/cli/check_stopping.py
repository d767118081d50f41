"""Whether a stopping rule has something to go by."""

from __future__ import annotations

from matscout.cli import registry
from matscout.drive.config import Config, Part
from matscout.errors import InputError


def check_early_stopping(config: Config, part: Part) -> None:
    """That it is put together rightly, and that the evaluator tells what it looks at."""
    if registry.thaw(part, registry.pruner(part)) is not None and config.run.costly:
        what = "would begin costly experiments again"
        raise InputError("early_stopping.thaw", what, "leave out one of the two")
    evaluator = config.evaluator
    if evaluator is None or evaluator.type in registry.SILENT:
        who = "people report" if evaluator is None else f"evaluator {evaluator.type!r} reports"
        what = f"{part.type!r} needs values on the way, and {who} none"
        raise InputError("early_stopping", what, "leave it out")
    if part.type == "wilcoxon" and (no_folds := _no_folds(evaluator)):
        what = f"'wilcoxon' compares folds: {no_folds}"
        raise InputError("early_stopping", what, "use asha or median")


def _no_folds(evaluator: Part) -> str:
    """Why what it reports on the way is no row of folds; empty: it may be."""
    options = evaluator.options
    if evaluator.type == "crystal_graph" or options.get("model") == "mlp":
        return "steps here are epochs"
    if options.get("fidelity") == "rows":
        return "steps here are shares of the rows"
    if options.get("objective") == "robert":
        return "what 'robert' reports is no mean of folds"
    whole = evaluator.type == "tabular" and options.get("objective", "split") == "split"
    if whole and options.get("split") == "holdout":
        return "a holdout is a single fold"
    return ""
