"""A person's fixed choices ("this week only at 80 °C"): what is suggested keeps them, what is
learned does not forget the rest.

A held parameter still knows its whole range and all its choices, so that a model tells yesterday's
values apart; only nothing but the held value is ever drawn. In a pool, what cannot be had this week
is left out, and everything that was asked for before stays in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from matscout.constraint import Linear
from matscout.drive.cells import read_value, same_value
from matscout.errors import InputError, did_you_mean
from matscout.history import History
from matscout.parameter import Categorical, Float, Int, Ordinal, Parameter
from matscout.pool import Pool
from matscout.space import Space
from matscout.trial import Value

_SHOWN = 8


def parse_fixed(space: Space, words: Iterable[str]) -> dict[str, Value]:
    """`NAME=VALUE` texts as values of this space's parameters or of its pool's columns."""
    fixed: dict[str, Value] = {}
    for word in words:
        name, equals, text = word.partition("=")
        name, text = name.strip(), text.strip()
        if not equals or not text:
            raise InputError(f"--fix {word}", "must be NAME=VALUE", "write --fix temperature=80")
        value = checked_choice(space, name, text)
        if name in fixed and not same_value(fixed[name], value):
            raise InputError(f"--fix {word}", f"{name} is fixed twice", "choose one")
        fixed[name] = value
    return fixed


def checked_choice(space: Space, name: str, value: Any) -> Value:
    """`value` (text, or a value) as column or parameter `name` holds it; InputError names the
    nearest name or value there is."""
    where = f"--fix {name}={value}"
    if space.pool is not None:
        if name not in space.pool.columns:
            raise InputError(where, f"no column {name!r}", did_you_mean(name, space.pool.columns))
        column = space.pool.columns[name]
        held = next((v for v in column if same_value(v, value)), None)
        if held is None:
            raise InputError(where, f"no candidate has it; {_near(value, column)}")
        return held
    if name not in space.by_name:
        raise InputError(where, f"no parameter {name!r}", did_you_mean(name, space.by_name))
    parameter = space.by_name[name]
    read = read_value(parameter, value) if isinstance(value, str) else parameter.canonical(value)
    if read is None:
        if isinstance(parameter, Float | Int) and (parameter.count or _SHOWN) >= _SHOWN:
            what = f"from {parameter.low:g} to {parameter.high:g}"
            what += f" in steps of {parameter.step:g}" if parameter.step not in (None, 1) else ""
            raise InputError(where, f"is outside the space; {name} goes {what}")
        raise InputError(where, f"is outside the space; {_near(value, tuple(parameter.values()))}")
    return read


def held(
    space: Space, history: History, fixed: Mapping[str, Value], *, draws: bool = True
) -> Space:
    """`space` from which only what has the `fixed` values is suggested.

    Without `draws` its parameters stay as they are, for a proposer that lists all their values: of
    what is fixed only the sums are kept, and the rest is left to whoever looks at what it proposes.
    """
    if not fixed:
        return space
    if space.pool is not None:
        return Space(pool=_held_pool(space.pool, history, fixed))
    drawn = fixed if draws else {}
    parameters = tuple(_hold(p, drawn[p.name]) if p.name in drawn else p for p in space.parameters)
    bound = {name for constraint in space.constraints for name in constraint.parameters}
    exact = tuple(
        Linear({name: 1.0}, "==", float(value)) for name, value in fixed.items() if name in bound
    )
    return Space(parameters, (*space.constraints, *exact))


def _held_pool(pool: Pool, history: History, fixed: Mapping[str, Value]) -> Pool:
    asked = {t.candidate for t in history.asked_for}
    columns = [(pool.columns[name], value) for name, value in fixed.items()]
    keep = [
        row
        for row, candidate in enumerate(pool.ids)
        if candidate in asked or all(same_value(column[row], value) for column, value in columns)
    ]
    if not keep:
        shown = ", ".join(f"{name}={value}" for name, value in fixed.items())
        raise InputError(f"--fix {shown}", "no candidate has all of these", "fix fewer")
    return replace(
        pool,
        ids=tuple(pool.ids[row] for row in keep),
        columns={n: tuple(column[row] for row in keep) for n, column in pool.columns.items()},
    )


def _near(value: Any, values: Iterable[Value]) -> str:
    """The values there are, nearest first where they are numbers."""
    known = list(dict.fromkeys(values))
    try:
        number = float(value)
        known.sort(key=lambda v: abs(float(v) - number))
    except (TypeError, ValueError):
        return did_you_mean(str(value), [str(v) for v in known[:1000]])
    shown = ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in known[:_SHOWN])
    return f"the nearest there are: {shown}"


class _Held:
    only: Value

    def values(self) -> Iterator[Any]:
        return iter((self.only,))

    def from_unit(self, unit: float) -> Any:
        return self.only


@dataclass(frozen=True)
class _HeldFloat(_Held, Float):
    only: float = 0.0


@dataclass(frozen=True)
class _HeldInt(_Held, Int):
    only: int = 0


@dataclass(frozen=True)
class _HeldCategorical(_Held, Categorical):
    only: Value = ""


@dataclass(frozen=True)
class _HeldOrdinal(_Held, Ordinal):
    only: float = 0.0


def _hold(p: Parameter, value: Any) -> Parameter:
    if isinstance(p, Float):
        return _HeldFloat(p.name, p.low, p.high, p.log, p.step, when=p.when, only=value)
    if isinstance(p, Int):
        return _HeldInt(p.name, p.low, p.high, p.log, p.step, when=p.when, only=value)
    if isinstance(p, Categorical):
        return _HeldCategorical(p.name, p.choices, when=p.when, only=value)
    return _HeldOrdinal(p.name, p.levels, when=p.when, only=value)
