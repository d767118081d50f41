"""What a Tune experiment is, as the first event of its record says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matscout.drive.policy import Policy
from matscout.drive.run import RunSpec
from matscout.errors import InputError
from matscout.space import Space
from matscout.trial import Target

Words = str | list[str] | None


def check_goal(metric: Words, mode: Words) -> None:
    """InputError where metric and mode do not go together, as far as they are given."""
    names, modes = _listed(metric), _listed(mode)
    odd = next((m for m in modes if m not in ("min", "max")), None)
    if odd is not None:
        raise InputError("MatscoutSearch.mode", f"must be min or max, got {odd!r}")
    unlike = isinstance(metric, str) != isinstance(mode, str)
    if names and modes and (len(names) != len(modes) or unlike):
        raise InputError("MatscoutSearch.mode", "needs one for each metric", "give two lists")
    if len(set(names)) != len(names):
        raise InputError("MatscoutSearch.metric", "names a metric twice", "name each once")


def targets_of(metric: Words, mode: Words) -> tuple[Target, ...]:
    """One for each metric, once `check_goal` has passed them."""
    pairs = zip(_listed(metric), _listed(mode), strict=True)
    return tuple(Target(name, "max" if way == "max" else "min") for name, way in pairs)


def tune_spec(
    space: Space,
    targets: tuple[Target, ...],
    seed: int,
    proposer: str,
    options: Mapping[str, Any],
    *,
    trials: int,
    slots: int,
) -> RunSpec:
    """A sweep of which Tune is the driver: our commands can read its folder, but not go on with it."""
    config = {
        "name": "tune",
        "seed": seed,
        "targets": [{"name": t.name, "direction": t.direction} for t in targets],
        "evaluator": {"type": "tune"},
        "proposer": {"type": proposer, **options},
        "run": {"trials": trials},
    }
    return RunSpec(
        name="tune",
        kind="sweep",
        space=space,
        targets=targets,
        policy=Policy(trials=trials, slots=slots),
        seed=seed,
        config=config,
        origin={"path": "Ray Tune (use Tuner.restore)"},
    )


def _listed(words: Words) -> list[str]:
    return [words] if isinstance(words, str) else list(words or [])
