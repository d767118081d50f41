"""Each check of the doctor on what it is there for."""

from __future__ import annotations

import os
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import pytest

from matscout.cli.doctor import clock, folder, gpu, machine, sqlite, tokens, versions
from matscout.cli.doctor.finding import Finding


def one(found: list[Finding], what: str) -> Finding:
    (finding,) = [f for f in found if f.what.startswith(what)]
    assert (finding.mend == "") == (finding.state == "ok"), finding
    return finding


def test_versions_too_old_or_missing() -> None:
    def installed(name: str) -> str:
        if name == "pandas":
            raise PackageNotFoundError(name)
        return {"ray": "2.58.9", "torch": "2.9.1+cu128"}.get(name, "9999.1")

    found = versions.check(installed)
    assert one(found, "ray").state == "fail" and "CVE-2023-48022" in one(found, "ray").said
    assert one(found, "torch").mend == "pip install 'torch>=2.10'"
    assert one(found, "pandas").said == "is not installed"
    assert one(found, "versions").state == "ok"
    assert {f.state for f in versions.check()} == {"ok"}, "what the tests run on is good"


def test_least_versions_are_those_of_the_package() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    wanted = {
        line.split(">=")[0].split("[")[0]: line.split(">=")[1].split(",")[0]
        for line in project["dependencies"]
        if ">=" in line
    }
    for name, (least, _) in versions.LEAST.items():
        assert wanted[name] == least, name


@pytest.mark.parametrize(
    ("version", "broken"),
    [
        ((3, 6, 23), False), ((3, 7, 0), True), ((3, 40, 1), True), ((3, 44, 5), True),
        ((3, 44, 6), False), ((3, 50, 6), True), ((3, 50, 7), False), ((3, 51, 2), True),
        ((3, 51, 3), False), ((3, 52, 0), False),
    ],
)  # fmt: skip
def test_the_wal_reset_bug_is_named_and_harmless(version: tuple[int, ...], broken: bool) -> None:
    assert sqlite.has_wal_reset_bug(version) == broken
    (finding,) = sqlite.check(version)
    assert finding.state == "ok" and ("harmless here" in finding.said) == broken


def test_network_file_systems_are_refused_unless_the_journal_is_on_a_server(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"disk / ext4 rw 0 0\nfiles:/x {tmp_path}/far nfs4 rw 0 0\n")
    (tmp_path / "far").mkdir()
    runs = tmp_path / "far" / "results" / "runs"
    found = one(folder.check_file_system(runs, False, mounts), "file system")
    assert found.state == "fail" and "nfs4" in found.said and "PostgreSQL" in found.mend
    assert folder.check_file_system(runs, True, mounts)[0].state == "ok"
    assert folder.check_file_system(tmp_path / "near", False, mounts)[0].state == "ok"
    (tmp_path / "linked").symlink_to(tmp_path / "far")
    assert folder.check_file_system(tmp_path / "linked", False, mounts)[0].state == "fail"


def test_a_file_system_that_nobody_can_look_at_is_not_called_local(tmp_path: Path) -> None:
    found = one(folder.check_file_system(tmp_path, False, tmp_path / "no mounts"), "file system")
    assert found.state == "warn" and "nobody can tell" in found.said


@pytest.mark.parametrize(("free", "state"), [(6e9, "ok"), (4e9, "warn"), (1e8, "fail")])
def test_disk_space(tmp_path: Path, free: int, state: str) -> None:
    assert one(folder.check_space(tmp_path / "not" / "yet", free), "disk").state == state


def test_state_folders_are_for_their_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(0o700)
    (tmp_path / "b c").mkdir()
    (tmp_path / "b c").chmod(0o750)
    assert one(folder.check_modes([tmp_path / "a"]), "folder modes").state == "ok"
    found = one(folder.check_modes([tmp_path / "a", tmp_path / "b c"]), "folder modes")
    assert found.state == "fail" and found.mend == f"chmod 700 '{tmp_path}/b c'"
    assert folder.check_modes([tmp_path / "none"]) == []


def test_clock(tmp_path: Path) -> None:
    journal = tmp_path / "journal.db"
    journal.touch()
    os.utime(journal, (1_900_000_000, 1_900_000_000))
    assert one(clock.check([journal], 1_900_000_030.0), "clock").state == "ok"
    late = one(clock.check([journal, tmp_path / "none"], 1_899_000_000.0), "clock")
    assert late.state == "warn" and "1000000 s" in late.said
    assert "1970" in one(clock.check([], 0.0), "clock").said


TOKEN = "d41d8cd98f00b204e9800998ecf8427e"


@pytest.mark.parametrize(
    ("environment", "state"),
    [
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}, "ok"),
        ({"RAY_AUTH_MODE": "disabled", "RAY_AUTH_TOKEN": TOKEN}, "fail"),
        ({"RAY_AUTH_MODE": "token"}, "fail"),
        ({"RAY_AUTH_TOKEN": TOKEN}, "warn"),
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN[:4]}, "warn"),
    ],
)
def test_ray_tokens(tmp_path: Path, environment: dict[str, str], state: str) -> None:
    found = tokens.check(environment, tmp_path, cluster=True)
    assert one(found, "ray token").state == state
    assert TOKEN[:4] not in str(found)
    assert one(tokens.check(environment, tmp_path, cluster=False), "ray token").state == "ok"


def test_files_with_secrets_are_for_their_owner_alone(tmp_path: Path) -> None:
    for name in (".ray/auth_token", ".pgpass"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(TOKEN)
        (tmp_path / name).chmod(0o640)
    found = tokens.check({"RAY_AUTH_MODE": "token"}, tmp_path, cluster=True)
    assert [f.state for f in found] == ["ok", "fail", "fail"] and TOKEN not in str(found)
    assert one(found, "password file").mend == f"chmod 600 '{tmp_path}/.pgpass'"
    alone = tokens.check({}, tmp_path, cluster=False)
    assert [f.state for f in alone] == ["ok", "warn", "fail"], "nobody uses Ray's token here"
    for name in (".ray/auth_token", ".pgpass"):
        (tmp_path / name).chmod(0o600)
    found = tokens.check({"RAY_AUTH_MODE": "token"}, tmp_path, cluster=True)
    assert [f.state for f in found] == ["ok", "ok", "ok"]


def test_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert one(gpu.check(0.0, tmp_path), "gpu").state == "ok"
    assert one(gpu.check(0.5, tmp_path), "gpu").state == "fail"
    for name in ("nvidia0", "nvidia1", "nvidiactl"):
        (tmp_path / name).touch()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "2 here, hidden" in one(gpu.check(0.0, tmp_path), "gpu").said
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    torch = SimpleNamespace(
        cuda=SimpleNamespace(is_available=lambda: False), version=SimpleNamespace(cuda=None)
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    found = one(gpu.check(0.0, tmp_path), "gpu")
    assert found.state == "fail" and "without CUDA" in found.said


def test_memory_and_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    assert one(machine.check_memory(4, 2e9), "memory").state == "warn"
    assert one(machine.check_memory(4, 3e9), "memory").state == "ok"
    assert (machine.available() or 0.0) > 1e6
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert one(machine.check_threads(4, 2, cores=8), "threads").state == "ok"
    assert one(machine.check_threads(5, 2, cores=8), "threads").state == "warn"
    monkeypatch.setenv("OMP_NUM_THREADS", "16")
    assert "OMP_NUM_THREADS=16" in one(machine.check_threads(1, 1, cores=8), "threads").said


def test_what_a_container_has_read_does_not_count_as_used(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("2000000\n")
    (tmp_path / "memory.current").write_text("1900000\n")
    (tmp_path / "memory.stat").write_text("anon 100000\ninactive_file 1700000\n")
    assert machine.available([str(tmp_path / "memory.max")]) == 1_800_000
    (tmp_path / "memory.max").write_text("max\n")
    assert (machine.available([str(tmp_path / "memory.max")]) or 0.0) > 1e7
