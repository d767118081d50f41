"""Whether a process id is anybody's."""

from __future__ import annotations

import os


def exists(pid: int) -> bool:
    """Whether a process of this machine has the id, whoever's it is; a zombie has it too."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # nobody can have so large a one
        return False
    except PermissionError:  # another user's
        pass
    return True
