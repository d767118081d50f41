"""`matscout bench NAME`: measurements that anyone can repeat, as a table and as JSON."""

from __future__ import annotations

import json as jsonlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from matscout.checkpoint import write_durably
from matscout.errors import InputError, did_you_mean

NAMES = ("overhead", "history", "campaigns", "latency", "halide-reference")

_LISTS = re.compile(r"\[[-0-9.,\snulle+]*\]")
"""Lists of numbers: on one line, or a file of curves has a line for every point."""

T = TypeVar("T")
Table = Callable[[dict[str, Any]], str]


@dataclass(frozen=True)
class Options:
    """The command line; each benchmark reads what concerns it."""

    trials: int = 300
    repeats: int = 3
    data: Path | None = None
    tables: str = "top"
    seeds: int = 10
    arms: str = ""
    peer_python: str | None = None
    jobs: int | None = None
    large: bool = False
    merge: bool = False
    render: Path | None = None


def bench(name: str, out: Path | None, options: Options, json: bool) -> int:
    """Run a benchmark, print its table, and write it to `out` if asked."""
    if name not in NAMES:
        raise InputError("bench", f"no benchmark called {name!r}", did_you_mean(name, NAMES))
    if out is not None and not out.absolute().parent.is_dir():
        raise InputError(str(out), "its folder does not exist", "make the folder first")
    if name == "halide-reference":
        from matscout.drive.halide_reference import main

        return main([] if out is None else ["--out", str(out)])
    if options.render is not None:
        return _render(name, options.render, out)
    result, table = _run(name, out, options)
    print(jsonlib.dumps(result, indent=1, allow_nan=False) if json else table(result))
    if name != "campaigns":  # which has written after every table
        _write(out, result)
    return 0


def _render(name: str, file: Path, out: Path | None) -> int:
    """What an earlier benchmark wrote, as a page of Markdown."""
    from matscout.cli.bench_campaigns_file import load
    from matscout.cli.bench_campaigns_markdown import markdown

    if name != "campaigns":
        raise InputError("--render", f"the file of {name} has no page", "render that of campaigns")
    page = markdown(load(file))
    if out is None:
        print(page, end="")
    elif out.absolute() == file.absolute():
        raise InputError(str(out), "would be written over what is read", "name another file")
    else:
        write_durably(out, page.encode())
    return 0


def _run(name: str, out: Path | None, options: Options) -> tuple[dict[str, Any], Table]:
    """Its result, and what makes a table of it."""
    trials, repeats = options.trials, options.repeats
    if name == "history":
        from matscout.cli.bench_history import history
        from matscout.cli.bench_history import table as history_table

        command = f"matscout bench history --repeats {repeats}"
        return {**history(repeats), "command": command}, history_table
    if name == "campaigns":
        from matscout.cli.bench_campaigns import Options as Campaigns
        from matscout.cli.bench_campaigns import campaigns
        from matscout.cli.bench_campaigns_file import ResultFile
        from matscout.cli.bench_campaigns_table import table as campaigns_table

        what = Campaigns(
            options.data, options.tables, options.seeds, options.arms, options.peer_python,
            options.jobs,
        )  # fmt: skip
        store = ResultFile(out, _write, merge=options.merge)
        return campaigns(what, store), campaigns_table
    if name == "latency":
        from matscout.cli.bench_latency import Options as Latency
        from matscout.cli.bench_latency import latency
        from matscout.cli.bench_latency import table as latency_table

        return latency(Latency(options.large, repeats, options.peer_python)), latency_table
    from matscout.cli.bench_overhead import overhead
    from matscout.cli.bench_overhead import table as overhead_table

    command = f"matscout bench overhead --trials {trials} --repeats {repeats}"
    return {**overhead(trials, repeats), "command": command}, overhead_table


def _write(out: Path | None, result: dict[str, Any]) -> None:
    if out is not None:
        text = jsonlib.dumps(result, indent=1, allow_nan=False)
        write_durably(out, (_LISTS.sub(_in_a_row, text) + "\n").encode())


def _in_a_row(numbers: re.Match[str]) -> str:
    return "[" + ", ".join(numbers.group()[1:-1].replace(",", " ").split()) + "]"


def interleaved(engines: Mapping[str, Callable[[], T]], repeats: int) -> dict[str, list[T]]:
    """Call each engine once a round, so that what else the machine does meets them all alike."""
    found: dict[str, list[T]] = {name: [] for name in engines}
    for _ in range(repeats):
        for name, engine in engines.items():
            found[name].append(engine())
    return found
