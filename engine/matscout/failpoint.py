"""Named places where a test may kill the process or raise: the only way to hit an instant on purpose.

`MATSCOUT_FAILPOINT=journal.after_commit:3:kill` ends the process the third time that place is
passed; `raise` instead of `kill` raises OSError there. Unset, a failpoint costs one comparison.
"""

from __future__ import annotations

import os
import signal

_armed: dict[str, tuple[int, str]] = {}
_passed: dict[str, int] = {}


def arm(spec: str) -> None:
    """Arm `name:count:action`, action `kill` or `raise`; an empty spec disarms all."""
    _armed.clear()
    _passed.clear()
    if spec:
        name, count, action = spec.split(":")
        _armed[name] = (int(count), action)


def failpoint(name: str) -> None:
    """Pass the place called `name`."""
    if not _armed or name not in _armed:
        return
    count, action = _armed[name]
    _passed[name] = _passed.get(name, 0) + 1
    if _passed[name] != count:
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise OSError(f"failpoint {name}")


arm(os.environ.get("MATSCOUT_FAILPOINT", ""))
