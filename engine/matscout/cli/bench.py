"""`matscout bench NAME`: measurements that anyone can repeat, as a table and as JSON."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Any

from matscout.checkpoint import write_durably
from matscout.errors import InputError, did_you_mean

NAMES = ("overhead", "history", "halide-reference")


def bench(name: str, out: Path | None, trials: int, repeats: int, json: bool) -> int:
    """Run a benchmark, print its table, and write it to `out` if asked."""
    if name not in NAMES:
        raise InputError("bench", f"no benchmark called {name!r}", did_you_mean(name, NAMES))
    if out is not None and not out.absolute().parent.is_dir():
        raise InputError(str(out), "its folder does not exist", "make the folder first")
    if name == "halide-reference":
        from matscout.drive.halide_reference import main

        return main([] if out is None else ["--out", str(out)])
    if name == "history":
        from matscout.cli.bench_history import history, table

        result = history(repeats)
        result["command"] = f"matscout bench history --repeats {repeats}"
    else:
        from matscout.cli.bench_overhead import overhead, table

        result = overhead(trials, repeats)
        result["command"] = f"matscout bench overhead --trials {trials} --repeats {repeats}"
    text = jsonlib.dumps(result, indent=1)
    print(text if json else table(result))
    if out is not None:
        write_durably(out, (text + "\n").encode())
    return 0


def interleaved(engines: dict[str, Any], repeats: int) -> dict[str, list[float]]:
    """Call each engine once a round, so that what else the machine does meets them all alike."""
    found: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(repeats):
        for name, engine in engines.items():
            found[name].append(engine())
    return found
