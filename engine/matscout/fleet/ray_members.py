"""Where the members of an ensemble are trained: as tasks in the run's Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import ray
from ray.exceptions import RayError, RayTaskError

from matscout.errors import InputError
from matscout.fleet.members import threads_here, with_threads
from matscout.fleet.pinned import pinned, python_path
from matscout.fleet.ray_local import Disconnect, joined_cluster, local_cluster

Job = TypeVar("Job")
Result = TypeVar("Result")

_LOCAL_CPUS = 1
"""Of a cluster that is started for members alone: without a fleet there is nobody to share with."""


class RayMembers:
    """Up to `workers` tasks at a time, each with a share of `gpus` and of custom `resources` where so
    much is free, else with none: the fleet's actors keep their shares for as long as they live, and a
    task that waited for one of them would wait for ever. CPU time is not reserved either: members
    are trained while the experiments are being waited for.

    The run's connection to Ray is used. If there is none, `address` is joined or, without one, a
    cluster of our own is started, and left again by `close`. Nothing is retried by Ray: where a task
    is lost, the jobs are done here (members.py).
    """

    def __init__(
        self,
        workers: int,
        gpus: float = 0.0,
        resources: Mapping[str, float] | None = None,
        address: str | None = None,
    ) -> None:
        if workers < 1:
            raise InputError("run.workers", f"must be at least 1, got {workers}")
        self._workers = workers
        self._gpus, self._resources, self._address = gpus, dict(resources or {}), address
        self._disconnect: Disconnect | None = None

    def __call__(self, function: Callable[[Job], Result], jobs: Sequence[Job]) -> Sequence[Result]:
        """The results in the order of the jobs; the first job's error that has one."""
        if len(jobs) < 2:
            return [function(job) for job in jobs]
        threads = threads_here()
        try:
            self._connect()
            environment = {**pinned(threads), "PYTHONPATH": python_path()}
            task = ray.remote(**self._share(), max_retries=0, runtime_env={"env_vars": environment})
            run, count = task(with_threads), min(self._workers, len(jobs))
            parts = ray.get([run.remote(threads, function, jobs[i::count]) for i in range(count)])
            return [parts[i % count][i // count] for i in range(len(jobs))]
        except RayTaskError as error:
            raise error.cause from None
        except RayError:  # a worker or its node died, or it ran out of memory
            return [function(job) for job in jobs]

    def close(self) -> None:
        if self._disconnect is not None:
            self._disconnect()
            self._disconnect = None

    def _connect(self) -> None:
        if ray.is_initialized():
            return
        if self._address is not None:
            self._disconnect = joined_cluster(self._address)
        else:
            self._disconnect = local_cluster(_LOCAL_CPUS, {})

    def _share(self) -> dict[str, object]:
        """What each task asks for; only what one at least can have now."""
        there = ray.available_resources()
        gpus = self._gpus if there.get("GPU", 0.0) >= self._gpus else 0.0
        resources = {k: v for k, v in self._resources.items() if there.get(k, 0.0) >= v}
        return {"num_cpus": 0, "num_gpus": gpus, "resources": resources}
