"""`matscout doctor [RUN]`: will it work here, is it safe, and what is to be done about it?"""

from __future__ import annotations

import json as jsonlib
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from matscout.cli.doctor import clock, folder, gpu, machine, sqlite, strangers, tokens, versions
from matscout.cli.doctor.finding import Finding, fail, ok
from matscout.errors import MatscoutError, one_line
from matscout.journal_server import Server, read_address, server_for
from matscout.runfolder import RunFolder

if TYPE_CHECKING:
    from matscout.drive.config import RunTable

_MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


def doctor(run: str | None, runs: Path, address: str | None, json: bool) -> int:
    """Print a line for each check; 3 if one fails."""
    found = examine(run, runs, address)
    failed = sum(f.state == "fail" for f in found)
    if json:
        print(jsonlib.dumps({"ok": not failed, "checks": [asdict(f) for f in found]}, indent=1))
        return 3 if failed else 0
    width = max(len(f.what) for f in found)
    for f in found:
        then = f"; {f.mend}" if f.mend else ""
        print(f"{_MARKS[f.state]}  {f.what:{width}}  {one_line(f.said + then)}")
    return 3 if failed else 0


def examine(run: str | None, runs: Path, address: str | None) -> list[Finding]:
    """All findings, the run's own first. InputError if there is no such run."""
    here: RunFolder | None = None
    table: RunTable | None = None
    found: list[Finding] = []
    if run is not None:
        from matscout.cli.assemble import find_run

        here = find_run(run, runs)
        table, found = _run(here)
        runs = here.root.parent
    workers, threads = (table.workers, table.threads) if table else (1, 1)
    address = address or (table.address if table else None)
    here_too = workers if address is None else 0  # a cluster's workers are on its machines
    server, said = _server(here, table)
    found += said
    own = _private(runs, here)
    home = Path(os.path.expanduser("~"))  # Path.home() raises where nobody has one
    checks: list[Callable[[], list[Finding]]] = [
        versions.check,
        sqlite.check,
        lambda: folder.check_file_system(runs, server is not None),
        lambda: folder.check_space(runs),
        lambda: folder.check_modes(own),
        lambda: clock.check([RunFolder(f).journal for f in own]),
        lambda: tokens.check(os.environ, home, address is not None),
        lambda: machine.check_memory(here_too),
        lambda: machine.check_threads(here_too, threads),
        lambda: gpu.check(table.gpus if table and address is None else 0.0),
        lambda: strangers.check(address),
    ]
    if server is not None:
        checks.append(lambda: _journal(server))
    for check in checks:
        found += check()
    return found


def _run(here: RunFolder) -> tuple[RunTable | None, list[Finding]]:
    """What the run asks of the machine, and whether its journal is whole. Needs no Ray."""
    from matscout.drive.config import RunTable
    from matscout.drive.run import load

    try:
        history, spec = load(here)
    except MatscoutError as error:
        return None, [fail("run", str(error), "look with matscout verify")]
    said = f"{spec.name}: {len(history.finished)} of {spec.policy.trials} trials done"
    table = RunTable(**{k: v for k, v in (spec.config.get("run") or {}).items() if v is not None})
    return table, [ok("run", said)]


def _server(here: RunFolder | None, table: RunTable | None) -> tuple[Server | None, list[Finding]]:
    """The server that has the run's journal, or would have a new one's."""
    try:
        if here is not None:
            found = read_address(here)[0] if here.address.is_file() else None
        else:
            found = server_for(table.journal if table else None)
    except MatscoutError as error:
        return None, [fail("journal server", str(error), "see docs/postgres.md")]
    return found, []


def _journal(server: Server) -> list[Finding]:
    from matscout.cli.doctor import server as postgres

    return postgres.check(server)


def _private(runs: Path, here: RunFolder | None) -> list[Path]:
    """The folders that hold runs: this one's, or all."""
    if here is not None:
        return [here.root]
    return sorted(path for path in runs.glob("[!.]*") if RunFolder(path).holds_run)
