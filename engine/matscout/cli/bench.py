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

NAMES = (
    "overhead", "history", "utilisation", "campaigns", "sweeps", "latency", "lowdata", "imbalance",
    "scarcity", "transfer", "halide-reference", "simulate", "faults", "load",
)  # fmt: skip
SAVED_ON_THE_WAY = frozenset({"campaigns", "sweeps", "lowdata", "imbalance", "scarcity", "faults"})
"""They take hours: the file is written after every part."""

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
    tables: str = ""
    problems: str = "synthetic"
    seeds: int = 10
    arms: str = ""
    peer_python: str | None = None
    jobs: int | None = None
    large: bool = False
    merge: bool = False
    render: Path | None = None
    sizes: str = ""
    draws: int = 10
    workers: int = 1920
    proposer: str = "auto"
    ask_ms: float | None = None
    spread: float = 0.0
    overlap: bool = False
    seed: int | None = None
    full: bool = False
    only: str = ""
    journal: str = "sqlite"
    fleet: str = "process"
    rounds: int | None = None
    targets: str = ""


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
    if name not in SAVED_ON_THE_WAY:
        _write(out, result)
    return 3 if result.get("broken") else 0


def _render(name: str, file: Path, out: Path | None) -> int:
    """What an earlier benchmark wrote, as a page of Markdown."""
    if name not in SAVED_ON_THE_WAY:
        mend = "render that of campaigns, sweeps, lowdata, imbalance, scarcity or faults"
        raise InputError("--render", f"the file of {name} has no page", mend)
    page = _page(name, file)
    if out is None:
        print(page, end="")
    elif out.absolute() == file.absolute():
        raise InputError(str(out), "would be written over what is read", "name another file")
    else:
        write_durably(out, page.encode())
    return 0


def _page(name: str, file: Path) -> str:
    if name == "sweeps":
        from matscout.cli import bench_sweeps_file, bench_sweeps_markdown

        return bench_sweeps_markdown.markdown(bench_sweeps_file.load(file))
    if name == "lowdata":
        from matscout.cli import bench_lowdata, bench_lowdata_markdown

        return bench_lowdata_markdown.markdown(bench_lowdata.load(file))
    if name == "imbalance":
        from matscout.cli import bench_imbalance, bench_imbalance_markdown

        return bench_imbalance_markdown.markdown(bench_imbalance.load(file))
    if name == "scarcity":
        from matscout.cli import bench_scarcity, bench_scarcity_markdown

        return bench_scarcity_markdown.markdown(bench_scarcity.load(file))
    if name == "faults":
        from matscout.cli import bench_faults, bench_faults_markdown

        return bench_faults_markdown.markdown(bench_faults.load(file))
    from matscout.cli import bench_campaigns_file, bench_campaigns_markdown

    return bench_campaigns_markdown.markdown(bench_campaigns_file.load(file))


def _run(name: str, out: Path | None, options: Options) -> tuple[dict[str, Any], Table]:
    """Its result, and what makes a table of it."""
    if name in SAVED_ON_THE_WAY:
        return _run_and_save(name, out, options)
    trials, repeats = options.trials, options.repeats
    if name == "history":
        from matscout.cli.bench_history import history
        from matscout.cli.bench_history import table as history_table

        command = f"matscout bench history --repeats {repeats}"
        return {**history(repeats), "command": command}, history_table
    if name == "utilisation":
        from matscout.cli import bench_utilisation as busy

        ask_s = None if options.ask_ms is None else options.ask_ms / 1e3
        fleet = busy.Options(
            options.workers,
            repeats,
            options.proposer,
            spread=options.spread,
            ask_s=ask_s,
            overlap=options.overlap,
        )
        return busy.utilisation(fleet), busy.table
    if name == "load":
        from matscout.cli import bench_load as large

        return large.load(large.Options()), large.table
    if name == "simulate":
        from matscout.cli import bench_simulate as whole_loop

        which = whole_loop.Options(options.seeds, options.seed, options.jobs)
        return whole_loop.simulated(which), whole_loop.table
    if name == "transfer":
        from matscout.cli import bench_transfer

        return bench_transfer.transfer(options.seeds), bench_transfer.table
    if name == "latency":
        from matscout.cli.bench_latency import Options as Latency
        from matscout.cli.bench_latency import latency
        from matscout.cli.bench_latency import table as latency_table

        return latency(Latency(options.large, repeats, options.peer_python)), latency_table
    from matscout.cli.bench_overhead import overhead
    from matscout.cli.bench_overhead import table as overhead_table

    command = f"matscout bench overhead --trials {trials} --repeats {repeats}"
    return {**overhead(trials, repeats), "command": command}, overhead_table


def _run_and_save(name: str, out: Path | None, options: Options) -> tuple[dict[str, Any], Table]:
    """The same of what writes its file after every part."""
    if name == "sweeps":
        from matscout.cli.bench_campaigns_file import ResultFile
        from matscout.cli.bench_sweeps import Options as Sweeps
        from matscout.cli.bench_sweeps import sweeps
        from matscout.cli.bench_sweeps_file import load
        from matscout.cli.bench_sweeps_table import table as sweeps_table

        asked = Sweeps(
            options.problems, options.seeds, options.arms, options.peer_python, options.jobs
        )
        store = ResultFile(out, _write, merge=options.merge, read=load, part="problems")
        return sweeps(asked, store), sweeps_table
    if name == "lowdata":
        from matscout.cli import bench_lowdata as low
        from matscout.cli.bench_lowdata_markdown import markdown

        few = low.Options(options.data, options.tables, options.sizes, options.draws)
        return low.lowdata(few, out, _write, merge=options.merge), markdown
    if name == "imbalance":
        from matscout.cli import bench_imbalance as rare
        from matscout.cli.bench_campaigns_file import ResultFile
        from matscout.cli.bench_imbalance_markdown import markdown as imbalance_page

        those = rare.Options(options.data, options.tables, options.arms, options.seeds)
        file = ResultFile(out, _write, merge=options.merge, read=rare.load)
        return rare.imbalance(those, file), imbalance_page
    if name == "scarcity":
        from matscout.cli import bench_scarcity as scarce
        from matscout.cli.bench_campaigns_file import ResultFile
        from matscout.cli.bench_scarcity_markdown import markdown as scarcity_page

        these = scarce.Options(options.data, options.targets, options.sizes, options.draws)
        kept = ResultFile(out, _write, merge=options.merge, read=scarce.load, part="targets")
        return scarce.scarcity(these, kept), scarcity_page
    if name == "faults":
        from matscout.cli import bench_faults

        promised = bench_faults.Options(
            options.full, options.only, options.journal, options.fleet, options.seed or 0,
            options.rounds,
        )  # fmt: skip
        return bench_faults.faults(promised, out, _write, options.merge), bench_faults.table
    from matscout.cli.bench_campaigns import Options as Campaigns
    from matscout.cli.bench_campaigns import campaigns
    from matscout.cli.bench_campaigns_file import ResultFile
    from matscout.cli.bench_campaigns_table import table as campaigns_table

    what = Campaigns(
        options.data, options.tables or "top", options.seeds, options.arms, options.peer_python,
        options.jobs,
    )  # fmt: skip
    store = ResultFile(out, _write, merge=options.merge)
    return campaigns(what, store), campaigns_table


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
