"""The command line on recorded experiments and benchmarks: words and options, as in app.py."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matscout.cli.words import Json, end


def backtest(
    table: Annotated[Path, typer.Argument(metavar="TABLE.csv", help="Recorded experiments.")],
    target: Annotated[str, typer.Option(help="The measured column.")],
    direction: Annotated[str, typer.Option(help="max or min: which way is better.")] = "max",
    goal: Annotated[str, typer.Option(help="best, top, threshold, rare or model.")] = "top",
    top: Annotated[str, typer.Option(help="The share that counts as the top.")] = "5%",
    threshold: Annotated[
        float | None, typer.Option(help="What has to be passed, in the target's unit.")
    ] = None,
    init: Annotated[
        int | None, typer.Option(min=1, help="Random experiments first; default: 2, rare: 10.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="How many are chosen at once.")] = 1,
    workers: Annotated[
        int | None, typer.Option(min=1, help="How many run at once; default: the batch.")
    ] = None,
    budget: Annotated[
        int | None, typer.Option(min=2, help="Experiments in all; default: at most 300.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Campaigns of each arm.")] = 10,
    strategy: Annotated[str, typer.Option(help="Arms, with commas; random always plays.")] = "auto",
    start: Annotated[
        str | None,
        typer.Option(
            help="Wanted ones among the first: any, with or without; default for rare: with."
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="A column to leave out. May be repeated.")
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(help="COLUMN=number, category, formula, structure or id. May be repeated."),
    ] = None,
    drop_bad: Annotated[
        bool, typer.Option("--drop-bad", help="Leave rows out that cannot be read, and say so.")
    ] = False,
    censored: Annotated[
        bool, typer.Option("--censored", help='Take the bound of a target such as "<1E-10".')
    ] = False,
    header: Annotated[
        str | None, typer.Option(help="Column names, with commas, for a file without a header.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes; default: as many as there are cores.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the figures to this file.")
    ] = None,
    curves: Annotated[
        Path | None, typer.Option(help="Also write the curves, ready to plot, to this CSV.")
    ] = None,
) -> None:
    """Would active learning have saved me experiments? Replays a table of recorded ones."""
    from matscout.cli.backtest import Options
    from matscout.cli.backtest import backtest as command

    options = Options(
        target, direction, goal, top, threshold, init, batch, workers, budget, seeds, start,
        strategy, tuple(ignore or ()), tuple(kind or ()), drop_bad, censored, header, jobs,
    )  # fmt: skip
    end(command(table, options, json_file, curves))


def audit(
    table: Annotated[Path, typer.Argument(metavar="TABLE.csv", help="The table to look through.")],
    target: Annotated[str | None, typer.Option(help="The column to be predicted.")] = None,
    id_: Annotated[
        str | None, typer.Option("--id", metavar="COLUMN", help="Names the row; no input.")
    ] = None,
    formula: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Chemical formulas.")
    ] = None,
    structure: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Structure files beside the table.")
    ] = None,
    header: Annotated[
        str | None, typer.Option(help="Column names, with commas, for a file without a header.")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Draws the batches of the diversity coefficient.")
    ] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Also write it as an HTML page.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False,
    json: Json = False,
) -> None:
    """What is wrong with my table, what does it mean for a model, and which option answers it?"""
    from matscout.cli.audit import audit as command

    end(command(table, target, id_, formula, structure, header, seed, out, force, json))


def bench(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="overhead, history, utilisation, campaigns, sweeps, latency, lowdata, imbalance, "
            "scarcity, transfer, simulate, faults, load or halide-reference.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Also write the table: a file, or a folder for halide-reference."
        ),
    ] = None,
    trials: Annotated[int, typer.Option(min=10, help="No-op trials (overhead).")] = 300,
    repeats: Annotated[
        int,
        typer.Option(
            min=1, help="Rounds (overhead, history, latency); trials of each worker (utilisation)."
        ),
    ] = 3,
    data: Annotated[
        Path | None,
        typer.Option(help="The folder of tables (campaigns, lowdata, imbalance, scarcity)."),
    ] = None,
    tables: Annotated[
        str,
        typer.Option(
            help="Names with commas, or top (default), rare, cold, model, all (campaigns); names "
            "(lowdata, imbalance)."
        ),
    ] = "",
    problems: Annotated[
        str,
        typer.Option(
            help="Names, or plain, mixed, conditional, constrained, front, corrupted, synthetic "
            "(all of these), tables (or tables_1, tables_4, tables_8), bbob, all; with commas "
            "(sweeps)."
        ),
    ] = "synthetic",
    seeds: Annotated[
        int,
        typer.Option(
            min=1,
            help="Runs of each arm (campaigns, sweeps, transfer, imbalance); of the whole loop "
            "under faults (simulate).",
        ),
    ] = 10,
    arms: Annotated[
        str,
        typer.Option(
            help="With commas; default: those that suit (campaigns, sweeps), all (imbalance)."
        ),
    ] = "",
    peer_python: Annotated[
        str | None,
        typer.Option(
            metavar="PATHS",
            help="Pythons that have a peer: baybe=PATH,skactiveml=PATH,bmdal=PATH; a path alone: "
            "baybe (campaigns, latency); ax=PATH,hpo=PATH,ioh=PATH (sweeps).",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Processes; default: the cores (campaigns, sweeps, simulate)."),
    ] = None,
    large: Annotated[
        bool, typer.Option("--large", help="Also a pool of 1,000,000 (latency).")
    ] = False,
    merge: Annotated[
        bool,
        typer.Option(
            "--merge",
            help="Add to what --out holds already (campaigns, sweeps, lowdata, imbalance, "
            "scarcity, faults).",
        ),
    ] = False,
    render: Annotated[
        Path | None,
        typer.Option(
            help="Make Markdown of a file that --out wrote (campaigns, sweeps, lowdata, imbalance, "
            "scarcity, faults)."
        ),
    ] = None,
    sizes: Annotated[
        str,
        typer.Option(
            help="Rows, with commas; default: 20,50,100,300 (lowdata), 50,100,200 (scarcity)."
        ),
    ] = "",
    draws: Annotated[int, typer.Option(min=2, help="Draws of each size (lowdata, scarcity).")] = 10,
    workers: Annotated[int, typer.Option(min=1, help="Simulated workers (utilisation).")] = 1920,
    proposer: Annotated[str, typer.Option(help="By name (utilisation).")] = "auto",
    ask_ms: Annotated[
        float | None,
        typer.Option(
            min=0.0, help="Of each suggestion, instead of its measured time (utilisation)."
        ),
    ] = None,
    spread: Annotated[
        float,
        typer.Option(min=0.0, max=0.99, help="How much trials vary about a minute (utilisation)."),
    ] = 0.0,
    overlap: Annotated[
        bool,
        typer.Option("--overlap", help="With run.overlap: think while workers work (utilisation)."),
    ] = False,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="This one alone (simulate); of what is drawn (faults)."),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="As many rounds as the published figures (faults).")
    ] = False,
    only: Annotated[str, typer.Option(help="Promises with commas: R1,R7 (faults).")] = "",
    journal: Annotated[
        str,
        typer.Option(
            metavar="URL", help="sqlite, or a PostgreSQL server that may be written to (faults)."
        ),
    ] = "sqlite",
    fleet: Annotated[str, typer.Option(help="process or ray (faults).")] = "process",
    rounds: Annotated[
        int | None,
        typer.Option(min=1, help="So many of each promise, not its own number (faults)."),
    ] = None,
    targets: Annotated[str, typer.Option(help="Names with commas; default: all (scarcity).")] = "",
    json: Json = False,
) -> None:
    """Measure the engine beside its peers, or recompute a table that matscout brings."""
    from matscout.cli.bench import Options
    from matscout.cli.bench import bench as command

    options = Options(
        trials,
        repeats,
        data,
        tables,
        problems,
        seeds,
        arms,
        peer_python,
        jobs,
        large,
        merge,
        render,
        sizes,
        draws,
        workers,
        proposer,
        ask_ms,
        spread,
        overlap,
        seed,
        full,
        only,
        journal,
        fleet,
        rounds,
        targets,
    )
    end(command(name, out, options, json))
