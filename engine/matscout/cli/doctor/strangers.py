"""What a Ray cluster answers to somebody without its token (CVE-2023-48022): it must be nothing.

Whoever may submit a job, or join as a driver, runs code on every machine of the cluster.
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import subprocess
import sys
from urllib.parse import urlsplit

from matscout.cli.doctor.finding import Finding, fail, ok, warn

DOORS = {8265: "/api/jobs/", 52365: "/api/job_agent/jobs/"}
"""The dashboard's Jobs API on the head, and the agent's on every node."""

_WAIT_S = 3.0
_CHILD_S = 60.0
_MEND = "stop it now; start it with RAY_AUTH_MODE=token and --include-dashboard=false"

_JOIN = """
import sys
from ray._raylet import GcsClient
try:
    GcsClient(address=sys.argv[1]).internal_kv_keys(b"", None, timeout=5)
except BaseException as error:
    print(type(error).__name__)
else:
    print("welcome")
"""


def check(address: str) -> list[Finding]:
    """Knock without a token at the Jobs API of `address`, and at its head where it says a port.

    `address` is what `run.address` or `--address` would be, or the URL of a dashboard.
    """
    url = urlsplit(address if "://" in address else f"ray://{address}")
    try:
        host, port = url.hostname or "", url.port
    except ValueError:
        host, port = "", None
    if not host or host == "auto":
        mend = "give HOST:PORT, as `ray start` printed it"
        return [warn("jobs api", f"{address} names no host to knock at", mend)]
    if url.scheme in ("http", "https"):
        return [_jobs(host, port or 8265, DOORS[8265], secure=url.scheme == "https")]
    found = [_jobs(host, door, path) for door, path in DOORS.items()]
    return found if port is None else [*found, _head(host, port)]


def _jobs(host: str, port: int, path: str, secure: bool = False) -> Finding:
    what = f"jobs api {host}:{port}"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(host, port, timeout=_WAIT_S)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (socket.gaierror, UnicodeError):
        return warn(
            what, "there is no host of this name", "give HOST:PORT, as `ray start` printed it"
        )
    except OSError as error:
        return ok(what, f"nobody answers there ({error.strerror or type(error).__name__})")
    except http.client.HTTPException:
        return warn(what, "what answers there is no web server", "is it Ray's?")
    finally:
        connection.close()
    if status in (401, 403):
        return ok(what, f"refuses a call without a token ({status})")
    said = f"answers a call without a token ({status}): whoever reaches it can run code there"
    return fail(what, said, _MEND)


def _head(host: str, port: int) -> Finding:
    """Try to join as a driver would, in a child that has no token, and no Ray of its own."""
    what = f"ray head {host}:{port}"
    try:
        socket.create_connection((host, port), _WAIT_S).close()
    except (OSError, OverflowError, UnicodeError) as error:
        mend = "is it up, and may this machine reach it? See `ray status`"
        return warn(what, f"nobody answers there ({error})", mend)
    own = {k: v for k, v in os.environ.items() if not re.match("RAY_|HOME$", k)}
    stranger = {**own, "RAY_AUTH_MODE": "disabled", "HOME": os.devnull}
    words = [sys.executable, "-c", _JOIN, f"{host}:{port}"]
    try:
        done = subprocess.run(
            words, env=stranger, capture_output=True, text=True, timeout=_CHILD_S, check=False
        )
    except subprocess.TimeoutExpired:
        return warn(what, "did not say whether it wants a token", "is it Ray's?")
    said = done.stdout.strip()
    if said == "welcome":
        mend = "stop it now, and start it with RAY_AUTH_MODE=token"
        return fail(what, "lets a driver without a token in: it can run code there", mend)
    if said == "AuthenticationError":
        return ok(what, "refuses a driver without a token")
    return warn(what, f"did not say whether it wants a token ({said or 'no answer'})", "is it up?")
