"""The command line: words and options. Each command imports its work only when it runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from matscout.errors import MatscoutError, one_line

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Find the next experiment worth doing, and the model worth trusting, when data are scarce.",
)
campaign = typer.Typer(
    no_args_is_help=True, help="Active learning: choose the next material to make or simulate."
)
app.add_typer(campaign, name="campaign")

Runs = Annotated[Path, typer.Option("--runs", help="The folder that holds the runs.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="What to run.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="A run's name, or the path to its folder.")]
Trials = Annotated[int | None, typer.Option(min=1, help="How many trials in all.")]
Workers = Annotated[int | None, typer.Option(min=1, help="How many trials at once.")]
FleetName = Annotated[str | None, typer.Option(help="inline, process or ray.")]
Gpus = Annotated[float | None, typer.Option(min=0, help="GPUs a worker (ray; may be a fraction).")]
Cpus = Annotated[float | None, typer.Option(min=0, help="CPUs a worker (ray).")]
Address = Annotated[
    str | None, typer.Option(help="A Ray cluster to join; default: one of our own.")
]
Name = Annotated[str | None, typer.Option(help="The run's name; default: the config's.")]
Seed = Annotated[int | None, typer.Option(min=0, help="The seed; default: the config's.")]

DEFAULT_RUNS = Path("results/runs")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"matscout {version('matscout')}")
        raise typer.Exit


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print it.")
    ] = False,
) -> None:
    """`debug` is read by `main`, which is where errors arrive."""


@app.command()
def demo(
    runs: Runs = DEFAULT_RUNS,
    name: Name = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    experiments: Annotated[int, typer.Option(min=1, help="How many crystals to compute.")] = 40,
    sweep_trials: Annotated[int, typer.Option(min=0, help="Models to train after; 0: none.")] = 12,
    fleet: FleetName = None,
    json: Json = False,
) -> None:
    """The main job on real crystals: which lead-free halide perovskites are stable?"""
    from matscout.cli.demo import demo as command

    _end(command(runs, name, seed, experiments, sweep_trials, fleet, json))


@app.command()
def sweep(
    config: ConfigFile,
    runs: Runs = DEFAULT_RUNS,
    name: Name = None,
    seed: Seed = None,
    trials: Trials = None,
    workers: Workers = None,
    fleet: FleetName = None,
    gpus: Gpus = None,
    cpus: Cpus = None,
    address: Address = None,
    json: Json = False,
) -> None:
    """Search a model's hyperparameters."""
    from matscout.cli.runs import start

    overrides = {
        "name": name, "seed": seed, "trials": trials, "workers": workers, "fleet": fleet,
        "gpus": gpus, "cpus": cpus, "address": address,
    }  # fmt: skip
    _end(start(config, "sweep", runs, overrides, json))


@campaign.command("new")
def campaign_new(
    config: ConfigFile, runs: Runs = DEFAULT_RUNS, name: Name = None, seed: Seed = None
) -> None:
    """Make a campaign's run folder; nothing is measured yet."""
    from matscout.cli.runs import new

    _end(new(config, "campaign", runs, {"name": name, "seed": seed}))


@campaign.command("recommend")
def campaign_recommend(
    run: Run,
    n: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 8,
    out: Annotated[Path, typer.Option("--out", "-o", help="The CSV to write.")] = Path("next.csv"),
    fix: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE: only points with this value. May be repeated."),
    ] = None,
    open_: Annotated[
        bool, typer.Option("--open", help="Write what is open again; choose nothing new.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    runs: Runs = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Choose what to measure next, and write it as a CSV to fill in."""
    from matscout.cli.campaign import recommend as command

    _end(command(run, runs, n, out, fix or [], open_, force, json))


@campaign.command("add")
def campaign_add(
    run: Run,
    file: Annotated[Path, typer.Argument(metavar="RESULTS.csv", help="What came of it.")],
    replicates: Annotated[
        bool, typer.Option("--replicates", help="A second value of a point is a replicate.")
    ] = False,
    runs: Runs = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Take measured, failed and abandoned rows in: all of a file, or none."""
    from matscout.cli.campaign import add as command

    _end(command(run, file, runs, replicates, json))


@campaign.command("run", help="Run a campaign, or go on with it, until its budget is used.")
@app.command()
def resume(
    run: Run,
    runs: Runs = DEFAULT_RUNS,
    config: Annotated[Path | None, typer.Option(help="The config, if it has moved.")] = None,
    trials: Trials = None,
    workers: Workers = None,
    fleet: FleetName = None,
    gpus: Gpus = None,
    cpus: Cpus = None,
    address: Address = None,
    json: Json = False,
) -> None:
    """Go on with a run exactly where it stopped or died."""
    from matscout.cli.runs import go_on

    overrides = {
        "trials": trials, "workers": workers, "fleet": fleet,
        "gpus": gpus, "cpus": cpus, "address": address,
    }  # fmt: skip
    _end(go_on(run, runs, config, overrides, json))


@app.command()
def status(run: Run, runs: Runs = DEFAULT_RUNS, json: Json = False) -> None:
    """How a run stands, also while it is running."""
    from matscout.cli.show import status as command

    _end(command(run, runs, json))


@app.command()
def verify(run: Run, runs: Runs = DEFAULT_RUNS, json: Json = False) -> None:
    """Check every record of a run's journal. Needs no Ray and changes nothing."""
    from matscout.cli.show import verify as command

    _end(command(run, runs, json))


@app.command()
def export(
    run: Run,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")],
    to: Annotated[str, typer.Option("--to", help="csv, or optuna (for optuna-dashboard).")] = "csv",
    runs: Runs = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Write a run's trials as a CSV table or as an Optuna study."""
    from matscout.cli.show import export as command

    _end(command(run, runs, out, to, json))


@app.command()
def report(
    run: Run,
    runs: Runs = DEFAULT_RUNS,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file; default: RUN's own report.html.")
    ] = None,
    x: Annotated[
        str | None, typer.Option(help="The map's horizontal column; default: PCA.")
    ] = None,
    y: Annotated[str | None, typer.Option(help="The map's vertical column.")] = None,
    next_: Annotated[
        int, typer.Option("--next", min=0, help="How many recommendations to show.")
    ] = 8,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False,
    json: Json = False,
) -> None:
    """One HTML page about a run: progress, finds, what comes next, a map, calibration, failures."""
    from matscout.cli.report import report as command

    _end(command(run, runs, out, x, y, next_, force, json))


@app.command()
def spaces(
    name: Annotated[str | None, typer.Argument(help="Print this one.")] = None,
    json: Json = False,
) -> None:
    """The ready search spaces that matscout brings."""
    from matscout.cli.show import spaces as command

    _end(command(name, json))


@app.command()
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
    _end(command(table, options, json_file, curves))


@app.command()
def bench(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="overhead, history, campaigns, latency or halide-reference."
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
        int, typer.Option(min=1, help="Rounds (overhead, history and latency).")
    ] = 3,
    data: Annotated[
        Path | None, typer.Option(help="The folder of recorded experiments (campaigns).")
    ] = None,
    tables: Annotated[
        str, typer.Option(help="Names, or top, rare, cold, model, all; with commas (campaigns).")
    ] = "top",
    seeds: Annotated[int, typer.Option(min=1, help="Campaigns of each arm (campaigns).")] = 10,
    arms: Annotated[
        str, typer.Option(help="With commas; default: those that suit the goal (campaigns).")
    ] = "",
    peer_python: Annotated[
        str | None, typer.Option(help="A Python that has baybe installed (campaigns, latency).")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes; default: the cores (campaigns).")
    ] = None,
    large: Annotated[
        bool, typer.Option("--large", help="Also a pool of 1,000,000 (latency).")
    ] = False,
    json: Json = False,
) -> None:
    """Measure the engine beside its peers, or recompute a table that matscout brings."""
    from matscout.cli.bench import Options
    from matscout.cli.bench import bench as command

    options = Options(trials, repeats, data, tables, seeds, arms, peer_python, jobs, large)
    _end(command(name, out, options, json))


def _end(code: int) -> None:
    if code:
        raise typer.Exit(code)


def main(argv: list[str] | None = None) -> None:
    """Entry point: one line and an exit code for whatever goes wrong, a traceback with --debug."""
    words = sys.argv[1:] if argv is None else argv
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        # The driver's matrices are small: more threads only fight with the workers for the cores.
        os.environ.setdefault(name, "1")
    try:
        code = app(args=words, standalone_mode=False)
    except MatscoutError as error:
        code = _complain(error, words, str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort) as error:
        code = _complain(error, words, "interrupted", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        if hasattr(error, "format_message"):  # a usage error of the parser
            code = _complain(error, words, f"{error.format_message()} (see matscout --help)", 2)
        else:
            text = f"internal error: {type(error).__name__}: {error}; run it again with --debug"
            code = _complain(error, words, text, 3)
    sys.exit(code or 0)


def _complain(error: BaseException, words: list[str], text: str, code: int) -> int:
    if "--debug" in words:
        import traceback

        traceback.print_exception(error)
    print(f"matscout: {one_line(text)}", file=sys.stderr)
    return code
