"""How this process gets into a Ray cluster: one of its own on this machine, or one that is there."""

from __future__ import annotations

import fcntl
import logging
import math
import os
import secrets
import shutil
import socket
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from matscout.errors import InputError, RunFailed, one_line
from matscout.fleet.environment import environment
from matscout.fleet.goodbye import broken_off, say_goodbye
from matscout.fleet.ray_sigterm import own_sigterm, while_answering

Disconnect = Callable[[], None]

_OBJECT_STORE_BYTES = 200 * 2**20
"""Only factories and unusually long reports pass through Ray's object store."""

_QUIET: Mapping[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}

_PREFIX = "matscout-ray-"
_NEW_S = 60.0
_CONNECT_S = 5.0
_HEAD_ANSWERS_S = 0.5

_AROUND_START = {
    # By this Ray binds its servers to 127.0.0.1 instead of to every interface.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # Workers made in advance lack our environment, so none of them could ever be used.
    "RAY_prestart_worker_first_driver": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def connected(address: str | None, slots: int, share: Mapping[str, Any]) -> Disconnect:
    """Be connected. A connection that is there already is used, and left as it is."""
    if ray.is_initialized():
        return lambda: None
    if address is not None:
        return joined_cluster(address)
    num_cpus = max(os.cpu_count() or 1, math.ceil(slots * share["num_cpus"]))
    resources = {name: slots * each for name, each in share["resources"].items()}
    return local_cluster(num_cpus, resources)


def require_resources(slots: int, share: Mapping[str, Any]) -> None:
    """InputError if a cluster that does not grow can never have all the slots at once."""
    there = ray.cluster_resources()
    wanted = {"CPU": share["num_cpus"], "GPU": share["num_gpus"], **share["resources"]}
    for name, each in wanted.items():
        if slots * each > there.get(name, 0.0) + 1e-6:
            what = f"{slots} slots with {each:g} {name} each, but there is {there.get(name, 0):g}"
            raise InputError("fleet", what, "take fewer slots or smaller shares")


def local_cluster(num_cpus: int, resources: Mapping[str, float] | None = None) -> Disconnect:
    """Start a cluster of our own and connect to it; call what is returned to shut it down.

    It listens on the loopback interface only, wants a token that this process makes, has no
    dashboard, and keeps its sockets and logs in a folder that only this user can enter. It dies
    with this thread. Never a bare ray.init(), which may join a neighbour's.

    Raises RunFailed if Ray does not start.
    """
    home, lock = _private_folder()
    constants = ray._private.ray_constants
    clusters = constants.ENABLE_RAY_CLUSTER
    with _undisturbed(), _local_environment():
        # Ray may have been imported, and have read its environment, before we came.
        ray._raylet.Config.initialize("")
        constants.ENABLE_RAY_CLUSTER = False
        try:
            ray.init(
                address="local",
                include_dashboard=False,
                num_cpus=num_cpus,
                resources=dict(resources or {}),
                object_store_memory=_OBJECT_STORE_BYTES,
                _temp_dir=str(home),
                **_QUIET,
            )
        except Exception as error:  # of a bare kind where a busy machine was too slow for it
            shutil.rmtree(home, ignore_errors=True)
            os.close(lock)
            raise RunFailed(one_line(f"Ray did not start: {error}")[:300]) from None
        finally:
            constants.ENABLE_RAY_CLUSTER = clusters

    def shut_down() -> None:
        with own_sigterm():
            while_answering(ray.shutdown)
        shutil.rmtree(home, ignore_errors=True)
        os.close(lock)

    return shut_down


def joined_cluster(address: str) -> Disconnect:
    """Connect to the cluster at `address`; it wants what RAY_AUTH_MODE and RAY_AUTH_TOKEN say.

    Raises InputError if there is none, or it will not have us.
    """
    _require_listener(address)
    with _undisturbed():
        try:
            ray.init(address=address, **_QUIET)
        except (RayError, OSError, RuntimeError, ValueError) as error:
            what = one_line(f"cannot connect to Ray at {address}: {error}")[:300]
            raise InputError("run.address", what, "is RAY_AUTH_TOKEN the cluster's?") from None

    def leave() -> None:
        with own_sigterm():
            while_answering(partial(say_goodbye, ray.shutdown))

    return leave


def _require_listener(address: str) -> None:
    """InputError if nobody listens at `host:port`; Ray itself would try for minutes."""
    if (os.environ.get("RAY_ADDRESS") if address == "auto" else address) == "local":
        what = "'local' is no cluster that runs: Ray would start one that is open to others"
        raise InputError("run.address", what, "leave it out, and matscout starts one of its own")
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return  # "auto", or a name that Ray understands
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()
    except (OSError, OverflowError) as error:
        what = f"nobody answers at {address} ({error})"
        raise InputError("run.address", what, "see `ray status`") from None


class JoinedHead:
    """The head of a cluster that was joined, asked now and then whether it is still there.

    Ray itself looks for a minute, and then ends the driver in words of its own, without an order to
    anything. Until then a head that is being started again (KubeRay with a Redis) is waited for.
    """

    def __init__(self) -> None:
        host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
        self._place = host.strip("[]"), int(port)
        self._answered_s: float | None = None

    def silent_s(self) -> float:
        """For how long it has not answered. 0 for one that never has: it is not to be reached from
        here, and others know of it."""
        now_s = time.monotonic()
        with suppress(OSError):
            socket.create_connection(self._place, _HEAD_ANSWERS_S).close()
            self._answered_s = now_s
        return 0.0 if self._answered_s is None else now_s - self._answered_s


def head_died() -> str:
    """Which of the processes that a cluster of our own cannot do without is dead; empty if none.

    Some seconds later Ray ends the driver without a word: better to say so and leave in time.
    """
    node = ray._private.worker._global_node
    started = {} if node is None else node.all_processes
    for name in ("raylet", "gcs_server"):
        if any(info.process.poll() is not None for info in started.get(name, ())):
            return name
    return ""


@contextmanager
def _local_environment() -> Iterator[None]:
    """The environment in which a cluster of our own is started; Ray's processes inherit it.

    The token stays set afterwards: this process, and a second fleet in it, go on needing it. It
    lives in the memory of processes of this user only, and in no file.
    """
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    with environment(_AROUND_START):
        yield


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep what ray.init would change, the answer to SIGTERM and a quiet stdout; and have a process in
    which it is broken off end without it."""
    # Ray prints the death of every worker on stdout, where `--json` output belongs; log_to_driver
    # does not cover that. A death is told in an outcome.
    ray._private.worker._worker_logs_enabled = False
    with warnings.catch_warnings(), own_sigterm():
        warnings.simplefilter("ignore", FutureWarning)
        try:
            yield
        except KeyboardInterrupt:
            broken_off()
            raise


def _private_folder() -> tuple[Path, int]:
    """A new folder for Ray's sockets and logs, and a descriptor that holds its lock.

    Directly below /tmp where possible: the path of a socket may have 107 characters. Folders that
    drivers left which were killed are removed.
    """
    place = Path("/tmp")  # noqa: S108 (mkdtemp makes it 0700)
    place = place if os.access(place, os.W_OK) else Path(tempfile.gettempdir())
    for old in place.glob(f"{_PREFIX}*"):
        _remove_if_left(old)
    home = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    lock = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return home, lock


def _remove_if_left(home: Path) -> None:
    """Remove a folder whose driver is dead: its lock is free, and it is not just being made."""
    try:
        lock = os.open(home / "lock", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return  # another user's, or gone
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if time.time() - os.fstat(lock).st_ctime > _NEW_S:
            shutil.rmtree(home, ignore_errors=True)
    except OSError:
        pass
    finally:
        os.close(lock)
