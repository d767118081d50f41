"""Ax, as serve.py lets it answer.

    {"do": "new", "space": {…}, "targets": [[name, "min" | "max"], …],
     "limits": 2, "seed": 0}                                            {}
    {"do": "ask"}                                          {"params": {…} | null, "used_s": 1.2}
    {"do": "tell", "trial": 0, "values": […], "limits": […]}            {}

Ax is used as its documentation shows: a `Client` with everything by default. Conditions are dependent
parameters, `limits` are outcome constraints (c <= 0), several targets are several objectives; no noise
is told. `space` is that of `matscout.space.Space.to_dict`. null: Ax wants to be told something first.
`used_s`: processor seconds since `new`.

BoTorch's fused kernel for fronts is left out, as in our own: a process that is killed while it compiles
leaves a lock for which every later one waits for ever. What is suggested is the same, in more time.
"""

from __future__ import annotations

import time
from typing import Any


class Session:
    """The sweep that the other side plays."""

    def new(
        self, space: dict[str, Any], targets: list[list[str]], limits: int, seed: int
    ) -> dict[str, Any]:
        from ax.api.client import Client  # type: ignore[import-not-found]
        from botorch.acquisition.multi_objective import logei

        logei._load_attempted = True
        self._names = [name for name, _ in targets]
        self._limits = [f"c{place}" for place in range(limits)]
        self._trials: list[int] = []
        self._began_s = time.process_time()
        self._client = Client(random_seed=seed)
        self._client.configure_experiment(parameters=_parameters(space["parameters"]))
        signed = [name if direction == "max" else f"-{name}" for name, direction in targets]
        self._client.configure_optimization(
            objective=", ".join(signed),
            outcome_constraints=[f"{name} <= 0" for name in self._limits] or None,
        )
        return {}

    def ask(self) -> dict[str, Any]:
        from ax.exceptions.core import DataRequiredError  # type: ignore[import-not-found]

        try:
            found = self._client.get_next_trials(max_trials=1)
        except DataRequiredError:
            found = {}
        self._trials += found
        params = next(iter(found.values()), None)
        return {"params": params, "used_s": time.process_time() - self._began_s}

    def tell(self, trial: int, values: list[float], limits: list[float]) -> dict[str, Any]:
        said = dict(zip([*self._names, *self._limits], [*values, *limits], strict=True))
        self._client.complete_trial(self._trials[trial], raw_data=said)
        return {}


def _parameters(raw: dict[str, dict[str, Any]]) -> list[Any]:
    depend: dict[str, dict[Any, list[str]]] = {}
    for name, one in raw.items():
        for parent, values in one.get("when", {}).items():
            for value in values:
                depend.setdefault(parent, {}).setdefault(value, []).append(name)
    return [_parameter(name, one, depend.get(name)) for name, one in raw.items()]


def _parameter(name: str, raw: dict[str, Any], depend: dict[Any, list[str]] | None) -> Any:
    from ax.api.configs import (  # type: ignore[import-not-found]
        ChoiceParameterConfig,
        RangeParameterConfig,
    )

    kind = raw["type"]
    if kind in ("float", "int"):
        step = raw.get("step")
        return RangeParameterConfig(
            name=name,
            bounds=(raw["low"], raw["high"]),
            parameter_type=kind,
            step_size=None if kind == "int" and step == 1 else step,
            scaling="log" if raw.get("log") else None,
        )
    values = raw["choices"] if kind == "categorical" else raw["values"]
    if any(isinstance(value, float) for value in values):
        values = [float(value) for value in values]
    return ChoiceParameterConfig(
        name=name,
        values=values,
        parameter_type={str: "str", bool: "bool", int: "int", float: "float"}[type(values[0])],
        is_ordered=kind == "ordinal",
        dependent_parameters=depend,
    )
