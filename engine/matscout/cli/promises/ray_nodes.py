"""A Ray cluster of several nodes on this machine, made by `ray start` as on a real one.

Each node has processes of its own and obeys nobody without the cluster's token. Nodes, unlike in
ray.cluster_utils, are no children of the process that kills them, nor does that join the cluster.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from matscout.cli.promises.alive import eventually, is_alive
from matscout.errors import RunFailed
from matscout.evaluate.process_tree import family, kill_family, start_guard
from matscout.fleet.environment import environment
from matscout.fleet.pinned import python_path

_MARK, _MARK_OF_ALL = "MATSCOUT_NODE", "MATSCOUT_NODES"
_PATIENCE_S = 180.0
_TRIES = 4
_RAY = [sys.executable, "-c", "from ray.scripts.scripts import main; main()"]
_STORE_BYTES = 80 * 2**20
_ADDRESS = re.compile(r"ray start --address='([^']+)'")


@dataclass(eq=False)
class Node:
    """One `ray start --block`, and all that it started."""

    process: subprocess.Popen[bytes]
    mark: str
    log: Path
    _raylet: int = 0

    @property
    def raylet(self) -> int | None:
        """The pid of its raylet while that is alive."""
        if not self._raylet and "Ray runtime started" in self.last_words:
            self._raylet = next(iter(self.pids("raylet")), 0)
        return self._raylet if self._raylet and is_alive(self._raylet) else None

    @property
    def ready(self) -> bool:
        return not self.ended and self.raylet is not None

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    @property
    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]

    def pids(self, name: str = "") -> list[int]:
        """Its processes; `name`: those that are called so ("raylet", "ray::AttemptActor")."""
        found = sorted(family(self.process.pid, self.mark))
        return [pid for pid in found if not name or _name(pid).startswith(name)]

    def kill_raylet(self) -> None:
        """SIGKILL to the raylet alone: its workers find out for themselves, the node is lost."""
        if (pid := self.raylet) is not None:
            os.kill(pid, signal.SIGKILL)

    def kill(self) -> None:
        """SIGKILL to all of it at once, as a machine that loses its power."""
        kill_family(self.process.pid, self.mark)
        self.process.wait()

    @property
    def id(self) -> str:
        """Ray's name for it."""
        for pid in self.pids("raylet"):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
            if found := re.search(r"--node[-_]id=([0-9a-f]{20,})", words):
                return found[1]
        return ""


class RayNodes:
    """The nodes. A context: at its end none of their processes is left."""

    def __init__(self, ip: str = "") -> None:
        """ip: the head's; what Ray finds, if empty."""
        self._ip = ip
        # Directly below /tmp: the path of a socket may have 107 characters.
        place = "/tmp" if os.access("/tmp", os.W_OK) else None  # noqa: S108 (mkdtemp makes it 0700)
        self.home = Path(tempfile.mkdtemp(prefix="mt-ray-", dir=place))
        self.nodes: list[Node] = []
        self.address = ""
        self._made, self._guarded = 0, False
        self.environment = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_prestart_worker_first_driver": "0",
        }
        """What a driver needs to join; inside the context this process and its children have it."""

    def start(self, count: int, cpus: int = 1) -> None:
        """A head without cores for experiments, and so many nodes with `cpus` of them each."""
        self.head = self._head()
        self.address = _ADDRESS.findall(self.head.last_words)[-1]
        if not eventually(lambda: len(self.keep(count, cpus)) == count, _PATIENCE_S):
            raise RunFailed(f"ray start did not come up: {self.nodes[-1].last_words[-300:]}")

    def keep(self, count: int, cpus: int = 1) -> list[Node]:
        """The nodes that are up, without the head. Where less than `count` are or soon will be, others
        are begun, and not waited for: that takes seconds."""
        for _ in range(count - sum(not n.ended for n in self.nodes if n is not self.head)):
            # An address of its own on the loopback interface, as if it were another machine.
            self.join(f"127.0.1.{self._made + 1}", cpus)
        return self.others

    def join(self, ip: str, cpus: int = 1, inside: Sequence[str] = ()) -> Node:
        """Begin another node, and do not wait for it. inside: a command that runs the one after it."""
        return self._begin([f"--address={self.address}", f"--node-ip-address={ip}"], cpus, inside)

    def drain(self, node: Node, within_s: int) -> bool:
        """Tell the cluster that a node will go in so many seconds, as a spot market does."""
        done = subprocess.run(
            [
                *_RAY, "drain-node", f"--address={self.address}", f"--node-id={node.id}",
                "--reason=DRAIN_NODE_REASON_PREEMPTION", "--reason-message=preempted",
                f"--deadline-remaining-seconds={within_s}",
            ],
            capture_output=True,
            check=False,
        )  # fmt: skip
        return done.returncode == 0

    @property
    def others(self) -> list[Node]:
        """The nodes that are up, without the head."""
        return [node for node in self.nodes if node is not self.head and node.ready]

    def close(self) -> None:
        for node in reversed(self.nodes):
            node.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self) -> RayNodes:
        self._around = environment(self.environment)
        self._around.__enter__()
        if not self._guarded:  # should this process be killed, nobody else would end the nodes
            start_guard(os.getpid(), _MARK_OF_ALL, self.home.name)
            self._guarded = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        self._around.__exit__(kind, error, trace)

    def _head(self) -> Node:
        """`ray start` gives a node up that needs more than 30 s, as on a busy machine: try again."""
        words = ["--head", "--port=0", "--include-dashboard=false", f"--temp-dir={self.home}"]
        words += [f"--node-ip-address={self._ip}"] if self._ip else []
        for _ in range(_TRIES):
            head = self._begin(words, 0)
            eventually(lambda head=head: head.ready or head.ended, _PATIENCE_S)  # type: ignore[misc]
            if head.ready and _ADDRESS.search(head.last_words):
                return head
            head.kill()
        raise RunFailed(f"ray start did not come up: {head.last_words[-300:]}")

    def _begin(self, words: list[str], cpus: int, inside: Sequence[str] = ()) -> Node:
        self._made += 1
        name = f"node-{self._made}"
        log = self.home / f"{name}.log"
        mark = f"{self.home.name}-{name}"
        command = [
            *inside, *_RAY, "start", "--block", "--disable-usage-stats", "--num-gpus=0",
            f"--num-cpus={cpus}", f"--object-store-memory={_STORE_BYTES}", *words,
        ]  # fmt: skip
        marks = {_MARK: mark, _MARK_OF_ALL: self.home.name}
        environment = {**os.environ, **marks, "PYTHONPATH": python_path()}
        with open(log, "wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,
            )
        node = Node(process, f"{_MARK}={mark}", log)
        self.nodes.append(node)
        return node


def _name(pid: int) -> str:
    """What a process is called: the last part of its command, or what Ray has it called."""
    try:
        first = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
    except OSError:
        return ""
    return first if first.startswith("ray::") else first.rpartition("/")[2]
