"""The command line: words and options. Each command imports its work only when it runs."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from matscout.cli.app_campaign import campaign
from matscout.cli.app_doctor import doctor
from matscout.cli.app_recorded import audit, backtest
from matscout.cli.app_show import export, report, spaces, status, verify
from matscout.cli.bench.app import bench
from matscout.cli.words import (
    DEFAULT_RUNS,
    INTERRUPTED,
    Address,
    ConfigFile,
    Cpus,
    FleetName,
    Gpus,
    Json,
    Name,
    Run,
    Runs,
    Seed,
    Trials,
    Workers,
    end,
    tell,
    unforeseen,
    warnings_told,
)
from matscout.errors import InputError, MatscoutError, one_line
from matscout.fleet.goodbye import end_process

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Find the next experiment worth doing, and the model worth trusting, when data are scarce.",
)
app.add_typer(campaign, name="campaign")
app.add_typer(bench, name="bench")


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

    end(command(runs, name, seed, experiments, sweep_trials, fleet, json))


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
    enqueue: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Points to ask first: a .csv or .toml.")
    ] = None,
    prior: Annotated[
        list[str] | None, typer.Option(metavar="RUN", help="Start from this run. May be repeated.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="TABLE.csv", help="Audit, sweep, judge and average over this table."),
    ] = None,
    target: Annotated[str | None, typer.Option(help="With --data: the column to predict.")] = None,
    task: Annotated[str, typer.Option(help="With --data: regression or classification.")] = "",
    metric: Annotated[str, typer.Option(help="With --data: what the score is.")] = "",
    group: Annotated[str, typer.Option(help="With --data: rows of one group stay together.")] = "",
    formula: Annotated[str, typer.Option(help="With --data: the column of formulas.")] = "",
    structures: Annotated[str, typer.Option(help="With --data: the column of structures.")] = "",
    split: Annotated[str, typer.Option(help="With --data: kfold, stratified, grouped, …")] = "",
    cut: Annotated[
        float | None, typer.Option(help="With --data: two classes, at a number.")
    ] = None,
    censored: Annotated[
        bool, typer.Option("--censored", help="With --data: take the bound of <1E-10.")
    ] = False,
    outer: Annotated[int, typer.Option(min=2, help="With --data: outer folds.")] = 5,
    outer_seed: Annotated[int, typer.Option(min=0, help="With --data: draws the outer folds.")] = 0,
    sealed: Annotated[float, typer.Option(help="With --data: share of rows to set aside.")] = 0.0,
    minutes: Annotated[float, typer.Option(min=0.1, help="With --data: time for it all.")] = 15.0,
    json: Json = False,
) -> None:
    """Search a model's hyperparameters; with --data, from a table to a model and its card."""
    if data is not None or target is not None:
        from matscout.cli.recipe_words import start as from_table

        given = {
            "task": task, "metric": metric, "group": group, "formula": formula,
            "structures": structures, "split": split, "cut": cut, "censored": censored,
            "outer": outer, "outer_seed": outer_seed, "seed": seed or 0, "sealed": sealed,
        }  # fmt: skip
        end(from_table(config, data, target, runs, given, name=name, trials=trials,
                       minutes=minutes, workers=workers, fleet=fleet, json=json))  # fmt: skip
        return
    from matscout.cli.runs import start

    overrides = {
        "name": name, "seed": seed, "trials": trials, "workers": workers, "fleet": fleet,
        "gpus": gpus, "cpus": cpus, "address": address,
        "enqueue": None if enqueue is None else str(enqueue.absolute()), "runs": prior,
    }  # fmt: skip
    end(start(config, "sweep", runs, overrides, json))


@app.command()
def nested(
    config: ConfigFile,
    runs: Runs = DEFAULT_RUNS,
    outer: Annotated[int, typer.Option(min=2, help="Outer folds: so many sweeps.")] = 5,
    select: Annotated[
        str,
        typer.Option(
            help="What is taken of a sweep: best, average (the top three), greedy, none, auto."
        ),
    ] = "best",
    name: Name = None,
    seed: Seed = None,
    trials: Trials = None,
    workers: Workers = None,
    fleet: FleetName = None,
    json: Json = False,
) -> None:
    """Sweep once for each outer fold, and score what is chosen on rows that no sweep saw."""
    from matscout.cli.nested import start

    overrides = {
        "name": name, "seed": seed, "trials": trials, "workers": workers, "fleet": fleet,
    }  # fmt: skip
    end(start(config, runs, outer, select, overrides, json))


@app.command()
def predict(
    run: Run,
    new: Annotated[Path | None, typer.Argument(metavar="NEW", help="Rows, or crystals.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The CSV to write.")] = Path(
        "predictions.csv"
    ),
    runs: Runs = DEFAULT_RUNS,
    interval: Annotated[
        float, typer.Option(help="How often the true value shall lie in the interval.")
    ] = 0.9,
    select: Annotated[
        str | None,
        typer.Option(help="What predicts: best, average (the top three), none, auto."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    final: Annotated[bool, typer.Option("--final", help="Open the sealed test set, once.")] = False,
    weak: Annotated[
        bool, typer.Option("--weak", help="The run's own rows, by how little overturns them.")
    ] = False,
    input_error: Annotated[
        float, typer.Option(help="With --weak: of each number's standard deviation.")
    ] = 0.1,
    json: Json = False,
) -> None:
    """Predict new rows, or crystals, with the models of a run, with intervals and warnings."""
    if weak:
        from matscout.cli.predict_weak import weak as of_own_rows

        if new is not None or final:
            other = "--final" if final else "a file of new rows"
            raise InputError("--weak", f"goes with the run's own rows, not with {other}", "say one")
        end(of_own_rows(run, out, runs, input_error, select, force, json))
        return
    from matscout.cli.predict import predict as command

    end(command(run, new, out, runs, interval, select, force, final, json))


@app.command()
def train(
    config: ConfigFile,
    runs: Runs = DEFAULT_RUNS,
    name: Name = None,
    seed: Seed = None,
    fleet: FleetName = None,
    gpus: Gpus = None,
    json: Json = False,
) -> None:
    """Train one configuration, with the score that cross-validation gives it."""
    from matscout.cli.train import train as command

    overrides = {"name": name, "seed": seed, "fleet": fleet, "gpus": gpus}
    end(command(config, runs, overrides, json))


@app.command("learning-curve")
def learning_curve(
    config: ConfigFile,
    points: Annotated[int, typer.Option(min=2, help="Numbers of rows to train on.")] = 5,
    draws: Annotated[int, typer.Option(min=1, help="How often fewer rows are drawn.")] = 5,
    least: Annotated[int, typer.Option(min=2, help="Rows that the curve begins with.")] = 10,
    seed: Seed = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Also write it as a CSV, ready to plot.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False,
    json: Json = False,
) -> None:
    """Would more rows pay? Trains one configuration on growing parts of its table."""
    from matscout.cli.learning_curve import learning_curve as command

    end(command(config, points, draws, least, seed, out, force, json))


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
    end(go_on(run, runs, config, overrides, json))


@app.command()
def thaw(
    run: Run,
    trials: Annotated[list[int], typer.Argument(metavar="TRIAL…", help="Numbers of trials.")],
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Go on with trials that were stopped early; they are not stopped again."""
    from matscout.cli.thaw import thaw as command

    end(command(run, runs, trials))


@app.command()
def evict(run: Run, runs: Runs = DEFAULT_RUNS) -> None:
    """Take a run from a driver that hangs, so that it can be resumed (journals on PostgreSQL)."""
    from matscout.cli.evict import evict as command

    end(command(run, runs))


for other in (status, verify, export, report, spaces, audit, backtest, doctor):
    app.command()(other)


def main(argv: list[str] | None = None) -> None:
    """Entry point: one line and an exit code for whatever goes wrong, a traceback with --debug."""
    words = sys.argv[1:] if argv is None else argv
    # Some supervisors ignore it, and that is inherited: no exit code of a child would be learnt.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        # The driver's matrices are small: more threads only fight with the workers for the cores.
        os.environ.setdefault(name, "1")
    try:
        code = _run(words)
    except KeyboardInterrupt:  # pressed again, while the command was ending
        code = INTERRUPTED
    end_process(code)


def _run(words: list[str]) -> int:
    """The command's exit code; whatever goes wrong has been said."""
    try:
        with warnings_told():
            code = app(args=words, standalone_mode=False) or 0
    except MatscoutError as error:
        code = _complain(error, words, str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort) as error:
        code = _complain(error, words, "interrupted", INTERRUPTED)
    except Exception as error:
        code = _complain(error, words, *unforeseen(error))
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # nobody reads it any more, and the interpreter would say so
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return int(code)


def _complain(error: BaseException, words: list[str], text: str, code: int) -> int:
    if "--debug" in words:
        import traceback

        tell("".join(traceback.format_exception(error)), end="")
    tell(f"matscout: {one_line(text)}")
    return code
