"""Fixtures that every folder may use."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

os.environ.pop("MATSCOUT_JOURNAL", None)  # a developer's own

from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

from matscout import failpoint  # noqa: E402
from matscout.runfolder import RunFolder  # noqa: E402

ROOT = Path(__file__).parents[1]

# The same examples on every machine, and no deadline: two shared cores are no stop-watch.
settings.register_profile(
    "matscout",
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("matscout")


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """The empty folder of a run, as `create` leaves it before the journal."""
    run = RunFolder(tmp_path / "run")
    run.root.mkdir(mode=0o700)
    run.outbox.mkdir(mode=0o700)
    return run


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real tables, which lie beside a developer's checkout and nowhere else."""
    path = ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("the real tables (../shared/data) are not here")
    return path


@pytest.fixture
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strategies with as many trees as ten groups need: half a second less for each forest; and
    networks that are hardly trained."""
    from matscout.propose.strategies import ensemble, named

    monkeypatch.setattr(ensemble, "MEMBERS", 2)
    monkeypatch.setattr(ensemble, "EPOCHS", 4)
    for name, make in list(named.STRATEGIES.items()):
        rule: Any = make()
        if hasattr(rule, "trees"):
            monkeypatch.setitem(named.STRATEGIES, name, partial(replace, rule, trees=10))


@pytest.fixture
def disarm() -> Iterator[None]:
    """Whatever failpoint a test arms is disarmed after it."""
    yield
    failpoint.arm("")


@dataclass(frozen=True)
class PostgresServer:
    """A server of our own: a Unix socket in a folder of its own, no network, one user with a password."""

    folder: Path
    programs: Path
    user: tuple[int, int] | None
    """Who runs it, by numbers (user, group): PostgreSQL refuses to be root."""

    PASSWORD = "se/cr@t pass"

    @property
    def address(self) -> str:
        return f"postgresql://matscout@/postgres?host={self.folder}"

    @property
    def url(self) -> str:
        return self.address.replace("@/", ":se%2Fcr%40t%20pass@/")

    def run(self, program: str, *words: str) -> None:
        command = [str(self.programs / program), "-D", str(self.folder / "data"), *words]
        kept = (
            {"user": self.user[0], "group": self.user[1], "extra_groups": []} if self.user else {}
        )
        with open(self.folder / "said.txt", "ab") as said:
            subprocess.run(command, check=True, cwd="/", stdout=said, stderr=said, **kept)  # type: ignore[call-overload]

    def start(self) -> None:
        options = f"-k {self.folder} -c listen_addresses= -c max_connections=40 -c shared_buffers=16MB -c dynamic_shared_memory_type=mmap"
        self.run("pg_ctl", "-w", "-l", str(self.folder / "log.txt"), "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        self.run("pg_ctl", "-w", "-m", mode, "stop")

    def restart(self) -> None:
        self.stop()
        self.start()

    def kill(self) -> None:
        """SIGKILL to all of it, at once."""
        first = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        others = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        for pid in (first, *map(int, others)):
            os.kill(pid, signal.SIGKILL)
        for pid in (first, *map(int, others)):
            while _runs(pid):
                os.sched_yield()
        # Where nobody buries the dead, a server takes one for the living.
        for lock in (self.folder / "data" / "postmaster.pid", *self.folder.glob(".s.PGSQL*")):
            lock.unlink(missing_ok=True)

    def admin(self) -> Any:
        """A connection beside the journal's."""
        import psycopg

        return psycopg.connect(self.url, autocommit=True)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    pytest.importorskip("psycopg", reason="psycopg (extra 'postgres') is not installed")
    found = shutil.which("initdb") or next(Path("/usr/lib/postgresql").glob("*/bin/initdb"), None)
    if found is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    users = {u.pw_name: (u.pw_uid, u.pw_gid) for u in pwd.getpwall()}
    user = None if os.getuid() else users.get("postgres") or users["nobody"]
    roomy = os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").free > 500e6
    memory = "/dev/shm" if roomy else "/tmp"
    # Not below TMPDIR, which another user may not enter; and a socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="matscout-pg-", dir=memory))
    server = PostgresServer(folder, Path(found).resolve().parent, user)
    (folder / "password").write_text(server.PASSWORD)
    for path in (folder, folder / "password"):
        os.chown(path, *(user or (-1, -1)))
    try:
        server.run(
            "initdb", "--no-sync", "-U", "matscout", "-A", "scram-sha-256", "-E", "UTF8",
            "--locale=C", "--pwfile", str(folder / "password"),
        )  # fmt: skip
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres(postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> PostgresServer:
    """The server, and new journals go there."""
    monkeypatch.setenv("MATSCOUT_JOURNAL", postgres_server.url)
    return postgres_server
