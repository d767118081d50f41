"""Data that all workers of a machine look at, instead of each reading its own."""

from __future__ import annotations

from typing import Any, cast

from matscout.evaluate.base import Evaluator, Sharing
from matscout.fleet.base import EvaluatorFactory


def shared_data(evaluator: Evaluator) -> Any | None:
    """What it would have its workers share, read now; None where it has nothing to share."""
    return cast(Sharing, evaluator).shared() if hasattr(evaluator, "shared") else None


def adopting(factory: EvaluatorFactory, data: Any) -> Evaluator:
    """Its evaluator, which need not read what is there already."""
    made = factory()
    cast(Sharing, made).adopt(data)
    return made
