"""Ray's token, and the modes of files that hold secrets. No secret is ever printed."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from matscout.cli.doctor.finding import Finding, fail, ok, warn

_SHORT = 16
"""Characters: fewer can be guessed."""


def check(environment: Mapping[str, str], home: Path, cluster: bool) -> list[Finding]:
    """How this process would authenticate. `cluster`: whether a cluster is joined, not made.

    A cluster that matscout starts by itself always asks for a token, which it makes and tells nobody.
    """
    token_file = Path(environment.get("RAY_AUTH_TOKEN_PATH") or home / ".ray" / "auth_token")
    found = _mode("token file", token_file, cluster) + _mode("password file", home / ".pgpass")
    mode = environment.get("RAY_AUTH_MODE", "")
    given = environment.get("RAY_AUTH_TOKEN", "")
    if not cluster:
        return [ok("ray token", "matscout's own clusters ask for one that it makes"), *found]
    if mode.lower() == "disabled":
        mend = "start the cluster, and join it, with RAY_AUTH_MODE=token"
        return [fail("ray token", "RAY_AUTH_MODE is 'disabled'", mend), *found]
    if not given and not token_file.is_file():
        mend = "set RAY_AUTH_TOKEN, or RAY_AUTH_TOKEN_PATH, to the cluster's"
        return [fail("ray token", "there is none to join the cluster with", mend), *found]
    if given and len(given) < _SHORT:
        mend = "make one with: ray get-auth-token --generate"
        return [warn("ray token", f"has only {len(given)} characters", mend), *found]
    if mode.lower() != "token":
        mend = "set RAY_AUTH_MODE=token where the cluster is started and where it is joined"
        return [warn("ray token", "there is one, but RAY_AUTH_MODE is not 'token'", mend), *found]
    return [ok("ray token", "RAY_AUTH_MODE is 'token', and there is one"), *found]


def _mode(what: str, file: Path, used: bool = True) -> list[Finding]:
    """A file with a secret in it is for its owner alone; libpq refuses any other ~/.pgpass."""
    if not os.path.isfile(file):
        return []
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        said, mend = f"{file} can be read by others", f"chmod 600 '{file}'"
        return [fail(what, said, mend) if used else warn(what, said, mend)]
    return [ok(what, f"{file} is for its owner alone")]
