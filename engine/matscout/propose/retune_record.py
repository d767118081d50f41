"""What was decided about a surrogate's hyperparameters, as the journal holds it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from matscout.json_text import parsed_json
from matscout.trial import Params, Trial, Value

RETUNED = "retuned"
"""The name in a proposal's `why`: of the first one that was chosen after a decision."""


@dataclass(frozen=True)
class Decision:
    """From the first `at` measurements. `was` and `use` are the hyperparameters before and after.

    tried   (hyperparameters, mean CRPS of held-out rows in sds of the target), in the order in which
            the search asked; empty where nothing was searched
    gain    by how much the best one is better than `was` on rows that did not choose it, as a share
            of the score of `was`; NaN where nothing was searched
    share   of the bootstraps in which it is
    reason  why nothing was searched, if so
    """

    at: int
    was: Params
    use: Params
    tried: tuple[tuple[Params, float], ...] = ()
    gain: float = math.nan
    share: float = math.nan
    reason: str = ""

    @property
    def changed(self) -> bool:
        return dict(self.was) != dict(self.use)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it, which knows no NaN."""
        return {k: None if _missing(v) else v for k, v in asdict(self).items()}

    def to_text(self) -> str:
        """In one line, since `why` holds numbers and text."""
        return json.dumps(self.to_dict(), allow_nan=False)

    @classmethod
    def from_text(cls, text: str) -> Decision:
        """Raises ValueError, KeyError or TypeError where it is no decision."""
        raw: dict[str, Any] = parsed_json(text)
        tried = tuple((dict(params), float(score)) for params, score in raw["tried"])
        numbers = {k: math.nan if raw[k] is None else float(raw[k]) for k in ("gain", "share")}
        return cls(
            int(raw["at"]),
            dict(raw["was"]),
            dict(raw["use"]),
            tried,
            reason=raw["reason"],
            **numbers,
        )

    def sentence(self) -> str:
        """One line for a person."""
        after = f"after {self.at} measurements"
        if self.reason:
            return f"{after} not re-tuned: {self.reason}; {named(self.use)}"
        said = (
            f"the best of {len(self.tried)} tried is better than what was in use in"
            f" {self.share:.0%} of bootstraps (CRPS {0.0 - self.gain:+.1%})"
        )
        if not self.changed:
            return f"{after} kept {named(self.use)}: {said}"
        return f"{after} re-tuned from {named(self.was)} to {named(self.use)}: {said}"


def decisions(trials: Iterable[Trial]) -> Iterator[Decision]:
    """All that the journal tells of, in their order."""
    for trial in trials:
        text = trial.why.get(RETUNED)
        if isinstance(text, str):
            try:
                yield Decision.from_text(text)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue  # a person's own word of that name


def named(params: Mapping[str, Value]) -> str:
    """`min_leaf 1, max_features 0.5`."""
    return ", ".join(
        f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in params.items()
    )


def _missing(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
