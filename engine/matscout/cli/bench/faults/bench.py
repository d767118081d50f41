"""The promises of reliability, each put to its test: how often it was tried, and how often it held."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from matscout.cli.bench.store import Store, loaded
from matscout.cli.promises import named
from matscout.cli.promises.named import promises
from matscout.cli.promises.promise import POSTGRESQL, PROCESS, RAY, SQLITE, Promise, Setting
from matscout.drive.run import versions
from matscout.errors import InputError, did_you_mean
from matscout.journal_server import check_address

Result = dict[str, Any]
_HEAD = ("promise", "journal", "fleet", "tried", "kept", "lost", "doubled", "seconds", "said")


@dataclass(frozen=True)
class Options:
    """`only`: ids with commas; empty: all. `rounds`: so many of each, whatever its own numbers are.
    `journal`: "sqlite" or the URL of a PostgreSQL server that may be written to."""

    full: bool = False
    only: str = ""
    journal: str = SQLITE
    fleet: str = PROCESS
    seed: int = 0
    rounds: int | None = None

    @property
    def database(self) -> str:
        """The kind, without an address: that may hold a password."""
        return SQLITE if self.journal == SQLITE else POSTGRESQL

    @property
    def names(self) -> list[str]:
        return [name.strip().upper() for name in self.only.split(",") if name.strip()]

    def command(self, promise: str) -> str:
        words = ["matscout bench faults", f"--only {promise}"]
        words += ["--full"] if self.full else []
        words += [f"--rounds {self.rounds}"] if self.rounds is not None else []
        words += [] if self.journal == SQLITE else ["--journal postgresql://…"]
        words += [] if self.fleet == PROCESS else [f"--fleet {self.fleet}"]
        return " ".join([*words, f"--seed {self.seed}"])

    def rounds_of(self, promise: Promise) -> int:
        if self.rounds is not None:
            return self.rounds
        return promise.full if self.full else promise.small


def faults(options: Options, store: Store) -> Result:
    """Play every promise that is asked on this journal and fleet; the store is given all after each."""
    if options.fleet not in (PROCESS, RAY):
        known = did_you_mean(options.fleet, (PROCESS, RAY))
        raise InputError("--fleet", f"no fleet {options.fleet!r}", known)
    if options.journal != SQLITE:
        check_address(options.journal, "--journal")
    chosen = promises(options.names)
    figures = store.kept()
    played: dict[str, Any] = {}
    for promise in chosen:
        if options.database not in promise.journals or options.fleet not in promise.fleets:
            continue
        key = f"{promise.id} {options.database} {options.fleet}"
        figures[key] = played[key] = _play(promise, options)
        store.save(_result(figures))
    if not played:
        what = f"none of these is asked on {options.database} with fleet {options.fleet}"
        raise InputError("--only", what, "leave --journal or --fleet out")
    return _result(played)


def table(result: Result) -> str:
    """The result for a person."""
    rows = [_HEAD, *_rows(result)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD) - 1)]
    lines = []
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        lines.append(" ".join([*cells, row[-1]]).rstrip())
    broken = result["broken"]
    left_out = sorted(
        named.MODULES.keys() - {row.split()[0] for row in result["figures"]}, key=_number
    )
    if left_out:
        lines.append(f"not played here: {', '.join(left_out)}")
    said = f"broken: {', '.join(broken)}" if broken else "every promise was kept that was played"
    lines.append(said)
    return "\n".join(lines)


def _number(promise: str) -> int:
    return int(promise[1:])


def load(path: Path) -> Result:
    """What `bench faults` has written. InputError where it did not."""
    result = loaded(path, "faults", ("versions", "figures"))
    for name, found in result["figures"].items():
        if not isinstance(found, dict) or not {"tried", "kept", "said"} <= found.keys():
            mend = "name a file that --out has written"
            raise InputError(str(path), f"{name!r} is no figure of bench faults", mend)
    return result


def _play(promise: Promise, options: Options) -> Result:
    began_s = time.perf_counter()
    rounds = options.rounds_of(promise)
    with tempfile.TemporaryDirectory(prefix="matscout-faults-") as folder:
        setting = Setting(Path(folder), rounds, options.seed, options.journal, options.fleet)
        figure = promise.keep(setting)
    return {
        "promise": promise.said,
        "test": promise.test,
        **asdict(figure),
        "numbers": dict(figure.numbers),
        "holds": figure.holds,
        "rounds": rounds,
        "full": promise.full,
        "seed": options.seed,
        "seconds": round(time.perf_counter() - began_s, 1),
        "command": options.command(promise.id),
    }


def _result(figures: dict[str, Any]) -> Result:
    ordered = dict(sorted(figures.items(), key=lambda item: (int(item[0].split()[0][1:]), item[0])))
    return {
        "figures": ordered,
        "broken": [name for name, found in ordered.items() if not found["holds"]],
        "cores": os.cpu_count(),
        "kernel": platform.release().partition("-")[0],
        "versions": versions(),
    }


def _rows(result: Result) -> Iterator[tuple[str, ...]]:
    for name, found in result["figures"].items():
        counts = (found[key] for key in ("tried", "kept", "lost", "doubled"))
        yield (*name.split(), *map(str, counts), f"{found['seconds']:g}", _said(found))


def _said(found: Result) -> str:
    numbers = ", ".join(f"{name} {value:.4g}" for name, value in found["numbers"].items())
    return "; ".join(part for part in (found["said"], numbers) if part)
