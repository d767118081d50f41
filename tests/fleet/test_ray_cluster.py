"""The cluster that we start: closed to others, quiet, and gone with its driver."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from pathlib import Path

import pytest
import ray

from matscout.errors import InputError
from matscout.evaluate.process_tree import family
from matscout.fleet.ray_local import joined_cluster
from matscout.runfolder import RunFolder

PATIENCE_S = 60.0
DASHBOARD_PORT = 8265

DRIVER = """
import os, signal, subprocess, sys
from pathlib import Path
from matscout.errors import InputError
from matscout.evaluate.bad_lab import ByOrder
from matscout.fleet.ray_actors import RayFleet
from matscout.outcome import Assignment
from matscout.runfolder import RunFolder
from matscout.trial import Target
import ray

root = Path(sys.argv[1])
answers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
fleet = RayFleet(ByOrder, (Target("y"),), RunFolder(root), slots=1, cpus=0.1)
assert answers == (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT))

fleet.submit(Assignment(0, 1, {"do": "kill"}))
(outcome,) = fleet.poll(60.0)
assert outcome.reason.startswith("the worker died"), outcome

assert ray.nodes()[0]["NodeManagerAddress"] == "127.0.0.1"
stranger = (
    "import sys, ray._raylet as r\\n"
    "try:\\n    print('in:', r.GcsClient(address=sys.argv[1]).internal_kv_keys(b'', None))\\n"
    "except Exception as error:\\n    print('out:', type(error).__name__, error)\\n"
)
gcs = ray.get_runtime_context().gcs_address
for token in (None, "0" * 64):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_AUTH")}
    if token:
        environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    said = subprocess.run(
        [sys.executable, "-c", stranger, gcs], env=environment, capture_output=True, text=True
    ).stdout
    assert said.startswith("out:") and "uthenticat" in said, (token, said)

try:
    RayFleet(ByOrder, (Target("y"),), RunFolder(root), slots=1, gpus=99.0)
    raise AssertionError("99 GPUs were granted")
except InputError as error:
    assert "GPU" in str(error)

fleet.submit(Assignment(1, 1, {"do": "children", "pids": str(root / "pids")}))
while len((root / "pids").read_text().split()) < 2 if (root / "pids").exists() else True:
    fleet.poll(0.05)
print("up", *fleet.pids(), flush=True)
sys.stdin.read()
"""


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def listening(pid: int) -> list[tuple[str, int]]:
    """The (address, port) of every TCP socket at which a process takes calls. Linux."""
    held = set()
    for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
        with suppress(OSError):  # it was closed just now
            held.add(os.readlink(descriptor))
    found = []
    for table, kind in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and f"socket:[{rest[5]}]" in held:
                digits, port = local.split(":")
                # The kernel writes words of 32 bits as this machine keeps them.
                words = [int(digits[i : i + 8], 16) for i in range(0, len(digits), 8)]
                address = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
                found.append((socket.inet_ntop(kind, address), int(port, 16)))
    return found


def is_loopback(host: str) -> bool:
    address = ip_address(host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"])
def test_where_a_process_listens_can_be_told(host: str) -> None:
    """The sister of the test below: what it looks at tells one interface from all."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
        try:
            server.bind((host, 0))
        except OSError as error:
            pytest.skip(f"no {host} here: {error}")
        assert (host, server.getsockname()[1]) not in listening(os.getpid())
        server.listen()
        assert (host, server.getsockname()[1]) in listening(os.getpid())
    assert is_loopback(host) == (host not in ("0.0.0.0", "::"))


@pytest.mark.parametrize(("address", "environment"), [("local", ""), ("auto", "local")])
def test_a_cluster_that_ray_would_start_by_itself_is_refused(
    address: str, environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would listen on every interface, and ask for no token."""
    monkeypatch.setenv("RAY_ADDRESS", environment)
    monkeypatch.setattr(ray, "init", lambda **_: pytest.fail("it was started"))
    with pytest.raises(InputError, match="'local' is no cluster that runs"):
        joined_cluster(address)


def eventually(true: Callable[[], bool]) -> bool:
    until_s = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > until_s:
            return False
        os.sched_yield()
    return True


def test_our_cluster_is_closed_to_others_quiet_and_gone_with_its_driver(
    folder: RunFolder, tmp_path: Path
) -> None:
    """One driver for all of it, since a cluster takes seconds to start."""
    errors = tmp_path / "stderr.txt"
    with (
        open(errors, "w") as stderr,
        subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(folder.root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as driver,
    ):
        assert driver.stdout is not None
        line = driver.stdout.readline()
        # Nothing came before it: a worker's death is not told on stdout, where results belong.
        assert line.startswith("up "), line + errors.read_text()
        pids = [int(word) for word in line.split()[1:]]
        pids += [int(word) for word in (folder.root / "pids").read_text().split()]
        pids += [int(pid) for pid in Path(f"/proc/{driver.pid}/task/{driver.pid}/children")
                 .read_text().split()]  # fmt: skip
        assert len(pids) > 4
        doors = [listening(pid) for pid in family(driver.pid)]
        driver.kill()
    assert eventually(lambda: not any(is_alive(pid) for pid in pids))
    assert errors.read_text() == ""
    assert sum(map(bool, doors)) > 2, "the driver, Ray's head, and its node"
    assert [at for each in doors for at in each if not is_loopback(at[0])] == []
    assert DASHBOARD_PORT not in {port for each in doors for _, port in each}
