"""The only place that picks concrete classes by name. Nothing heavy is imported until one is built."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from matscout.drive.config import Part, RunTable
from matscout.drive.prune import Pruner
from matscout.drive.thaw import Thaw
from matscout.errors import InputError, did_you_mean, one_line
from matscout.evaluate.base import Evaluator
from matscout.fleet.base import EvaluatorFactory, Fleet
from matscout.fleet.members import Members
from matscout.propose.base import Proposer
from matscout.runfolder import RunFolder
from matscout.trial import Target

PROPOSERS = {
    "auto": "matscout.propose.auto:AutoProposer",
    "random": "matscout.propose.random:RandomProposer",
    "sobol": "matscout.propose.sobol:SobolProposer",
    "tpe": "matscout.propose.tpe:TpeProposer",
    "cmaes": "matscout.propose.cma_es:CmaEsProposer",
    "gp": "matscout.propose.gp:GpProposer",
    "transfer": "matscout.propose.transfer:TransferProposer",
    "nsga2": "matscout.propose.nsga:Nsga2Proposer",
    "nsga3": "matscout.propose.nsga:Nsga3Proposer",
    "qmc": "matscout.propose.qmc:QmcProposer",
    "grid": "matscout.propose.grid:GridProposer",
    "pool": "matscout.propose.pool:PoolProposer",
}
LIMITED = frozenset({"auto", "gp", "tpe", "nsga2", "nsga3", "random", "sobol", "qmc", "grid"})
"""Proposers that reckon with limits, and those that look at no value at all."""

EVALUATORS = {
    "function": "matscout.evaluate.function:FunctionEvaluator",
    "table": "matscout.evaluate.table:TableEvaluator",
    "command": "matscout.evaluate.command:CommandEvaluator",
    "chgnet": "matscout.evaluate.chgnet_oracle:ChgnetOracle",
    "tabular": "matscout.evaluate.trainer_tabular:TabularTrainer",
    "crystal_graph": "matscout.evaluate.trainer_crystal:CrystalGraphTrainer",
}
PRUNERS = {
    "asha": "matscout.drive.prune:SuccessiveHalving",
    "hyperband": "matscout.drive.prune_hyperband:Hyperband",
    "median": "matscout.drive.prune:Median",
    "percentile": "matscout.drive.prune_percentile:Percentile",
    "wilcoxon": "matscout.drive.prune_wilcoxon:Wilcoxon",
    "patience": "matscout.drive.prune_patience:Patience",
}
THAW = "thaw"
"""The option that goes with every pruner that compares trials."""

SILENT = frozenset({"table", "command", "chgnet"})
"""Evaluators that say nothing before their measurement: nothing for a pruner to go by."""
RUNS_FOREIGN_CODE = frozenset({"function", "command", "tune"})
"""Evaluators that start what a config names: such a name is never taken from a run folder. ("tune" is
what the folder of a Ray Tune experiment says: no config of ours may go on with it.)"""

HAS_BASELINES = frozenset({"tabular"})
"""Evaluators that know what untuned models score where their own are judged."""

SHARES = frozenset({"tabular", "crystal_graph"})
"""Evaluators with data that all workers of a machine look at (fleet/sharing.py)."""

PINS = frozenset({"crystal_graph"})
"""Evaluators that may begin with what another run has left, and say with what (`pinned`)."""

NESTS = frozenset({"tabular"})
"""Evaluators that can hide rows from a sweep, for `matscout nested`."""


def proposer(part: Part) -> Proposer:
    built: Proposer = _build("proposer", PROPOSERS, part.type, part.options, Path())
    return built


def pruner(part: Part | None) -> Pruner | None:
    if part is None:
        return None
    options = {key: value for key, value in part.options.items() if key != THAW}
    built: Pruner = _build("early_stopping", PRUNERS, part.type, options, Path())
    return built


def thaw(part: Part | None, pruner: Pruner | None) -> Thaw | None:
    """What says which pruned trial to go on with, if the config wants any to be."""
    wanted = part is not None and part.options.get(THAW, False)
    if part is None or pruner is None or wanted is False:
        return None
    where = f"early_stopping.{THAW}"
    if wanted is not True:
        raise InputError(where, f"must be true or false, got {wanted!r:.80}")
    if part.type == "patience":
        what = "'patience' looks at no other trial: what it stopped, it would stop again"
        raise InputError(where, what, "leave it out, or use asha")
    return Thaw(pruner)


def evaluator(kind: str, options: Mapping[str, Any], base: str) -> Evaluator:
    """Build an evaluator; relative paths in its options start from the folder `base`."""
    built: Evaluator = _build("evaluator", EVALUATORS, kind, options, Path(base))
    return built


def evaluator_factory(part: Part, base: Path) -> EvaluatorFactory:
    """What a worker calls to build the evaluator; it travels as names and plain options."""
    return partial(evaluator, part.type, part.options, str(base.absolute()))


def fleet(
    run: RunTable, factory: EvaluatorFactory, targets: tuple[Target, ...], folder: RunFolder
) -> Fleet:
    """Start the workers that a config asks for."""
    if run.fleet == "inline":
        from matscout.fleet.inline import Inline

        return Inline(factory, targets, folder, slots=run.workers)
    if run.fleet == "process":
        from matscout.fleet.process import ProcessFleet

        return ProcessFleet(
            factory,
            targets,
            folder,
            slots=run.workers,
            threads=run.threads,
            costly=run.costly,
        )
    from matscout.fleet.ray_actors import RayFleet
    from matscout.fleet.sharing import shared_data

    return RayFleet(
        factory,
        targets,
        folder,
        slots=run.workers,
        cpus=run.cpus,
        gpus=run.gpus,
        resources=run.resources,
        address=run.address,
        threads=run.threads,
        shared=shared_data(factory()) if _may_share(factory) else None,
    )


def _may_share(factory: EvaluatorFactory) -> bool:
    """Whether its evaluator, or that of whose trials it does parts, may have data to share. The others
    are not made for this: they would load a potential, or a person's module, in the driver, too."""
    made: Any = factory
    while isinstance(made, partial) and made.func is not evaluator:
        made = made.args[0]
    return not isinstance(made, partial) or made.args[0] in SHARES


def members(run: RunTable) -> Members | None:
    """Where the networks of a proposer are trained: wherever the run's workers are."""
    if run.fleet == "inline":
        return None
    if run.fleet == "process":
        from matscout.fleet.members import ProcessMembers

        return ProcessMembers(run.workers)
    from matscout.fleet.ray_members import RayMembers

    return RayMembers(run.workers, run.gpus, run.resources, run.address)


def _build(
    what: str, known: Mapping[str, str], name: str, options: Mapping[str, Any], base: Path
) -> Any:
    if name not in known:
        raise InputError(f"{what}.type", f"unknown {name!r}", did_you_mean(name, known))
    module, _, attribute = known[name].partition(":")
    cls = getattr(import_module(module), attribute)
    parameters = inspect.signature(cls).parameters
    for key in options:
        if key not in parameters:
            raise InputError(what, f"unknown key {key!r}", did_you_mean(key, parameters))
    for key, parameter in parameters.items():
        if parameter.default is parameter.empty and key not in options:
            raise InputError(what, f"{key} is missing", f"a {name} {what} needs it")
    if "folder" in parameters:  # where a user's own code is looked for: beside their config
        options = {"folder": str(base), **options}
    hints = get_type_hints(cls.__init__)
    checked = {
        key: _checked(f"{what}.{key}", hints.get(key, Any), value, base)
        for key, value in options.items()
    }
    return cls(**checked)


def _taken(adapter: TypeAdapter[Any], value: Any) -> Any:
    """Strictly, as JSON is: a list may be a tuple and a text a path, but "yes" is no boolean and 1.5
    no count. What JSON cannot say (an object from Python) is taken as it is."""
    try:
        said = json.dumps(value)
    except TypeError:
        return adapter.validate_python(value)
    return adapter.validate_json(said, strict=True)


def _checked(where: str, hint: Any, value: Any, base: Path) -> Any:
    try:
        adapter = TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    except (PydanticSchemaGenerationError, PydanticUserError):
        adapter = TypeAdapter(hint)
    try:
        checked = _taken(adapter, value)
    except ValidationError as error:
        what = error.errors()[0]["msg"]
        raise InputError(
            where, one_line(f"{what[0].lower()}{what[1:]}, got {value!r:.80}")
        ) from None
    return base / checked if isinstance(checked, Path) else checked
