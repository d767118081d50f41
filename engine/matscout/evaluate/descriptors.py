"""No file descriptor left: a shortage like that of a full disk, which waits and goes on."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

PATIENCE_S = 5.0
"""How long is waited where nobody could be asked meanwhile. Whoever has ten seconds to leave in
(promise R16) can wait once."""

_LOOK_S = 0.02


def is_short(error: BaseException) -> bool:
    """Whether the process (EMFILE) or the machine (ENFILE) has no descriptor left."""
    return isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)


def patiently(do: Callable[[], Result], patience_s: float = PATIENCE_S) -> Result:
    """`do()`, again and again while there is no descriptor for it; its own error after so long."""
    until_s = time.monotonic() + patience_s
    while True:
        try:
            return do()
        except OSError as error:
            if not is_short(error) or time.monotonic() >= until_s:
                raise
        time.sleep(_LOOK_S)
