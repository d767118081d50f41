"""Start a run, go on with one, and say how it ended."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Any

from matscout.cli.assemble import drive, find_run, spec_from_file
from matscout.cli.own_config import tell_edits, trusted
from matscout.cli.progress import Progress
from matscout.cli.show import summary, summary_lines
from matscout.cli.words import INTERRUPTED, tell
from matscout.drive.run import RunSpec, create, load
from matscout.drive.stop import fruitless
from matscout.errors import one_line
from matscout.runfolder import RunFolder


def start(config: Path, kind: str, runs: Path, overrides: dict[str, Any], json: bool) -> int:
    """Make a run from a config and drive it. Returns the exit code."""
    if overrides.get("runs"):
        overrides = {**overrides, "runs": [str(find_run(r, runs).root) for r in overrides["runs"]]}
    folder, _ = _create(config, kind, runs, overrides)
    return sitting(folder, {}, None, json)


def new(config: Path, kind: str, runs: Path, overrides: dict[str, Any]) -> int:
    """Make a run from a config and leave it at that."""
    folder, spec = _create(config, kind, runs, overrides)
    print(f"{folder.root}")
    verb = "run" if spec.config.get("evaluator") else "recommend"
    print(f"next: matscout {kind} {verb} {spec.name}{runs_option(folder)}")
    return 0


def go_on(run: str, runs: Path, config: Path | None, overrides: dict[str, Any], json: bool) -> int:
    """Drive an existing run. Returns the exit code."""
    folder = find_run(run, runs)
    _, spec = load(folder)
    if spec.origin.get("made_by") == "demo":
        from matscout.cli.demo import go_on as go_on_with_demo

        return go_on_with_demo(folder, overrides, json)
    trusted(folder, spec, config)  # before anything is said or written
    tell_edits(folder, spec, config, overrides)
    return sitting(folder, overrides, config, json)


def sitting(folder: RunFolder, overrides: dict[str, Any], config: Path | None, json: bool) -> int:
    """One sitting with progress on stderr and the summary on stdout. Returns the exit code; RunFailed
    where the run is over and nothing in it worked.
    """
    reason = drive_shown(folder, overrides, config)
    history, spec = load(folder)
    if json:
        print(jsonlib.dumps(summary(folder, history, spec), indent=1))
    else:
        for line in summary_lines(folder, history, spec):
            print(line)
    if reason == "interrupted":
        print(f"interrupted; go on with: matscout resume {folder.name}{runs_option(folder)}")
        return INTERRUPTED
    error = fruitless(history)
    if error is not None:
        raise error
    return 0


def drive_shown(
    folder: RunFolder, overrides: dict[str, Any], config: Path | None = None, noun: str = ""
) -> str:
    """Drive the run with a progress display; returns why it ended."""
    history, spec = load(folder)
    total = overrides.get("trials") or spec.policy.trials
    with Progress(total, noun or one_line(spec.name)) as progress:
        progress.note(
            f"{spec.kind} {spec.name}: {folder.root} ({len(history.finished)} of {total} done)"
        )
        reason, _ = drive(folder, progress, overrides=overrides, config_file=config)
    return reason


def _create(
    config: Path, kind: str, runs: Path, overrides: dict[str, Any]
) -> tuple[RunFolder, RunSpec]:
    spec = spec_from_file(config, kind, overrides)
    folder = RunFolder.of(spec.name, runs)
    create(folder, spec)
    for note in spec.notes:
        _tell(note)
    return folder, spec


def _tell(note: str) -> None:
    if note:
        tell(f"matscout: {one_line(note)}")


def runs_option(folder: RunFolder) -> str:
    runs = folder.root.parent
    default = (Path.cwd() / "results" / "runs").absolute()
    return "" if runs == default else f" --runs {runs}"
