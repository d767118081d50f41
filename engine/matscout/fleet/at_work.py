"""Which dispatched attempts no worker has begun, as it shows in the run's folder: changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from matscout.fleet.part import trial_and_part
from matscout.runfolder import RunFolder

_BEGUN = re.compile(r"trial-(\d+)-(\d+)\.(?:running|draft|json)")


def not_begun(folder: RunFolder, in_flight: Mapping[int, int]) -> list[int]:
    """Trials (of trial → attempt, as dispatched) of which neither a lock nor a result lies in the
    outbox, nor of any part of theirs: all workers are busy, still starting, or not there yet."""
    begun = set(_begun(folder))
    begun |= {(trial_and_part(job)[0], attempt) for job, attempt in _begun(folder.parts)}
    return sorted(trial for trial, attempt in in_flight.items() if (trial, attempt) not in begun)


def _begun(folder: RunFolder) -> Iterator[tuple[int, int]]:
    for path in folder.outbox.glob("trial-*"):
        if found := _BEGUN.fullmatch(path.name):
            yield int(found[1]), int(found[2])
