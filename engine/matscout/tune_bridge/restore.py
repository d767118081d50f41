"""After Tune was restored: its list of trials and ours are brought into agreement.

Tune writes its trials and the searcher's state one after the other, seldom (every ten seconds or more)
and to a folder that is copied file by file. So after a kill either may know of trials, or of their
ends, that the other does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.utils import flatten_dict

from matscout.bounded_read import read_bounded
from matscout.json_text import parsed_json


@dataclass(frozen=True)
class Remembered:
    """What Tune knows of a trial: `result` is its last one, flat; None while there is none."""

    id: str
    status: str
    config: Mapping[str, Any]
    result: Mapping[str, Any] | None

    @property
    def over(self) -> bool:
        return self.status in (TuneTrial.TERMINATED, TuneTrial.ERROR)


def remembered(folder: Path) -> list[Remembered] | None:
    """Tune's trials in the newest snapshot in `folder`, the oldest first; None if there is none, or it
    is not as Ray 2.60 writes it.
    """
    pattern = TuneController.CKPT_FILE_TMPL.format("*")
    newest = max(folder.glob(pattern), default=None)
    if newest is None:
        return None
    try:
        rows = parsed_json(read_bounded(newest))["trial_data"]
        return [_remembered(parsed_json(state), parsed_json(told)) for state, told in rows]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _remembered(state: Mapping[str, Any], told: Mapping[str, Any]) -> Remembered:
    id, status, config = state["trial_id"], state["status"], state["config"]
    if not (isinstance(id, str) and isinstance(status, str) and isinstance(config, dict)):
        raise TypeError("no trial of Tune's")
    last = told.get("last_result")
    # Tune writes NaN and whatever else is no JSON in its own way; such a value is no result.
    result = flatten_dict(last) if isinstance(last, dict) and last else None
    return Remembered(id, status, config, result)
