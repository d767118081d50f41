"""Another engine as an arm: a subprocess under a Python of its own that speaks JSON lines."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from matscout.errors import InputError, RunFailed, one_line
from matscout.history import History
from matscout.space import Space
from matscout.trial import Proposal

BAYBE = "baybe"
SPEAKS = ("number", "category")
"""Kinds of feature that the peer has a parameter for."""

_SCRIPT = Path(__file__).with_name("peer_baybe.py")


class Peer:
    """The process; see peer_baybe.py for what is said. It ends when its input does."""

    def __init__(self, python: str, threads: int | None = 1) -> None:
        """threads: of its linear algebra; None: its own default."""
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115  (as long as the process)
        # Isolated: neither our folder nor our variables decide what it imports.
        command, environment = [python, "-I", str(_SCRIPT)], dict(os.environ)
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            environment.pop(name, None)
            if threads is not None:
                environment[name] = str(threads)
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                env=environment,
            )
        except OSError as error:
            self._log.close()
            what = f"cannot start {python!r}: {error.strerror}"
            raise InputError("--peer-python", what, "name a Python that has baybe") from None

    def __call__(self, do: str, **said: Any) -> dict[str, Any]:
        """Its answer. RunFailed where it has none."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        try:
            stdin.write(json.dumps({"do": do, **said}, allow_nan=False) + "\n")
            stdin.flush()
            answer = json.loads(stdout.readline())
        except (OSError, ValueError):
            raise RunFailed(f"{BAYBE} ended: {self._last_word()}") from None
        if "error" in answer:
            raise RunFailed(f"{BAYBE}: {one_line(str(answer['error']))[:300]}")
        return dict(answer)

    def close(self) -> None:
        """Let it end; by force if it will not."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    pass
        try:
            self._process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _last_word(self) -> str:
        self._log.seek(0)
        lines = self._log.read().strip().splitlines()
        return one_line(lines[-1])[:300] if lines else "without a word"


class PeerProposer:
    """The peer in a campaign of ours: same pool, same start, same values.

    Not a pure function: the peer keeps its own state. It is begun anew for every campaign.
    """

    name = BAYBE

    def __init__(self, python: str) -> None:
        self._python = python
        self._told = 0
        self._begun = False

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        peer, pool, target = _running(self._python), space.pool, history.targets[0]
        assert pool is not None
        if not self._begun:
            columns = {name: list(pool.columns[name]) for name in pool.features}
            peer(
                "new",
                ids=list(pool.ids),
                columns=columns,
                kinds=dict(pool.kinds),
                direction=target.direction,
                seed=seed % 2**32,
            )
            self._begun = True
        new = history.completed[self._told :]
        if new:
            values = [trial.values[target.name] for trial in new]
            peer("tell", ids=[trial.candidate for trial in new], values=values)
            self._told += len(new)
        pending = [trial.candidate for trial in history.pending]
        n = min(n, len(pool) - len(history.trials))
        if n < 1:
            return []
        ids = peer("ask", n=n, pending=pending)["ids"]
        return [Proposal(pool.params(i), i, {"rule": BAYBE}) for i in ids]


def hello(python: str) -> dict[str, str]:
    """The peer's versions. InputError where this Python has no such package."""
    try:
        return dict(_running(python)("hello")["versions"])
    except RunFailed as failure:
        _running.cache_clear()
        mend = "pip install baybe in an environment of its own"
        raise InputError("--peer-python", one_line(str(failure)), mend) from None


@cache
def _running(python: str) -> Peer:
    """One process for all campaigns that this one plays: it takes seconds to start."""
    peer = Peer(python)
    atexit.register(peer.close)
    return peer
