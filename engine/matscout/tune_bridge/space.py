"""Tune's search space as ours, and our points as Tune's configs."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from ray.tune.search.sample import Categorical as TuneChoice
from ray.tune.search.sample import Domain, LogUniform, Quantized, Uniform
from ray.tune.search.sample import Float as TuneFloat
from ray.tune.search.sample import Function as TuneFunction
from ray.tune.search.sample import Integer as TuneInteger

from matscout.data.pools import read_space
from matscout.errors import InputError
from matscout.parameter import Categorical, Float, Int, Ordinal, Parameter
from matscout.space import Space
from matscout.trial import Params, Value

SEPARATOR = "/"
"""Between the keys of a nested param_space: {"model": {"width": …}} is the parameter model/width."""

_DRAWN_BY_TUNE = "__fn_ph"
"""What Tune puts in the place of a sample_from before a searcher sees it (impl/placeholder.py)."""

Keys = tuple[Hashable, ...]
"""Where a parameter stands in a param_space: the keys themselves, which need not be text."""


@dataclass(frozen=True)
class TuneSpace:
    """A space, how its names nest in a Tune config, and what stands for choices that are no plain
    values (lists, None, objects): parameter → label → the choice itself.
    """

    space: Space
    paths: Mapping[str, Keys] = field(default_factory=dict)
    labels: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def config(self, params: Params) -> dict[str, Any]:
        """A point as what Tune merges into a trial's config."""
        out: dict[Any, Any] = {}
        for name, value in params.items():
            *outer, last = self.paths.get(name, (name,))
            table = out
            for key in outer:
                table = table.setdefault(key, {})
            choices = self.labels.get(name)
            table[last] = choices[str(value)] if choices and value in choices else value
        return out

    def params(self, config: Mapping[str, Any], where: str) -> dict[str, Value]:
        """The point in a config, which may hold other keys too; InputError if it is none of ours."""
        found: dict[str, Any] = {}
        for name in self.space.by_name:
            here: Any = config
            for key in self.paths.get(name, (name,)):
                here = here.get(key, _ABSENT) if isinstance(here, Mapping) else _ABSENT
            if here is not _ABSENT:
                found[name] = self._labelled(name, here)
        return self.space.check(found, where)

    def _labelled(self, name: str, value: Any) -> Any:
        for label, choice in self.labels.get(name, {}).items():
            if choice is value or (type(choice) is type(value) and choice == value):
                return label
        return value


_ABSENT = object()


def given_space(space: Space | Mapping[str, Any] | str | Path) -> TuneSpace:
    """One of our spaces: itself, a config's `[space]` table, or a TOML file (of a space, or of a
    sweep with a `[space]`).
    """
    if isinstance(space, str | Path):
        return TuneSpace(_plain(_from_file(Path(space))))
    if isinstance(space, Mapping):
        return TuneSpace(_plain(read_space(space, Path())))
    return TuneSpace(_plain(space))


def has_domains(config: Mapping[str, Any]) -> bool:
    """Whether anything in a param_space is still to be drawn."""
    return any(_to_be_drawn(value) for _, value in _leaves(config, ()))


def converted(config: Mapping[str, Any]) -> TuneSpace:
    """The domains of a param_space as parameters; constants stay Tune's. InputError, in one line, for
    what no searcher could know how to vary.
    """
    parameters: list[Parameter] = []
    paths: dict[str, Keys] = {}
    labels: dict[str, dict[str, Any]] = {}
    for path, value in _leaves(config, ()):
        keys = [str(key) for key in path]
        name, where = SEPARATOR.join(keys), f"param_space.{'.'.join(keys)}"
        if not _to_be_drawn(value):
            continue
        if not isinstance(value, Domain) or isinstance(value, TuneFunction):
            raise InputError(where, *_refused(value))
        if name in paths:
            raise InputError(where, f"there are two parameters {name!r}", "rename one")
        paths[name] = path
        if isinstance(value, TuneChoice):
            plain, labels[name] = _choices(value, where)
            parameters.append(_listed(name, plain))
        else:
            parameters.append(_number(name, value, where))
    if not parameters:
        raise InputError("param_space", "there is nothing to vary", "use tune.uniform and the like")
    used = {name: choices for name, choices in labels.items() if choices}
    return TuneSpace(Space(tuple(parameters)), paths, used)


def _leaves(table: Mapping[Any, Any], path: Keys) -> Iterator[tuple[Keys, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping) and value and "grid_search" not in value:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _to_be_drawn(value: Any) -> bool:
    """A domain, what Tune made of a sample_from, a grid, or a list with one of them inside."""
    if isinstance(value, list | tuple):
        return value[:1] == (_DRAWN_BY_TUNE,) or any(_to_be_drawn(v) for v in value)
    if isinstance(value, Mapping):
        return "grid_search" in value or any(_to_be_drawn(v) for v in value.values())
    return isinstance(value, Domain)


def _refused(value: Any) -> tuple[str, str]:
    if isinstance(value, Mapping):
        return "grid_search is drawn by Tune itself", 'use tune.choice, and proposer "grid"'
    if isinstance(value, list | tuple) and value[:1] != (_DRAWN_BY_TUNE,):
        return "a parameter cannot stand inside a list", "give it a name of its own"
    return "sample_from is drawn by Tune itself", "compute it inside the trainable"


def _choices(domain: TuneChoice, where: str) -> tuple[list[Value], dict[str, Any]]:
    """The choices as plain values, and what the labels among them stand for."""
    plain: list[Value] = []
    stands_for: dict[str, Any] = {}
    for choice in domain.categories:
        if _to_be_drawn(choice):
            what = "a choice holds parameters of its own"
            raise InputError(where, what, "write a space with `when` (docs/configs.md)")
        value = choice.item() if isinstance(choice, np.generic) else choice
        finite = isinstance(value, int | float) and math.isfinite(value)
        if not (isinstance(value, str) or finite):
            value = repr(choice)
            stands_for[value] = choice
        plain.append(value)
    texts = [v for v in plain if isinstance(v, str)]
    twice = next((text for text in stands_for if texts.count(text) > 1), None)
    if twice is not None:
        raise InputError(where, f"cannot tell two choices {twice:.60} apart", "make them differ")
    return plain, stands_for


def _listed(name: str, values: list[Value]) -> Parameter:
    """Three and more increasing numbers have an order that a model can use."""
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    rising = all(a < b for a, b in pairwise(numbers))
    if len(numbers) == len(values) >= 3 and rising:
        return Ordinal(name, tuple(numbers))
    return Categorical(name, tuple(values))


def _number(name: str, domain: Domain, where: str) -> Parameter:
    sampler, step = domain.get_sampler(), None
    if isinstance(sampler, Quantized):
        sampler, step = sampler.get_sampler(), sampler.q
    log = isinstance(sampler, LogUniform)
    if not log and not isinstance(sampler, Uniform):
        what = f"{type(sampler).__name__.strip('_').lower()} has no bounds"
        raise InputError(where, what, "use tune.uniform or tune.loguniform")
    if log and step is not None and (step != 1 or isinstance(domain, TuneFloat)):
        raise InputError(where, "a log scale in steps", "use tune.choice, or leave q out")
    if isinstance(domain, TuneInteger):
        return _whole(name, domain, log, int(step or 1))
    assert isinstance(domain, TuneFloat)
    if step is None:
        return Float(name, domain.lower, domain.upper, log=log)
    low = math.ceil(domain.lower / step - 1e-9) * step
    high = math.floor(domain.upper / step + 1e-9) * step
    if high - low < step * (1 - 1e-9):  # one value
        return Ordinal(name, (low,))
    return Float(name, low, high, step=step)


def _whole(name: str, domain: TuneInteger, log: bool, step: int) -> Parameter:
    low = math.ceil(domain.lower / step) * step
    # Tune's upper end is excluded, but not from multiples of q (ray.tune.qrandint).
    high = domain.upper - 1 if step == 1 else math.floor(domain.upper / step) * step
    return Int(name, low, high, log=log, step=step) if low < high else Ordinal(name, (low,))


def _plain(space: Space) -> Space:
    if space.pool is not None:
        raise InputError("space", "Tune has no use for a pool", "use matscout campaign")
    return space


def _from_file(path: Path) -> Space:
    from matscout.drive.config import read_toml

    raw, _ = read_toml(path)
    table = raw.get("space", raw)
    try:
        if not isinstance(table, Mapping):
            raise InputError("space", f"must be a table, got {table!r:.60}")
        return read_space(table, path.absolute().parent)
    except InputError as error:
        raise error.within(str(path)) from None
