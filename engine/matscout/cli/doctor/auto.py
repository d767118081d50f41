"""What Ray means by the address `auto`, found as Ray finds it, without loading Ray.

Reference: `get_ray_address_from_environment` in ray/_private/services.py (2.60).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

LOOPBACK = "127.0.0.1"
_PROC = Path("/proc")


def addresses(environment: Mapping[str, str], proc: Path = _PROC) -> list[str]:
    """Of the cluster that a driver would join: RAY_ADDRESS; else that of the node which runs here;
    else what the last `ray start` wrote down. Several only where Ray would take any one of them.
    """
    said = environment.get("RAY_ADDRESS", "")
    if said not in ("", "auto"):
        return [said]
    here = list(dict.fromkeys(_words(proc, "--gcs-address=")))
    started = _started(environment)
    return [started] if started and len(here) != 1 else here


def hosts(proc: Path = _PROC) -> list[str]:
    """Where the servers of a cluster on this machine listen: on the loopback interface, and at the
    address by which the cluster knows the machine."""
    return list(dict.fromkeys([LOOPBACK, *(list(_words(proc, "--node_ip_address=")) or _own())]))


def _words(proc: Path, flag: str) -> Iterator[str]:
    """What stands behind `flag` on the command lines of the raylets here; every node has one."""
    for file in sorted(proc.glob("[0-9]*/cmdline")):
        try:
            words = file.read_text(errors="replace").split("\0")
        except OSError:  # it has ended
            continue
        if "raylet" not in os.path.basename(words[0]):
            continue
        for word in " ".join(words).split(" "):
            if word.startswith(flag) and word.removeprefix(flag) not in ("", "None"):
                yield word.removeprefix(flag)


def _started(environment: Mapping[str, str]) -> str:
    place = environment.get("RAY_TMPDIR") or environment.get("TMPDIR") or "/tmp"  # noqa: S108
    try:
        return (Path(place) / "ray" / "ray_current_cluster").read_text(errors="replace").strip()
    except OSError:
        return ""


def _own() -> list[str]:
    """The address from which this machine would call others, as Ray asks for it; nothing is sent."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect(("8.8.8.8", 53))
        return [asking.getsockname()[0]]
    return []
