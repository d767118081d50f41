"""What a Ray cluster answers to somebody without its token (CVE-2023-48022): it must be nothing.

Whoever may submit a job, or join as a driver, runs code on every machine of the cluster.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
import re
import socket
import ssl
import subprocess
import sys
from dataclasses import dataclass
from urllib.parse import urlsplit

from matscout.cli.doctor import auto
from matscout.cli.doctor.finding import Finding, fail, ok, warn

DOORS = {8265: "/api/jobs/", 52365: "/api/job_agent/jobs/"}
"""The dashboard's Jobs API on the head, and the agent's on every node."""

_WAIT_S = 2.0
_CHILD_S = 60.0
_GIVE = "give HOST:PORT, as `ray start` printed it"
_THERE = "ask again on the cluster's own machine"
_MEND = (
    "if it is Ray's, stop it now; start it with RAY_AUTH_MODE=token and --include-dashboard=false"
)
_NO_WAY = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENETUNREACH}
"""What this machine itself says of an address, as of IPv6 where there is none."""

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


@dataclass(frozen=True)
class Door:
    """Where a Jobs API may be."""

    host: str
    port: int
    path: str
    secure: bool = False


def check(address: str | None) -> list[Finding]:
    """Knock without a token at the Jobs API of `address`, and at its head where it says a port.

    `address` is what `run.address` or `--address` would be, or the URL of a dashboard. Without one,
    and for `auto`, it knocks on this machine: a neighbour's cluster, or a forgotten one, may run here.
    """
    found: list[Finding] = []
    doors: list[Door] = []
    heads: list[tuple[str, int]] = []
    named = [] if address is None else [address]
    if address == "auto":
        named = auto.addresses(os.environ)
        if not named:
            said = "auto finds no cluster: none runs here, and RAY_ADDRESS is not set"
            found.append(warn("ray head", said, f"start it first, or {_GIVE}"))
    for each in named:
        try:
            more, head = _read(each)
        except ValueError:
            found.append(warn("jobs api", f"{each} names no host to knock at", _GIVE))
        else:
            doors += more
            heads += head
    if address is None or address == "auto":
        hosts = [auto.LOOPBACK] if address is None else auto.hosts()
        doors += [Door(host, port, path) for host in hosts for port, path in DOORS.items()]
    found += [_jobs(door) for door in dict.fromkeys(doors)]
    return [*found, *(_head(*head) for head in heads)]


def _read(address: str) -> tuple[list[Door], list[tuple[str, int]]]:
    """The doors, and the head if there is a port. ValueError if `address` names no host."""
    url = urlsplit(address if "://" in address else f"ray://{address}")
    host, port = url.hostname or "", url.port
    if host in ("", "auto", "local"):
        raise ValueError(address)
    if url.scheme in ("http", "https"):
        secure, path = url.scheme == "https", url.path.rstrip("/") + DOORS[8265]
        ports = [443 if secure else 80, 8265] if port is None else [port]
        return [Door(host, each, path, secure) for each in ports], []
    doors = [Door(host, door, path) for door, path in DOORS.items()]
    return doors, [] if port is None else [(host, port)]


def _jobs(door: Door) -> Finding:
    """Safe is only a door that says no, or that is not there: everything else was not knocked at."""
    what = f"jobs api {_at(door.host, door.port)}"
    other = "http" if door.secure else "https"
    whose = f"is it Ray's (`ss -ltnp` there says whose), or does it want {other}://HOST:PORT?"
    try:
        status = _status(door)
    except ConnectionRefusedError:
        return ok(what, "nothing listens there")
    except (socket.gaierror, UnicodeError, http.client.InvalidURL):
        return warn(what, "there is no host of this name", _GIVE)
    except TimeoutError:
        said = f"says nothing for {_WAIT_S:g} s: it hangs, or a firewall stands before it"
        return warn(what, said, _THERE)
    except ssl.SSLError as error:
        return warn(what, f"cannot be asked over TLS ({error.reason})", whose)
    except ConnectionError:
        return warn(what, "hangs up without an answer", whose)
    except OSError as error:
        said = f"cannot be asked from here ({error.strerror or type(error).__name__})"
        return warn(what, said, _THERE)
    except http.client.HTTPException:
        return warn(what, "what answers there is no web server", whose)
    if status in (401, 403):
        return ok(what, f"refuses a call without a token ({status})")
    said = f"answers a call without a token ({status}): whoever reaches it can run code there"
    return fail(what, said, _MEND)


def _status(door: Door) -> int:
    """What a call without a token is answered with. OSError or HTTPException if with nothing."""
    kind = http.client.HTTPSConnection if door.secure else http.client.HTTPConnection
    with contextlib.closing(kind(door.host, door.port)) as connection:
        connection.sock = _connected(door.host, door.port)
        if door.secure:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE  # no secret is told
            connection.sock = tls.wrap_socket(connection.sock, server_hostname=door.host)
        connection.request("GET", door.path)
        return connection.getresponse().status


def _connected(host: str, port: int) -> socket.socket:
    """ConnectionRefusedError only if every address of `host` refuses that can be tried from here."""
    try:
        return socket.create_connection((host, port), _WAIT_S, all_errors=True)
    except ExceptionGroup as group:
        errors = [error for error in group.exceptions if isinstance(error, OSError)]
    tried = [error for error in errors if error.errno not in _NO_WAY] or errors
    raise next((e for e in tried if not isinstance(e, ConnectionRefusedError)), tried[0])


def _at(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _head(host: str, port: int) -> Finding:
    """Try to join as a driver would, in a child that has no token, and no Ray of its own."""
    at = _at(host, port)
    what = f"ray head {at}"
    try:
        socket.create_connection((host, port), _WAIT_S).close()
    except (OSError, OverflowError, UnicodeError) as error:
        mend = "is it up, and may this machine reach it? See `ray status`"
        return warn(what, f"nobody answers there ({error})", mend)
    own = {k: v for k, v in os.environ.items() if not re.match("RAY_|HOME$", k)}
    stranger = {**own, "RAY_AUTH_MODE": "disabled", "HOME": os.devnull}
    words = [sys.executable, "-c", _JOIN, at]
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
