"""Whether the kernel may have killed a worker for want of memory: it counts, and does not say whom."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from matscout.fleet.worker_log import oom_kills

LATELY_S = 10.0
"""How long after such a kill a death may still be heard of."""

_LOOK_S = 1.0


@dataclass
class OomKills:
    """Each kill explains one death, and none that is heard of much later."""

    _explained: int = field(default_factory=oom_kills)
    _seen: deque[tuple[float, int]] = field(default_factory=deque)
    """(when, how many by then)"""

    def look(self) -> None:
        """To be called again and again: what was counted long ago explains nothing any more."""
        now_s = time.monotonic()
        while self._seen and self._seen[0][0] <= now_s - LATELY_S:
            self._explained = max(self._explained, self._seen.popleft()[1])
        if not self._seen or now_s >= self._seen[-1][0] + _LOOK_S:
            self._seen.append((now_s, oom_kills()))

    def explain_one(self) -> bool:
        """Whether a death that was just heard of may be one of them, which then is used up."""
        explains = oom_kills() > self._explained
        self._explained += explains
        return explains
