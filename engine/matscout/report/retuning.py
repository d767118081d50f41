"""What a campaign made of its surrogate's hyperparameters as it went on."""

from __future__ import annotations

from matscout.history import History
from matscout.propose.retune_record import decisions
from matscout.report.markup import Markup, el, join


def retuning(history: History) -> Markup | None:
    """A line for each decision; None where none was due."""
    lines = [el("li", decision.sentence()) for decision in decisions(history.trials)]
    if not lines:
        return None
    head = el("p", "The model's own hyperparameters, each time they were looked at:")
    return join([head, el("ul", lines)])
