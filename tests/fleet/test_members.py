"""Members of an ensemble trained here, in processes or on Ray: nobody can tell from what they say."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from matscout.errors import InputError
from matscout.fleet.members import Members, ProcessMembers, threads_here, with_threads
from matscout.surrogate.ensemble import DeepEnsemble
from matscout.surrogate.member import MlpMember

RNG = np.random.default_rng(4)
X = torch.from_numpy(RNG.random((30, 3)))
Y = (X[:, :1] - 0.4).square() + 0.1 * X[:, 1:2]
NEW = torch.from_numpy(RNG.random((20, 3)))


def square(x: int) -> int:
    return x * x


def pid_and_threads(_: int) -> tuple[int, int]:
    return os.getpid(), threads_here()


def die_elsewhere(job: tuple[int, int]) -> int:
    """Kills whatever process it runs in, but the one that it was made in."""
    home, x = job
    if os.getpid() != home:
        os.kill(os.getpid(), signal.SIGKILL)
    return x + 1


def refuse(x: int) -> int:
    if x == 2:
        raise ValueError(f"no {x} today")
    return x


def said(executor: Any) -> list[np.ndarray]:
    """Everything that an ensemble says, also after it believed something."""
    ensemble = DeepEnsemble(members=3, trainer=MlpMember(epochs=12), executor=executor, seed=7)
    fitted = ensemble.fit(X, Y)
    believing = fitted.believe(NEW[:2])
    return [part.numpy() for p in (fitted, believing) for part in p.mean_sd(NEW)]


def exam(members: Members) -> None:
    """What every executor must do."""
    assert list(members(square, [3, 1, 2])) == [9, 1, 4] and list(members(square, [])) == []
    assert list(members(square, [5])) == [25]
    here = said(None)
    for ours, theirs in zip(said(members), here, strict=True):
        assert ours.tobytes() == theirs.tobytes()
    elsewhere = list(members(pid_and_threads, range(4)))
    assert os.getpid() not in {pid for pid, _ in elsewhere}
    assert {threads for _, threads in elsewhere} == {torch.get_num_threads()}
    with pytest.raises(ValueError, match="no 2 today"):
        members(refuse, [1, 2, 3])
    jobs: Sequence[tuple[int, int]] = [(os.getpid(), x) for x in range(4)]
    assert list(members(die_elsewhere, jobs)) == [1, 2, 3, 4]
    members.close()
    members.close()


def test_processes() -> None:
    exam(ProcessMembers(2))


def test_threads_are_those_of_the_caller() -> None:
    before = torch.get_num_threads()
    try:
        assert with_threads(2, pid_and_threads, [0]) == [(os.getpid(), 2)]
    finally:
        torch.set_num_threads(before)


def test_fewer_than_one_worker() -> None:
    from matscout.fleet.ray_members import RayMembers

    for make in (ProcessMembers, partial(RayMembers, gpus=0.5)):
        with pytest.raises(InputError, match=r"run\.workers: must be at least 1"):
            make(0)


ORPHANS = """
import os, signal, sys
from matscout.fleet.members import ProcessMembers

def pid(_):
    return os.getpid()

if __name__ == "__main__":
    members = ProcessMembers(1)
    print(*members(pid, [0, 1]), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_end_when_their_driver_is_killed(tmp_path: Path) -> None:
    (tmp_path / "driver.py").write_text(ORPHANS)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "driver.py")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    (pid,) = {int(word) for word in done.stdout.split()}
    until_s = time.monotonic() + 30.0
    while _runs(pid):
        assert time.monotonic() < until_s, "it outlived its driver"


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(") ", 1)[1][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.slow
def test_ray_tasks_beside_the_actors_that_hold_every_cpu() -> None:
    """In a process of its own: a local cluster dies with its thread, and Ray stays imported."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_members import exam\n"
        "import ray\n"
        "from matscout.fleet.ray_members import RayMembers\n"
        "from matscout.fleet.ray_local import local_cluster\n"
        "end = local_cluster(1)\n"
        "@ray.remote(num_cpus=1)\n"
        "class Slot:\n"
        "    def there(self): return True\n"
        "slot = Slot.remote(); assert ray.get(slot.there.remote())\n"
        "exam(RayMembers(2, gpus=0.5, resources={'press': 1.0}))\n"
        "assert ray.is_initialized()  # the run's connection is not ours to end\n"
        "end()\n"
        "alone = RayMembers(2)\n"
        "exam(alone)\n"
        "assert not ray.is_initialized()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, os.path.dirname(__file__)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
