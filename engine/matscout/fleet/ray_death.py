"""Why an actor died, in words for a person."""

from __future__ import annotations

import re

from ray.exceptions import NodeDiedError, OutOfMemoryError, RayTaskError

from matscout.errors import one_line
from matscout.fleet.oom_kills import OomKills
from matscout.fleet.ray_slot import Slot
from matscout.fleet.worker_log import fatal_signal, last_line

NODE_DIED = "its node died"


def cause_of(slot: Slot, error: Exception, kills: OomKills) -> str:
    """Ray says little, so the worker's log and the kernel are asked first."""
    text = str(error)
    if isinstance(error, OutOfMemoryError):
        return "out of memory: Ray killed it"
    if isinstance(error, NodeDiedError) or "node has died" in text:
        return NODE_DIED
    if isinstance(error, RayTaskError) or "creation task" in text:
        return one_line(text.strip().splitlines()[-1])[:300]
    if name := fatal_signal(slot.log, slot.log_start):
        return name
    if code := re.search(r"exit code (\d+)", text):
        return f"exit code {code[1]}"
    if slot.is_here and kills.explain_one():
        return "out of memory: the kernel killed it"
    last = last_line(slot.log, slot.log_start)
    return f"SIGKILL, or an exit; its log ends with: {last}" if last else "SIGKILL, or an exit"
