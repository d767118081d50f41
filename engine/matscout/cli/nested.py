"""`matscout nested CONFIG.toml`: a sweep for each outer fold, and an honest score of their choices."""

from __future__ import annotations

import json as jsonlib
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from matscout.cli import registry
from matscout.cli.assemble import spec_from_dict, trainer_beside
from matscout.cli.runs import drive_shown
from matscout.cli.words import INTERRUPTED
from matscout.data.table_digest import table_digest
from matscout.drive.config import read_toml
from matscout.drive.members import changed
from matscout.drive.nested import Estimate, Nested, OuterFold, judge_outside, nested
from matscout.drive.nested_select import check_trainer, select_outside
from matscout.drive.run import RunSpec, create, load
from matscout.errors import InputError, one_line
from matscout.evaluate.choose import check_rule
from matscout.report.markup import number
from matscout.runfolder import RunFolder
from matscout.trial import Target


def start(
    config: Path, runs: Path, outer: int, select: str, overrides: dict[str, Any], json: bool
) -> int:
    """Make or go on with the runs of all outer folds, then judge what each chose. Returns the exit
    code. Finished runs are used as they are, so the same command goes on after an interruption.
    """
    if outer < 2:
        raise InputError("--outer", f"must be at least 2, got {outer}", "5 is usual")
    check_rule(select)
    specs = [_spec(config, outer, k, overrides) for k in range(outer)]
    trainer = trainer_beside(specs[0], config)
    now = {"table_sha256": table_digest(trainer.table, trainer.structures)}
    specs = [replace(spec, origin={**spec.origin, **now}) for spec in specs]
    check_trainer(select, specs[0].config["evaluator"], specs[0].targets[0].name)
    # All are checked before any is made.
    folders = [_folder(spec, runs, trainer.table) for spec in specs]
    found: list[OuterFold] = []
    for spec, folder in zip(specs, folders, strict=True):
        if not folder.holds_run:
            create(folder, spec)
        if drive_shown(folder, {"trials": spec.policy.trials}) == "interrupted":
            print(f"interrupted; go on with the same command: {len(found)} of {outer} done")
            return INTERRUPTED
        found.append(_judged(spec, folder, config, select))
    target = specs[0].targets[0]
    whole = nested(found, target)
    if json:
        print(jsonlib.dumps(_plain(asdict(whole)), indent=1))
    else:
        for line in lines(whole, target, select):
            print(one_line(line))
    return 0


def lines(whole: Nested, target: Target, select: str = "best") -> list[str]:
    """What a person reads: the folds, the honest score, and what the sweep promised."""
    said = []
    for fold in whole.folds:
        said.append(
            f"{fold.run}: inner {number(fold.inner)}, outer {number(fold.outer)},"
            f" untuned {number(fold.untuned)}"
        )
        if select == "auto":
            said.append(f"{fold.run}: {fold.why}")
    if select == "auto":
        tuned = sum(bool(fold.params) for fold in whole.folds)
        said.append(f"auto tuned in {tuned} of {len(whole.folds)} outer folds")
    unit = f" {target.unit}" if target.unit else ""
    said += [
        f"outer {target.name}: {_said(whole.outer)}{unit}: what to expect of new rows",
        f"inner {target.name}: {_said(whole.inner)}{unit}: what the sweeps claimed",
        _too_good(whole),
        f"gained by tuning, on hidden rows: {_said(whole.gain)}",
    ]
    if not whole.gain.low > 0 and any(fold.params for fold in whole.folds):
        said.append("beware: the tuned models do not beat the untuned one by more than the noise")
        if select == "best":
            said[-1] += "; --select auto tunes only where it pays"
    return said


def _too_good(whole: Nested) -> str:
    if whole.optimism is None:
        return "inner judges something else than outer: how much it was too good, they do not say"
    alike = [fold.comparable for fold in whole.folds if fold.comparable is not None]
    what = f"inner from CV alone, {number(sum(alike) / len(alike))}," if alike else "inner"
    return f"{what} was too good by: {_said(whole.optimism)} (below 0: too harsh)"


def _spec(config: Path, outer: int, number: int, overrides: dict[str, Any]) -> RunSpec:
    raw, digest = read_toml(config)
    try:
        part = raw.get("evaluator")
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(part, dict) or kind not in registry.NESTS:
            able = ", ".join(sorted(registry.NESTS))
            raise InputError("evaluator.type", "cannot hide rows from a sweep", f"able: {able}")
        prior = raw.get("prior")
        if isinstance(prior, dict) and prior.get("runs"):
            what = "earlier runs have seen the rows that an outer fold hides"
            raise InputError("prior.runs", what, "leave them out")
        for key in ("outer_folds", "outer_fold"):
            if key in part:
                raise InputError(f"evaluator.{key}", "is set by matscout nested", "leave it out")
        raw["evaluator"] = {**part, "outer_folds": outer, "outer_fold": number}
        name = overrides.get("name") or raw.get("name")
        own = {**overrides, "name": f"{name}-outer-{number + 1}" if name else None}
        return spec_from_dict(raw, "sweep", own, config, digest)
    except InputError as error:
        raise error.within(str(config)) from None


def _folder(spec: RunSpec, runs: Path, table: Path) -> RunFolder:
    """The run's folder: to be made, or of the very same sweep of the very same table."""
    folder = RunFolder.of(spec.name, runs)
    if not folder.holds_run:
        folder.refuse_existing()
        return folder
    _, known = load(folder)
    same = ("evaluator", "proposer", "early_stopping", "stop", "targets")
    if (
        known.space.to_dict() != spec.space.to_dict()
        or known.seed != spec.seed
        or any(known.config.get(key) != spec.config.get(key) for key in same)
    ):
        raise InputError(
            str(folder.root), "was made by another config or with other outer folds", "use --name"
        )
    # Runs of earlier versions do not say what their table held.
    if known.origin.get("table_sha256", spec.origin["table_sha256"]) != spec.origin["table_sha256"]:
        raise changed(folder, table)
    return folder


def _judged(spec: RunSpec, folder: RunFolder, config: Path, select: str) -> OuterFold:
    """Only now are the hidden rows looked at, once."""
    history, _ = load(folder)
    judge = trainer_beside(spec, config, outer_judge=True)
    if select == "best":
        return judge_outside(spec.name, history, spec.seed, judge)
    return select_outside(folder, history, spec.seed, select, trainer_beside(spec, config), judge)


def _said(one: Estimate) -> str:
    if not math.isfinite(one.low):
        return number(one.mean)
    return f"{number(one.mean)} [{number(one.low)}, {number(one.high)}]"


def _plain(raw: Any) -> Any:
    """JSON knows no infinity."""
    if isinstance(raw, dict):
        return {key: _plain(value) for key, value in raw.items()}
    if isinstance(raw, list | tuple):
        return [_plain(value) for value in raw]
    return None if isinstance(raw, float) and not math.isfinite(raw) else raw
