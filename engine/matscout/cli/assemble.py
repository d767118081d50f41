"""From a config file to a run, and from a run's record back to its moving parts."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from matscout.cli import registry
from matscout.cli.able import check_confirm, check_cost, check_evaluator, check_who_chooses
from matscout.cli.check_stopping import check_early_stopping
from matscout.cli.divide import fleet_of, policy_of
from matscout.cli.judge import forecaster, goal_of, stop_rules
from matscout.cli.own_config import as_said, config_of, trusted
from matscout.data.pools import read_space
from matscout.drive.baselines import HasBaselines, keep_baselines
from matscout.drive.config import Config, Part, PriorTable, RunTable, parse_config, read_toml
from matscout.drive.enqueue import read_enqueued
from matscout.drive.interrupt import Interrupt, listening
from matscout.drive.loop import Observer
from matscout.drive.prior import read_priors
from matscout.drive.prune_note import Watchful
from matscout.drive.run import RunSpec, reopen, sit
from matscout.drive.stopping import rules_of
from matscout.errors import InputError, did_you_mean
from matscout.fleet.base import EvaluatorFactory
from matscout.goal import Goal
from matscout.history import History
from matscout.propose.base import Forecaster, Proposer
from matscout.runfolder import RunFolder, checked_name
from matscout.space import Space
from matscout.trial import Proposal

if TYPE_CHECKING:
    from matscout.drive.campaign import OpenCampaign
    from matscout.evaluate.trainer_tabular import TabularTrainer


def spec_from_file(path: Path, kind: str, overrides: dict[str, Any]) -> RunSpec:
    """Read, check and try out everything that a config names. Nothing is written."""
    raw, digest = read_toml(path)
    try:
        spec = spec_from_dict(raw, kind, overrides, path, digest)
    except InputError as error:
        raise error.within(str(path)) from None
    return replace(spec, origin={**spec.origin, **as_said(raw, path.absolute().parent)})


def spec_from_dict(
    raw: dict[str, Any], kind: str, overrides: dict[str, Any], path: Path, digest: str
) -> RunSpec:
    config = parse_config({"kind": kind, **raw})
    if config.kind != kind:
        raise InputError("kind", f"is {config.kind!r}", f"start it with matscout {config.kind}")
    config = _overridden(config, overrides)
    checked_name(config.name)
    base = path.absolute().parent
    origin = {"path": str(path.absolute()), "sha256": digest}
    return spec_from_config(config, read_space(config.space, base), base, origin)


def spec_from_config(
    config: Config, space: Space, base: Path, origin: Mapping[str, str]
) -> RunSpec:
    """Try out every part that the config names. Nothing is written."""
    targets = tuple(t.target() for t in config.targets)
    _check_names([t.name for t in targets])
    if config.proposer is None:
        config = config.model_copy(update={"proposer": _default_proposer(config, space)})
    assert config.proposer is not None
    goal = config.goal.goal() if config.goal else None
    if space.constraints:
        _check_constraints(space)
    if config.run.confirm:
        check_confirm(config.run, space, targets)
    limits = tuple(table.limit() for table in config.limits)
    check_who_chooses(config.proposer.type, space, targets, limits)
    check_cost(config.proposer, space)
    proposer = proposer_of(config.proposer, goal, config.run)
    if space.pool is None and getattr(proposer, "needs_pool", False):
        raise InputError(
            "proposer.type", f"{proposer.name!r} chooses from pools only", "use gp or tpe"
        )
    prior = config.prior or PriorTable()
    _check_earlier_runs(config.proposer.type, prior, space)
    points, told = read_enqueued(prior.enqueue, base, space) if prior.enqueue else ([], [])
    earlier, more = read_priors(prior.runs, base, space, targets[0]) if prior.runs else ([], [])
    if config.run.cancel_obsolete:
        _check_cancels(config, space, proposer)
    if config.early_stopping is not None:
        check_early_stopping(config, config.early_stopping)
    rules_of(config.stop, pool=space.pool is not None)
    evaluator = None
    if config.evaluator is not None:
        evaluator = registry.evaluator_factory(config.evaluator, base)()
        check_evaluator(evaluator, space, targets, limits)
        if config.evaluator.type in registry.PINS:
            part = Part(**{**config.evaluator.model_dump(), **cast(Any, evaluator).pinned()})
            config = config.model_copy(update={"evaluator": part})
    return RunSpec(
        name=config.name,
        kind=config.kind,
        space=space,
        targets=targets,
        policy=policy_of(config, lambda: evaluator),
        seed=config.seed,
        config=config.model_dump(mode="json", exclude={"space"}),
        origin=origin,
        enqueue=points,
        prior=earlier,
        notes=(*told, *more),
        limits=limits,
    )


def _check_names(targets: Sequence[str]) -> None:
    """That a value is told from every other, and from a standard error."""
    for place, name in enumerate(targets):
        if name in targets[:place]:
            raise InputError("targets", "two targets have the same name", "rename one")
        of = name.removesuffix(".sem")
        if of != name and of in targets:
            what = f"{name!r} is how the standard error of {of!r} is called"
            raise InputError("targets", what, "rename it")


def _check_constraints(space: Space) -> None:
    """That some point keeps them all, grids of whole numbers too."""
    from matscout.propose.sampling import some_point  # loads scipy

    if some_point(space) is None:
        raise InputError("space.constraints", "no point satisfies all of them", "loosen one")


def _check_earlier_runs(proposer: str, prior: PriorTable, space: Space) -> None:
    """That whoever chooses makes use of them, and has some to use."""
    if proposer == "transfer" and space.pool is not None:
        raise InputError("proposer.type", "'transfer' is not for pools", "use gp or pool")
    if prior.runs and proposer != "transfer":
        what = f"proposer {proposer!r} makes no use of earlier runs"
        raise InputError("prior.runs", what, "use proposer transfer, or leave them out")
    if proposer == "transfer" and not prior.runs:
        what = "'transfer' starts from earlier runs, and there are none"
        raise InputError("proposer.type", what, "name them under [prior] runs, or use gp")


def _check_cancels(config: Config, space: Space, proposer: Proposer) -> None:
    """That somebody can say what has become obsolete."""
    where = "run.cancel_obsolete"
    if space.pool is None or not hasattr(proposer, "forecast"):
        what = f"{proposer.name!r} does not rank all that could be asked for"
        raise InputError(where, what, "use proposer pool, over a pool of candidates")
    if config.goal is not None and config.goal.kind == "model":
        what = "goal 'model' learns from every experiment: none becomes obsolete"
        raise InputError(where, what, "leave it out")


def _obsolete(
    spec: RunSpec, proposer: Proposer
) -> Callable[[History, Sequence[Proposal]], Mapping[int, str]] | None:
    if not spec.policy.cancel_obsolete:
        return None
    from matscout.drive.obsolete import obsolete

    judge, slots = forecaster(spec, proposer), spec.policy.slots
    assert judge is not None  # as _check_cancels saw to
    return lambda history, proposals: obsolete(spec.space, history, judge, slots, proposals)


def _default_proposer(config: Config, space: Space) -> Part:
    if space.pool is None:
        return Part(type="transfer" if config.prior and config.prior.runs else "auto")
    return Part(type="pool" if config.goal is not None and "pool" in registry.PROPOSERS else "gp")


def proposer_of(part: Part, goal: Goal | None, run: RunTable | None = None) -> Proposer:
    """The proposer, told the goal if it takes one; InputError if it would ignore one that it must
    not: every proposer is after the best value, and only some after anything else. `auto` is told
    how much `run` has to spend."""
    if goal is not None and "goal" in part.options:
        raise InputError("proposer.goal", "there is a [goal] already", "keep one")
    if goal is not None and _takes_goal(part.type):
        part = Part(type=part.type, **{**part.options, "goal": goal})
    elif goal is not None and (goal.kind != "best" or goal.desirability):
        able = [name for name in registry.PROPOSERS if _takes_goal(name)]
        mend = f"use {' or '.join(able)}, over a pool" if able else "leave the goal out"
        best = "the best of one target" if goal.desirability else "the best"
        raise InputError("goal", f"proposer {part.type!r} is only ever after {best}", mend)
    if run is not None and part.type == "auto":
        part = Part(type="auto", **{"budget": run.trials, "workers": run.workers, **part.options})
    if run is not None and part.type == "transfer":
        part = Part(type="transfer", **{"budget": run.trials, **part.options})
    return registry.proposer(part)


def _takes_goal(name: str) -> bool:
    if name not in registry.PROPOSERS:
        raise InputError(
            "proposer.type", f"unknown {name!r}", did_you_mean(name, registry.PROPOSERS)
        )
    module, _, attribute = registry.PROPOSERS[name].partition(":")
    return "goal" in inspect.signature(getattr(import_module(module), attribute)).parameters


def drive(
    folder: RunFolder,
    observer: Observer,
    *,
    overrides: dict[str, Any] | None = None,
    config_file: Path | None = None,
    baselines: bool = True,
) -> tuple[str, RunSpec]:
    """One sitting of the run in `folder`: open, check, go on where it stands. Returns why it ended.
    Untuned models are measured first, unless `baselines` is false.
    """
    journal, history, spec = reopen(folder)
    try:
        config = _overridden(config_of(spec), overrides or {})
        evaluator, base = trusted(folder, spec, config_file)
        factory = registry.evaluator_factory(evaluator, base)
        if evaluator.type in registry.PINS:
            cast(Any, factory()).pinned()  # what it began with may be gone
        spec = replace(spec, policy=policy_of(config, factory))
        pruner = registry.pruner(config.early_stopping)
        proposer = _proposer_of_run(spec, config)
        rules = stop_rules(spec, proposer)
        if baselines:
            _measure_baselines(folder, spec, config, factory, observer)
        with listening(Interrupt()) as interrupt, _members(proposer, config):
            reason = sit(
                folder,
                journal,
                history,
                spec,
                proposer=_around(proposer, spec, config.run),
                start_fleet=lambda: fleet_of(config, factory, spec, folder),
                pruner=pruner,
                observer=observer if config.early_stopping is None else Watchful(observer),
                interrupt=interrupt,
                stop=rules.verdict if rules.rules else None,
                obsolete=_obsolete(spec, proposer),
                thaw=registry.thaw(config.early_stopping, pruner),
            )
        return reason, spec
    finally:
        journal.close()


def _measure_baselines(
    folder: RunFolder,
    spec: RunSpec,
    config: Config,
    factory: EvaluatorFactory,
    observer: Observer,
) -> None:
    """What untuned models score, before the first trial: the workers' cores are still idle."""
    if spec.kind != "sweep" or config.evaluator is None:
        return
    if config.evaluator.type not in registry.HAS_BASELINES:
        return
    trainer = cast(HasBaselines, factory())
    if trainer.target_name != spec.targets[0].name:
        return
    try:
        jobs = min(config.run.workers, os.cpu_count() or 1)
        keep_baselines(folder, trainer, jobs, observer.note)
    except InputError:
        return  # a table that has gone, say: each trial will tell


@contextmanager
def _members(proposer: Proposer, config: Config) -> Iterator[None]:
    """The proposer trains its networks, should it have any, where the run's workers are."""
    members = registry.members(config.run) if hasattr(proposer, "executor") else None
    if members is None:
        yield
        return
    proposer.executor = members  # type: ignore[attr-defined]
    with closing(members):
        yield


def campaign_at(folder: RunFolder) -> tuple[OpenCampaign, Proposer, Forecaster | None]:
    """The campaign in `folder`, owned, with what chooses and forecasts for it."""
    from matscout.drive.campaign import open_campaign  # loads scikit-learn

    campaign = open_campaign(folder)
    try:
        config = config_of(campaign.spec)
        proposer = _proposer_of_run(campaign.spec, config)
        asked = _around(proposer, campaign.spec, config.run)
        return campaign, asked, forecaster(campaign.spec, proposer)
    except BaseException:
        campaign.close()
        raise


def proposer_of_run(spec: RunSpec) -> Proposer:
    """The proposer that the run was made with, built anew."""
    return _proposer_of_run(spec, config_of(spec))


def _proposer_of_run(spec: RunSpec, config: Config) -> Proposer:
    assert config.proposer is not None
    goal = goal_of(spec) if spec.config.get("goal") else None
    return proposer_of(config.proposer, goal, config.run)


def _around(proposer: Proposer, spec: RunSpec, run: RunTable) -> Proposer:
    """The proposer between what the run was told to ask first and what it measures again last."""
    if run.confirm:
        from matscout.propose.confirmed import Confirmed

        proposer = Confirmed(proposer, run.confirm, run.trials)
    if spec.enqueue:
        from matscout.propose.enqueued import Enqueued  # loads scipy

        proposer = Enqueued(proposer)
    return proposer


def find_run(name: str, runs: Path) -> RunFolder:
    """The run called `name` below `runs`, or the folder that `name` is a path to."""
    if "/" in name and RunFolder(Path(name)).holds_run:
        folder = RunFolder(Path(name).absolute())
    else:
        folder = RunFolder.of(name, runs)
    if not folder.holds_run:
        known = sorted(p.name for p in runs.glob("[!.]*") if RunFolder(p).holds_run)
        mend = (
            "there are: " + ", ".join(known[:10]) if known else "there are no runs here; see --runs"
        )
        raise InputError(str(folder.root), "no such run", mend)
    return folder


def _overridden(config: Config, overrides: dict[str, Any]) -> Config:
    """The command line's word over the file's. None means: not said."""
    given = {key: value for key, value in overrides.items() if value is not None}
    raw = config.model_dump()  # not as JSON, which would make an infinity an unset option
    for key in ("name", "seed"):
        if key in given:
            raw[key] = given.pop(key)
    beforehand = {key: given.pop(key) for key in ("enqueue", "runs") if given.get(key)}
    if beforehand:
        raw["prior"] = {**(raw["prior"] or {}), **beforehand}
    raw["run"] |= given
    return parse_config(raw)


def trainer_beside(spec: RunSpec, config: Path, **more: bool) -> TabularTrainer:
    """The tabular evaluator of a run that `config` says, with these options changed."""
    part = Part(**{**spec.config["evaluator"], **more})
    return cast("TabularTrainer", registry.evaluator_factory(part, config.absolute().parent)())
