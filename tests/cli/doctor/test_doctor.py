"""`matscout doctor`: what it prints, what it ends with, and what it does not load."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from matscout.cli.app import main
from matscout.cli.doctor import strangers
from matscout.cli.doctor.doctor import examine

CONFIG = """
name = "first"
[space.parameters]
x = { type = "float", low = -5.0, high = 10.0 }
[[targets]]
name = "loss"
direction = "min"
[goal]
kind = "best"
[run]
workers = 3
"""


def said(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(SystemExit) as end:
        main(words)
    return int(end.value.code or 0), capsys.readouterr().out


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without anybody's tokens, with one campaign in it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(strangers, "DOORS", {})  # whatever else runs on this machine
    (tmp_path / "first.toml").write_text(CONFIG)
    with pytest.raises(SystemExit) as end:
        main(["campaign", "new", "first.toml"])
    assert not end.value.code
    return tmp_path


def test_lines_and_exit_codes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = said(["doctor", "first"], capsys)
    lines = out.splitlines()
    assert code == 0 and {line[:4] for line in lines} <= {"ok  ", "warn"}, out
    assert any(line.startswith("ok    run ") and "0 of 50 trials" in line for line in lines)
    (home / "results" / "runs" / "first").chmod(0o755)
    code, out = said(["doctor", "first"], capsys)
    assert code == 3 and any(line.startswith("FAIL  folder modes ") for line in out.splitlines())
    assert "chmod 700" in out
    code, out = said(["doctor", "--json"], capsys)
    answer = json.loads(out)
    assert code == 3 and not answer["ok"]
    assert [c["what"] for c in answer["checks"] if c["state"] == "fail"] == ["folder modes"]


def test_a_damaged_run_is_a_failed_check(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "results" / "runs" / "first" / "journal.db").write_bytes(b"no database" * 100)
    code, out = said(["doctor", "first"], capsys)
    assert code == 3 and "FAIL  run " in out and "matscout verify" in out


def test_a_server_that_does_not_answer(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setenv("MATSCOUT_JOURNAL", f"postgresql://lab:geheim@/x?host={home}")
    code, out = said(["doctor"], capsys)
    assert code == 3 and "FAIL  journal server" in out and "geheim" not in out


def test_a_server_that_answers(postgres: Any, home: Path) -> None:
    found = {f.what: f for f in examine("first", Path("results/runs"), None)}
    assert found["journal server"].state == "ok" and "fsync on" in found["journal server"].said
    assert postgres.PASSWORD not in str(found)


def test_neither_torch_nor_ray_is_loaded_until_a_check_needs_it(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from matscout.cli.app import main\n"
        "try:\n    main(['doctor'])\nexcept SystemExit:\n    pass\n"
        "heavy = [m for m in ('torch', 'ray', 'botorch', 'optuna', 'pymatgen', 'pandas') if m in sys.modules]\n"
        "assert not heavy, heavy"
    )
    # A machine with a graphics card needs torch to look at it.
    if list(Path("/dev").glob("nvidia[0-9]*")):
        pytest.skip("there is a graphics card here")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr


def test_the_workers_of_a_cluster_need_no_room_here(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    monkeypatch.setattr(strangers, "check", lambda _: [])

    def threads(address: str | None) -> str:
        found = examine("first", Path("results/runs"), address)
        return next(f.state for f in found if f.what == "threads")

    assert (threads(None), threads("head:6379")) == ("warn", "ok")


def test_it_knocks_here_where_no_cluster_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []
    monkeypatch.setattr(strangers, "check", lambda address: asked.append(address) or [])
    for run, address in ((None, None), ("first", None), (None, "auto"), ("first", "head:6379")):
        examine(run, Path("results/runs"), address)
    assert asked == [None, None, "auto", "head:6379"]


def test_without_psycopg_it_says_what_to_install(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert said(["doctor"], capsys)[0] == 0
    monkeypatch.setenv("MATSCOUT_JOURNAL", "postgresql://lab@/x")
    code, out = said(["doctor"], capsys)
    assert code == 3 and "pip install 'matscout[postgres]'" in out


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["token", "disabled"])
def test_a_real_head_with_and_without_a_token(mode: str) -> None:
    """What a stranger is told is Ray's own business, so Ray is asked."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="mt-doctor-", dir="/tmp") as place:
        words = [
            str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", f"--port={port}",
            "--node-ip-address=127.0.0.1", "--num-cpus=1", "--include-dashboard=false",
            "--disable-usage-stats", f"--temp-dir={place}",
        ]  # fmt: skip
        environment = {
            **os.environ, "RAY_AUTH_MODE": mode, "RAY_AUTH_TOKEN": secrets.token_hex(16),
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        }  # fmt: skip
        head = subprocess.Popen(
            words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            until_s = time.monotonic() + 60
            found = strangers._head("127.0.0.1", port)
            while found.state == "warn" and time.monotonic() < until_s:
                found = strangers._head("127.0.0.1", port)
            assert found.state == ("ok" if mode == "token" else "fail"), found
        finally:
            head.send_signal(signal.SIGTERM)
            head.wait(30)
