"""A folder with a config, an oracle, and the oracle's own ledger, which the engine never reads."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from matscout.cli.promises.promise import RAY, Setting
from matscout.journal_server import read_address
from matscout.runfolder import RunFolder

NAME = "run"

CONFIG = """
name = "{name}"
seed = {seed}
[space.parameters]
x = {{ type = "float", low = 0.0, high = 1.0 }}
[[targets]]
name = "y"
direction = "min"
[evaluator]
type = "function"
target = "oracle:measure"
[proposer]
type = "{proposer}"
{extra}
[run]
trials = {trials}
workers = {workers}
fleet = "{fleet}"
costly = {costly}
max_crashes = 1000
{run}
"""

ORACLE = """
import os, time
from pathlib import Path

HOME = Path(__file__).parent

def note(*words):
    # One write at the end of the file: whole, whoever else writes.
    ledger = os.open(HOME / "ledger.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(ledger, (" ".join(map(str, words)) + chr(10)).encode())
    os.close(ledger)

def value(params, context):
    return (params["x"] - 0.3) ** 2 + 1e-6 * context.attempt
"""
"""What every oracle here begins with. A value tells the attempts of a trial apart."""

PLAIN = """
def measure(params, context):
    note("begun", context.trial, context.attempt, os.getpid())
    time.sleep({work_s})
    y = value(params, context)
    note("done", context.trial, context.attempt, repr(y))
    return y
"""

Attempt = tuple[int, int]
"""(trial, attempt)"""


@dataclass(frozen=True)
class Ledger:
    """What was really done: how often each attempt was begun, and what those that ended measured."""

    begun: Counter[Attempt] = field(default_factory=Counter)
    done: dict[Attempt, float] = field(default_factory=dict)

    def times(self) -> Counter[int]:
        """How often each trial was begun."""
        found: Counter[int] = Counter()
        for (trial, _), count in self.begun.items():
            found[trial] += count
        return found


@dataclass(frozen=True)
class Laboratory:
    """`home` holds the config c.toml, the oracle, its ledger, and the run. `fresh`: its drivers are new
    interpreters, as Ray needs them, and no forks."""

    home: Path
    fresh: bool = False

    @classmethod
    def make(
        cls,
        home: Path,
        setting: Setting,
        *,
        trials: int,
        workers: int = 2,
        seed: int = 0,
        costly: bool = False,
        proposer: str = "sobol",
        oracle: str = "",
        work_s: float = 0.003,
        extra: str = "",
        run: str = "",
    ) -> Laboratory:
        """`oracle`: Python after ORACLE that defines `measure`; `extra`, `run`: lines of the config."""
        home.mkdir(parents=True)
        text = CONFIG.format(
            name=NAME, seed=seed, proposer=proposer, extra=extra, trials=trials, workers=workers,
            fleet=setting.fleet, costly=str(costly).lower(), run=run,
        )  # fmt: skip
        (home / "c.toml").write_text(text)
        (home / "oracle.py").write_text(ORACLE + (oracle or PLAIN.format(work_s=work_s)))
        return cls(home, fresh=setting.fleet == RAY)

    @property
    def folder(self) -> RunFolder:
        return RunFolder(self.home / "results" / "runs" / NAME)

    @property
    def told(self) -> Path:
        """What drivers were told is safe: a line "seq hash" for each event whose commit returned."""
        return self.home / "told.txt"

    @property
    def log(self) -> Path:
        """What drivers printed."""
        return self.home / "said.txt"

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @property
    def words(self) -> tuple[str, ...]:
        """The command that begins the run, or goes on with it."""
        return ("resume", NAME) if self.folder.holds_run else ("sweep", "c.toml")

    def notes(self) -> Iterator[list[str]]:
        """The ledger's lines, as words."""
        path = self.home / "ledger.txt"
        text = path.read_text() if path.exists() else ""
        for line in text.splitlines(keepends=True):
            if line.endswith("\n"):
                yield line.split()

    def ledger(self) -> Ledger:
        ledger = Ledger()
        for word, trial, attempt, *rest in self.notes():
            if word == "begun":
                ledger.begun[int(trial), int(attempt)] += 1
            elif word == "done":
                ledger.done[int(trial), int(attempt)] = float(rest[0])
        return ledger


@contextmanager
def journals_of(setting: Setting) -> Iterator[None]:
    """While the block runs, this process and its children put their journals where `setting` says."""
    before = os.environ.get("MATSCOUT_JOURNAL")
    os.environ.pop("MATSCOUT_JOURNAL", None)
    os.environ.update(setting.environment)
    try:
        yield
    finally:
        os.environ.pop("MATSCOUT_JOURNAL", None)
        if before is not None:
            os.environ["MATSCOUT_JOURNAL"] = before


def drop_schema(folder: RunFolder) -> None:
    """The run's journal on its server is not needed any more. Nothing to do for a file."""
    if not folder.address.is_file():
        return
    from psycopg import sql

    server, schema = read_address(folder)
    with server.connect("matscout faults") as connection:
        query = sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema))
        connection.execute(query)
