"""How fast networks were trained, by what their attempts have left in their folders."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from matscout.bounded_read import read_bounded
from matscout.json_text import parsed_json
from matscout.runfolder import RunFolder
from matscout.trial import Trial

FILE = "throughput.json"
_MOST_BYTES = 10_000


@dataclass(frozen=True)
class Throughput:
    """The median over so many `attempts`; `devices`: on which, sorted."""

    structures_per_s: float
    attempts: int
    devices: tuple[str, ...]

    @property
    def sentence(self) -> str:
        many = "one attempt" if self.attempts == 1 else f"median of {self.attempts} attempts"
        where = ", ".join(self.devices)
        return f"training: {self.structures_per_s:,.0f} structures/s on {where}, {many}"


def throughput_of(folder: RunFolder, trials: Iterable[Trial]) -> Throughput | None:
    """Of the attempts that gave their trials a value; None where none has left it, as where no networks
    of crystals are trained. A file that cannot be read counts for nothing."""
    found: list[tuple[float, str]] = []
    for trial in trials:
        if not trial.answered:
            continue
        try:
            path = folder.work(trial.id, trial.answered[0]) / FILE
            about = parsed_json(read_bounded(path, _MOST_BYTES))
            rate, device = float(about["structures_per_s"]), str(about["device"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if rate > 0 and math.isfinite(rate):  # 0: it went on after its last epoch
            found.append((rate, device))
    if not found:
        return None
    return Throughput(
        median(rate for rate, _ in found), len(found), tuple(sorted({d for _, d in found}))
    )
