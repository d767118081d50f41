"""The four kinds of parameter. Each knows its values, its place in [0, 1], and its TOML form."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from matscout.errors import InputError, did_you_mean
from matscout.finite import is_number
from matscout.trial import Value

When = Mapping[str, tuple[Value, ...]]


def same(a: Value, b: Value) -> bool:
    """Equal in value and in kind: True is not 1, and 1 is not 1.0."""
    return type(a) is type(b) and a == b


@dataclass(frozen=True)
class _Parameter:
    """`when` maps names of other parameters to the values for which this one exists."""

    name: str
    when: When = field(default_factory=dict, kw_only=True)
    type: ClassVar[str]

    @property
    def where(self) -> str:
        return f"space.parameters.{self.name}"

    def _require(self, holds: bool, what: str, mend: str = "") -> None:
        if not holds:
            raise InputError(self.where, what, mend)

    def __post_init__(self) -> None:
        self._require(bool(self.name) and self.name.isprintable(), "a name must be printable text")


@dataclass(frozen=True)
class _Numeric(_Parameter):
    low: float
    high: float
    log: bool = False
    _noun: ClassVar[str] = "number"

    def __post_init__(self) -> None:
        super().__post_init__()
        for bound in ("low", "high"):
            value = getattr(self, bound)
            self._require(is_number(value), f"{bound} must be a finite number, got {value!r}")
        self._require(
            self.low < self.high,
            f"low < high must hold, but got low={self.low!r}, high={self.high!r}",
            "swap the bounds, or fix the value in the evaluator's options",
        )
        self._require(
            math.isfinite(float(self.high) - float(self.low)),
            f"high - low must be a finite number, got low={self.low!r}, high={self.high!r}",
            "bring the bounds nearer",
        )
        self._require(type(self.log) is bool, f"log must be true or false, got {self.log!r}")
        self._require(
            not self.log or self.low > 0,
            f"a log scale needs low > 0, but got low={self.low!r}",
            "raise low or drop log",
        )

    @property
    def wanted(self) -> str:
        """Its values in words."""
        step = getattr(self, "step", None)
        steps = f" in steps of {step:.15g}" if step not in (None, 1) else ""
        return f"a {self._noun} from {self.low:.15g} to {self.high:.15g}{steps}"

    def to_unit(self, value: float) -> float:
        if self.log:
            return (math.log(value) - math.log(self.low)) / (
                math.log(self.high) - math.log(self.low)
            )
        return (value - self.low) / (self.high - self.low)

    def _at(self, unit: float) -> float:
        unit = min(max(unit, 0.0), 1.0)
        if self.log:
            value = math.exp(math.log(self.low) + unit * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + unit * (self.high - self.low)
        return min(max(value, self.low), self.high)


@dataclass(frozen=True)
class Float(_Numeric):
    """A real number in [low, high]; with `step`, only low, low + step, …"""

    step: float | None = None
    type: ClassVar[str] = "float"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "low", float(self.low))
        object.__setattr__(self, "high", float(self.high))
        if self.step is not None:
            self._require(
                # Slack as in `count`: 3.8 - 3.6 is a little less than 0.2.
                is_number(self.step) and 0 < self.step * (1 - 1e-9) <= self.high - self.low,
                f"step must lie in (0, high - low], got {self.step!r}",
            )
            self._require(
                math.isfinite((self.high - self.low) / self.step),
                f"step must be larger, got {self.step!r}",
                "leave it out: so small a step is none",
            )
            self._require(not self.log, "step and log exclude each other", "drop one of them")
            object.__setattr__(self, "step", float(self.step))

    @property
    def count(self) -> int | None:
        """How many values there are; None for a continuum."""
        return (
            None if self.step is None else math.floor((self.high - self.low) / self.step + 1e-9) + 1
        )

    def values(self) -> Iterator[float]:
        assert self.step is not None and self.count is not None
        return (self._on_grid(k) for k in range(self.count))

    def _on_grid(self, k: int) -> float:
        assert self.step is not None
        return min(self.low + k * self.step, self.high)

    def canonical(self, value: Any) -> float | None:
        """`value` as this parameter holds it, or None if it does not belong."""
        if not is_number(value) or not self.low <= value <= self.high:
            return None
        if self.step is None:
            return float(value)
        nearest = self._on_grid(round((value - self.low) / self.step))
        return nearest if abs(nearest - value) <= 1e-9 * max(1.0, abs(value)) else None

    def from_unit(self, unit: float) -> float:
        """The value at `unit` of [0, 1]; grid values get cells of equal width."""
        if self.step is None:
            return self._at(unit)
        assert self.count is not None
        return self._on_grid(min(int(unit * self.count), self.count - 1))

    def cell(self, value: float) -> float:
        """Where `from_unit` gives `value`; of a grid's, the middle of the cell."""
        if self.step is None or self.count is None:
            return self.to_unit(value)
        return (round((value - self.low) / self.step) + 0.5) / self.count


@dataclass(frozen=True)
class Int(_Numeric):
    """A whole number in [low, high]; with `step`, only low, low + step, …"""

    low: int
    high: int
    step: int = 1
    type: ClassVar[str] = "int"
    _noun: ClassVar[str] = "whole number"

    def __post_init__(self) -> None:
        for bound in ("low", "high", "step"):
            value = getattr(self, bound)
            whole = isinstance(value, float) and value.is_integer()
            self._require(
                type(value) is int,
                f"{bound} must be a whole number, got {value!r}",
                f"write {int(value)}" if whole else "",
            )
        super().__post_init__()
        self._require(
            1 <= self.step <= self.high - self.low,
            f"step must lie in [1, high - low], got {self.step}",
        )
        self._require(not (self.log and self.step != 1), "step and log exclude each other")

    @property
    def count(self) -> int:
        return (self.high - self.low) // self.step + 1

    def values(self) -> Iterator[int]:
        return iter(range(self.low, self.high + 1, self.step))

    def canonical(self, value: Any) -> int | None:
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int or not self.low <= value <= self.high:
            return None
        return value if (value - self.low) % self.step == 0 else None

    def from_unit(self, unit: float) -> int:
        """The value at `unit` of [0, 1]; every value gets a cell, of equal width unless log."""
        if self.log:
            low, high = self._log_ends
            value = round(math.exp(low + min(max(unit, 0.0), 1.0) * (high - low)))
            return min(max(value, self.low), self.high)
        return self.low + self.step * min(int(max(unit, 0.0) * self.count), self.count - 1)

    def cell(self, value: int) -> float:
        """Where `from_unit` gives `value`: the middle of its cell, or its place if log."""
        if self.log:
            low, high = self._log_ends
            return (math.log(value) - low) / (high - low)
        return ((value - self.low) // self.step + 0.5) / self.count

    @property
    def _log_ends(self) -> tuple[float, float]:
        """Cells reach half a unit beyond the ends, as everywhere else for integers."""
        return math.log(self.low - 0.5), math.log(self.high + 0.5)


@dataclass(frozen=True)
class _Listed(_Parameter):
    """Shared by the two kinds that list their values."""

    def _check_listed(self, key: str, values: tuple[Any, ...]) -> None:
        self._require(len(values) >= 1, f"{key} must not be empty")
        names = [json.dumps(v) for v in values]
        twice = {n for n in names if names.count(n) > 1}
        self._require(
            not twice, f"{key} repeats {', '.join(sorted(twice))}", "list each value once"
        )

    @staticmethod
    def _one_of(values: tuple[Value, ...]) -> str:
        """The values in words, the first twenty."""
        return "one of " + ", ".join(map(str, values[:20]))

    @staticmethod
    def _find(value: Any, values: tuple[Value, ...]) -> Value | None:
        return next((v for v in values if same(v, value)), None)


@dataclass(frozen=True)
class Categorical(_Listed):
    """One of several labels without an order."""

    choices: tuple[Value, ...]
    type: ClassVar[str] = "categorical"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(not isinstance(self.choices, str), "choices must be a list")
        object.__setattr__(self, "choices", tuple(self.choices))
        for choice in self.choices:
            self._require(
                isinstance(choice, str | bool) or is_number(choice),
                f"a choice must be text, a finite number, true or false, got {choice!r}",
            )
        self._check_listed("choices", self.choices)

    @property
    def wanted(self) -> str:
        """Its values in words."""
        return self._one_of(self.choices)

    @property
    def count(self) -> int:
        return len(self.choices)

    def values(self) -> Iterator[Value]:
        return iter(self.choices)

    def canonical(self, value: Any) -> Value | None:
        return self._find(value, self.choices)

    def to_unit(self, value: Value) -> float:
        """Centre of the value's cell; only for methods that know no categories (Sobol)."""
        index = next(i for i, v in enumerate(self.choices) if same(v, value))
        return (index + 0.5) / self.count

    def from_unit(self, unit: float) -> Value:
        return self.choices[min(int(max(unit, 0.0) * self.count), self.count - 1)]

    def cell(self, value: Value) -> float:
        return self.to_unit(value)


@dataclass(frozen=True)
class Ordinal(_Listed):
    """One of several increasing numbers, equally far apart for the model (8, 16, 32, …)."""

    levels: tuple[float, ...]
    type: ClassVar[str] = "ordinal"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "levels", tuple(self.levels))
        for level in self.levels:
            self._require(is_number(level), f"a value must be a finite number, got {level!r}")
        self._check_listed("values", self.levels)
        self._require(
            all(a < b for a, b in zip(self.levels, self.levels[1:], strict=False)),
            f"values must increase, got {list(self.levels)}",
            "sort them, or use a categorical",
        )

    @property
    def wanted(self) -> str:
        """Its values in words."""
        return self._one_of(self.levels)

    @property
    def count(self) -> int:
        return len(self.levels)

    def values(self) -> Iterator[float]:
        return iter(self.levels)

    def canonical(self, value: Any) -> float | None:
        if not is_number(value):
            return None
        return next((level for level in self.levels if level == value), None)

    def to_unit(self, value: float) -> float:
        """index / (k - 1): the ends of the list are the ends of the unit interval."""
        return self.levels.index(value) / max(self.count - 1, 1)

    def from_unit(self, unit: float) -> float:
        return self.levels[min(int(max(unit, 0.0) * self.count), self.count - 1)]

    def cell(self, value: float) -> float:
        return (self.levels.index(value) + 0.5) / self.count


Parameter = Float | Int | Categorical | Ordinal

_FIELDS: dict[str, tuple[type[Parameter], tuple[str, ...], tuple[str, ...]]] = {
    "float": (Float, ("low", "high"), ("log", "step")),
    "int": (Int, ("low", "high"), ("log", "step")),
    "categorical": (Categorical, ("choices",), ()),
    "ordinal": (Ordinal, ("values",), ()),
}


def parameter_from_dict(name: str, raw: Any) -> Parameter:
    """A parameter from its TOML table; InputError names the key that is wrong."""
    where = f"space.parameters.{name}"
    if not isinstance(raw, Mapping):
        raise InputError(where, f"must be a table, got {raw!r}", 'write { type = "float", … }')
    kind = raw.get("type")
    if not isinstance(kind, str) or kind not in _FIELDS:
        what = "type is missing" if kind is None else f"unknown type {kind!r:.80}"
        raise InputError(where, what, did_you_mean(str(kind), _FIELDS))
    cls, required, optional = _FIELDS[kind]
    known = {"type", "when", *required, *optional}
    for key in raw:
        if key not in known:
            raise InputError(where, f"unknown key {key!r}", did_you_mean(key, known))
    for key in required:
        if key not in raw:
            raise InputError(where, f"{key} is missing", f"a {kind} needs {' and '.join(required)}")
    fields = {key: raw[key] for key in (*required, *optional) if key in raw}
    for key in ("choices", "values"):
        if key in fields and not isinstance(fields[key], list | tuple):
            raise InputError(where, f"{key} must be a list, got {fields[key]!r}")
    if "values" in fields:
        fields["levels"] = fields.pop("values")
    return cls(name, **fields, when=_when(where, raw.get("when", {})))


def parameter_to_dict(parameter: Parameter) -> dict[str, Any]:
    """The TOML table of a parameter; defaults are left out."""
    out: dict[str, Any] = {"type": parameter.type}
    if isinstance(parameter, Categorical):
        out["choices"] = list(parameter.choices)
    elif isinstance(parameter, Ordinal):
        out["values"] = list(parameter.levels)
    else:
        out |= {"low": parameter.low, "high": parameter.high}
        if parameter.log:
            out["log"] = True
        if parameter.step not in (None, 1) or (parameter.step and isinstance(parameter, Float)):
            out["step"] = parameter.step
    if parameter.when:
        out["when"] = {name: list(values) for name, values in parameter.when.items()}
    return out


def _when(where: str, raw: Any) -> When:
    if not isinstance(raw, Mapping):
        raise InputError(
            where, f"when must be a table, got {raw!r}", 'write { parent = ["value"] }'
        )
    return {
        parent: tuple(values) if isinstance(values, list | tuple) else (values,)
        for parent, values in raw.items()
    }
