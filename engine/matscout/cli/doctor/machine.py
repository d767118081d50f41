"""Memory and threads: what the run's workers will take together, beside what there is."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from matscout.cli.doctor.finding import Finding, ok, warn

_WORKER_BYTES = 0.7e9
"""What a worker with torch and a small model needs (CHGNet: 0.45 to 0.6 GB)."""

_CGROUP = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def check_memory(workers: int, available_bytes: float | None = None) -> list[Finding]:
    """Whether `workers` fit into the memory that is free now."""
    free = available() if available_bytes is None else available_bytes
    if free is None:
        return []
    said = f"{free / 1e9:.1f} GB free"
    if free < workers * _WORKER_BYTES:
        mend = "take fewer workers, or close something: a worker that runs out of memory is retried"
        return [warn("memory", f"{said} for {workers} workers of about 0.7 GB each", mend)]
    return [ok("memory", said)]


def check_threads(workers: int, threads: int, cores: int | None = None) -> list[Finding]:
    """Workers that take more threads than there are cores are slower together than fewer."""
    cores = len(os.sched_getaffinity(0)) if cores is None else cores
    said = f"{workers} workers here with {threads} threads each, {cores} cores"
    if workers * threads > cores:
        mend = (
            "set run.threads = 1 and no more workers than cores, unless they wait for instruments"
        )
        return [warn("threads", said, mend)]
    own = os.environ.get("OMP_NUM_THREADS", "1")
    if own.isdigit() and int(own) > 1:
        mend = "leave OMP_NUM_THREADS unset: the driver needs one"
        return [warn("threads", f"{said}; OMP_NUM_THREADS={own} for the driver", mend)]
    return [ok("threads", said)]


def available(groups: Iterable[str] = _CGROUP) -> float | None:
    """Bytes that this process and its workers may still take: the machine's, or the container's."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    fields = {line.partition(":")[0]: line.partition(":")[2].split()[0] for line in lines}
    free = int(fields.get("MemAvailable", "0")) * 1024.0
    for path in map(Path, groups):
        try:
            limit = int(path.read_text())
            used = int(path.with_name(_used(path.name)).read_text()) - _given_back(path.parent)
        except (OSError, ValueError):  # no container, or "max"
            continue
        free = min(free, max(limit - used, 0))
    return free


def _given_back(group: Path) -> int:
    """Bytes that count as used, and that the kernel gives back at once: files read some time ago."""
    lines = (group / "memory.stat").read_text().splitlines()
    fields = dict(line.split(maxsplit=1) for line in lines)
    return int(fields.get("total_inactive_file", fields.get("inactive_file", "0")))


def _used(limit: str) -> str:
    return "memory.current" if limit == "memory.max" else "memory.usage_in_bytes"
