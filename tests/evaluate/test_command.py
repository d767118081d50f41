"""Programs of the user's: what they may do, what they may not, and that none is left behind."""

from __future__ import annotations

import json
import os
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from matscout.errors import InputError
from matscout.evaluate.base import Context
from matscout.evaluate.command import MAX_RESULT_BYTES, SECRETS, CommandEvaluator
from matscout.fleet.worker import attempt
from matscout.outcome import Assignment, Kind, Outcome
from matscout.runfolder import RunFolder
from matscout.trial import Target

HEAD = """
import json, os, signal, subprocess, sys, time
params = json.load(open(sys.argv[1]))
result = sys.argv[2]
def say(value):
    with open(result, "w") as file:
        json.dump(value, file)
"""


@pytest.fixture
def run(folder: RunFolder, tmp_path: Path) -> Any:
    """Run a program text as the command of one attempt."""
    trials = iter(range(1000))

    def run(
        text: str,
        params: dict[str, Any] | None = None,
        timeout_s: float | None = None,
        **options: Any,
    ) -> Outcome:
        program = tmp_path / "oracle.py"
        program.write_text(HEAD + textwrap.dedent(text))
        should_stop = options.pop("should_stop", lambda: False)
        argv = [sys.executable, str(program), "{params}", "{result}"]
        evaluator = CommandEvaluator(argv, timeout_s=timeout_s, **options)
        assignment = Assignment(next(trials), 1, params or {}, seed=1)
        (ending,) = attempt(evaluator, assignment, (Target("y"),), folder, should_stop=should_stop)
        return ending

    return run


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_params_and_results_travel_as_json(run: Any, folder: RunFolder) -> None:
    params = {"x": 0.1 + 0.2, "n": 3, "name": 'a "b"; $(rm -rf /) \u00e9', "on": True}
    ending = run(
        """
        print("heating"); print("beware", file=sys.stderr)
        say({"values": {"y": params["x"]}, "sem": {"y": 0.5}, "cost_s": 60, "source": repr(params)})
        """,
        params,
    )
    assert (ending.kind, ending.values, ending.sem) == (Kind.MEASURED, {"y": 0.1 + 0.2}, {"y": 0.5})
    assert (ending.cost_s, ending.source) == (60.0, repr(params))
    work = folder.work(0, 1)
    assert json.loads((work / "params.json").read_text()) == params
    assert (work / "stdout.txt").read_text() == "heating\n"
    assert (work / "stderr.txt").read_text() == "beware\n"


@pytest.mark.parametrize(
    ("said", "kind", "reason"),
    [
        ("say(1.5)", Kind.MEASURED, ""),
        ("say({'y': 1.5, 'z': 2})", Kind.MEASURED, ""),
        ("say({'z': 2})", Kind.INVALID, "no value for y"),
        ("say('1.5')", Kind.INVALID, "y must be a number, got str"),
        ("say(None)", Kind.INVALID, ""),
        ("say(float('nan'))", Kind.INVALID, "y must be finite, got nan"),
        ("open(result, 'w').write('1e400')", Kind.INVALID, "y must be finite, got inf"),
        ("open(result, 'w').write('1,5')", Kind.INVALID, "the result is not JSON"),
        ("open(result, 'w').write('[' * 100000)", Kind.INVALID, "the result is not JSON"),
        ("open(result, 'wb').write(bytes(range(256)))", Kind.INVALID, "the result is not JSON"),
        ("pass", Kind.INVALID, "the command wrote no result file"),
        ("os.mkdir(result)", Kind.INVALID, "the result is no regular file"),
        ("os.mkfifo(result)", Kind.INVALID, "the result is no regular file"),
        ("os.symlink('/etc/hostname', result)", Kind.INVALID, "the command wrote no result file"),
        (f"say('x' * {MAX_RESULT_BYTES})", Kind.INVALID, "the result is larger than"),
        ("print('a\\nno gas', file=sys.stderr); sys.exit(1)", Kind.FAILED, "no gas"),
        ("sys.exit(2)", Kind.FAILED, "the command ended with exit code 2"),
        ("say(1.5); sys.exit(3)", Kind.FAILED, "the command ended with exit code 3"),
        ("sys.exit(75)", Kind.CRASHED, "RuntimeError: the command says that it crashed"),
        (
            "os.kill(os.getpid(), 11)",
            Kind.CRASHED,
            "RuntimeError: the command was killed by SIGSEGV",
        ),
    ],
)
def test_how_a_command_may_end(run: Any, said: str, kind: Kind, reason: str) -> None:
    ending = run(said)
    assert ending.kind is kind, ending.reason
    assert ending.reason.startswith(reason)


def test_a_command_that_is_not_there_is_told_before_anything_runs() -> None:
    words = ["{params}", "{result}"]
    with pytest.raises(InputError, match="there is no program 'no-such-program-here'"):
        CommandEvaluator(["no-such-program-here", *words])
    with pytest.raises(InputError, match="must be a list of words"):
        CommandEvaluator("python oracle.py {params} {result}")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="is empty"):
        CommandEvaluator([])
    with pytest.raises(InputError, match=r"\{result\} is missing"):
        CommandEvaluator([sys.executable, "{params}"])
    with pytest.raises(InputError, match="timeout_s: must be above 0"):
        CommandEvaluator([sys.executable, *words], timeout_s=0.0)


def test_a_program_that_vanished_is_a_crash(folder: RunFolder, tmp_path: Path) -> None:
    argv = [str(tmp_path / "gone"), "{params}", "{result}"]
    (ending,) = attempt(CommandEvaluator(argv), Assignment(0, 1, {}), (Target("y"),), folder)
    assert ending.kind is Kind.CRASHED and "FileNotFoundError" in ending.reason


def test_it_runs_in_the_folder_it_is_told_without_our_secrets(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RAY_AUTH_TOKEN", "MATSCOUT_JOURNAL", "PGPASSWORD"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))  # where, and no secret
    home = tmp_path / "home"
    home.mkdir()
    ending = run(
        f"""
        assert os.getcwd() == {str(home)!r}
        assert "secret" not in os.environ.values(), os.environ
        assert "PGPASSFILE" in os.environ
        say(1)
        """,
        folder=home,
    )
    assert ending.kind is Kind.MEASURED


def test_every_variable_that_libpq_hides_is_kept_from_programs() -> None:
    psycopg = pytest.importorskip("psycopg", reason="psycopg (extra 'postgres') is not installed")
    hidden = {o.envvar for o in psycopg.pq.Conninfo.get_defaults() if o.dispchar == b"*"} - {None}
    assert b"PGPASSWORD" in hidden
    assert {name.decode() for name in hidden} <= set(SECRETS)


CHILDREN = """
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
    with open(params["pids"], "a") as file:
        file.write(f"{os.getpid()}\\n")
    time.sleep(3600)
while len(open(params["pids"]).read().split() if os.path.exists(params["pids"]) else []) < 2:
    time.sleep(0.01)
"""


def told_pids(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()]


def test_a_timeout_ends_it_with_everything_it_started(run: Any, tmp_path: Path) -> None:
    """A child that ignores SIGTERM, and a daemon in a session of its own (promise R11)."""
    pids = tmp_path / "pids"
    ending = run(CHILDREN + "time.sleep(3600)", {"pids": str(pids)}, timeout_s=1.0, grace_s=0.2)
    assert ending.kind is Kind.CRASHED
    assert ending.reason.startswith("timeout: TimeoutError: after 1 s the command was ended")
    assert len(told_pids(pids)) == 2
    assert not [pid for pid in told_pids(pids) if is_alive(pid)]


def test_what_it_leaves_in_the_background_ends_with_it(run: Any, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    assert run(CHILDREN + "say(1)", {"pids": str(pids)}).kind is Kind.MEASURED
    assert len(told_pids(pids)) == 2
    assert not [pid for pid in told_pids(pids) if is_alive(pid)]


def test_it_is_asked_to_stop_by_sigterm_and_may_clean_up(run: Any, tmp_path: Path) -> None:
    started, cleaned = tmp_path / "started", tmp_path / "cleaned"
    ending = run(
        """
        def clean(*_):
            open(params["cleaned"], "w").close()
            sys.exit(0)
        signal.signal(signal.SIGTERM, clean)
        open(params["started"], "w").close()
        time.sleep(3600)
        """,
        {"started": str(started), "cleaned": str(cleaned)},
        should_stop=started.exists,
    )
    assert ending.kind is Kind.STOPPED
    assert cleaned.exists()


def test_without_a_work_folder_it_uses_one_that_goes(tmp_path: Path) -> None:
    program = tmp_path / "oracle.py"
    program.write_text(HEAD + "say({'values': {'y': 1}, 'source': sys.argv[2]})")
    evaluator = CommandEvaluator(
        [sys.executable, str(program), "{params}", "{result}"], costly=True
    )
    assert evaluator.costly
    (measurement,) = evaluator.evaluate({}, Context())
    assert not os.path.exists(os.path.dirname(measurement.source))


def test_ending_early_by_closing_leaves_nothing_running(folder: RunFolder, tmp_path: Path) -> None:
    """Ctrl-C in the middle of an inline run."""
    pid = tmp_path / "pid"
    program = tmp_path / "oracle.py"
    program.write_text(HEAD + f"open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(3600)")
    evaluator = CommandEvaluator([sys.executable, str(program), "{params}", "{result}"])

    def interrupt() -> bool:
        if pid.exists() and pid.read_text():
            raise KeyboardInterrupt
        return False

    start_s = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(evaluator.evaluate({}, Context(should_stop=interrupt)))
    assert not is_alive(int(pid.read_text()))
    assert time.monotonic() - start_s < 60
