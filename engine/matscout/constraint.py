"""What combinations are allowed: simplices (compositions) and linear inequalities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from matscout.errors import InputError, did_you_mean
from matscout.finite import is_number
from matscout.trial import Params


@dataclass(frozen=True)
class Simplex:
    """The named parameters sum to `total` (fractions of a composition to 1).

    Sums are kept to 1e-6 of the total: what a balance or a pipetting robot resolves is coarser.
    """

    parameters: tuple[str, ...]
    total: float = 1.0
    type: ClassVar[str] = "simplex"
    op: ClassVar[Literal["=="]] = "=="

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", tuple(self.parameters))
        if len(set(self.parameters)) < 2 or len(set(self.parameters)) != len(self.parameters):
            raise InputError(
                "space.constraints", "a simplex needs two or more different parameters"
            )
        _require_number("total", self.total)
        if self.total <= 0:
            raise InputError("space.constraints", f"total must be positive, got {self.total!r}")
        object.__setattr__(self, "total", float(self.total))

    @property
    def coefficients(self) -> Mapping[str, float]:
        return dict.fromkeys(self.parameters, 1.0)

    @property
    def bound(self) -> float:
        return self.total

    def violation(self, params: Params) -> float:
        """How far `params` are from the constraint, in its own units; 0 when satisfied."""
        gap = abs(sum(float(params[name]) for name in self.parameters) - self.total)
        return gap if gap > 1e-6 * self.total else 0.0


@dataclass(frozen=True)
class Linear:
    """sum of coefficient * parameter, compared with `bound` by `op`."""

    coefficients: Mapping[str, float]
    op: Literal["<=", ">=", "=="]
    bound: float
    type: ClassVar[str] = "linear"

    def __post_init__(self) -> None:
        if not isinstance(self.coefficients, Mapping) or not self.coefficients:
            raise InputError("space.constraints", "coefficients must be a table of numbers")
        for name, value in self.coefficients.items():
            _require_number(f"coefficients.{name}", value)
        _require_number("bound", self.bound)
        if self.op not in ("<=", ">=", "=="):
            raise InputError("space.constraints", f"op must be <=, >= or ==, got {self.op!r}")
        floats = {name: float(value) for name, value in self.coefficients.items()}
        object.__setattr__(self, "coefficients", floats)
        object.__setattr__(self, "bound", float(self.bound))

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(self.coefficients)

    def violation(self, params: Params) -> float:
        """How far `params` are from the constraint, in its own units; 0 when satisfied."""
        terms = [c * float(params[name]) for name, c in self.coefficients.items()]
        gap = sum(terms) - self.bound
        if self.op == "<=":
            gap = max(gap, 0.0)
        elif self.op == ">=":
            gap = max(-gap, 0.0)
        slack = 1e-9 * max(1.0, abs(self.bound), *(abs(t) for t in terms))
        # An equality cannot be hit to the last bit by a sum of floats: same tolerance as a simplex.
        return abs(gap) if abs(gap) > (1e3 * slack if self.op == "==" else slack) else 0.0


Constraint = Simplex | Linear


def in_words(constraint: Constraint, params: Params) -> str:
    """What the constraint asks for, and what `params` make of it."""
    terms = constraint.coefficients.items()
    left = " + ".join(name if c == 1.0 else f"{c!r} {name}" for name, c in terms)
    value = sum(c * float(params[name]) for name, c in terms)
    return f"{left} {constraint.op} {constraint.bound!r} must hold, but it is {value!r}"


_FIELDS: dict[str, tuple[type[Constraint], tuple[str, ...], tuple[str, ...]]] = {
    "simplex": (Simplex, ("parameters",), ("total",)),
    "linear": (Linear, ("coefficients", "op", "bound"), ()),
}


def constraint_from_dict(raw: Any) -> Constraint:
    """A constraint from its TOML table."""
    where = "space.constraints"
    kind = raw.get("type") if isinstance(raw, Mapping) else None
    if not isinstance(kind, str) or kind not in _FIELDS:
        what = "type is missing" if kind is None else f"unknown type {kind!r:.80}"
        raise InputError(where, what, did_you_mean(str(kind), _FIELDS))
    cls, required, optional = _FIELDS[kind]
    known = {"type", *required, *optional}
    for key in raw:
        if key not in known:
            raise InputError(where, f"unknown key {key!r}", did_you_mean(key, known))
    for key in required:
        if key not in raw:
            raise InputError(where, f"{key} is missing", f"a {kind} needs {', '.join(required)}")
    names = raw.get("parameters", [])
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise InputError(where, f"parameters must be a list of names, got {names!r:.80}")
    return cls(**{key: value for key, value in raw.items() if key != "type"})


def constraint_to_dict(constraint: Constraint) -> dict[str, Any]:
    """The TOML table of a constraint."""
    if isinstance(constraint, Simplex):
        return {
            "type": "simplex",
            "parameters": list(constraint.parameters),
            "total": constraint.total,
        }
    return {
        "type": "linear",
        "coefficients": dict(constraint.coefficients),
        "op": constraint.op,
        "bound": constraint.bound,
    }


def _require_number(key: str, value: Any) -> None:
    if not is_number(value):
        raise InputError("space.constraints", f"{key} must be a finite number, got {value!r:.40}")
