"""The relaxed reference phases AX and BX2 that come with matscout, so that no user waits for them.

Computed by `matscout bench halide-reference` (drive/halide_reference.py) and committed with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from matscout.json_text import parsed_json


@dataclass(frozen=True, slots=True)
class Phase:
    """A crystal at rest, as JSON keeps it (`halide_crystals.from_plain` builds it).

    `energy_eV` is per atom; `prototype` is where the relaxation began that ended here.
    """

    formula: str
    prototype: str
    energy_eV: float
    crystal: Mapping[str, Any]

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Phase:
        """The phase that `to_json` wrote; ValueError if it is anything else."""
        raw = parsed_json(text)
        try:
            return cls(**raw)
        except TypeError as error:
            raise ValueError(f"not a phase: {error}") from None


@cache
def shipped_phases(recipe: str) -> Mapping[str, Phase]:
    """By formula, the phases that were relaxed by this recipe; none where it was another."""
    lines = files("matscout.data").joinpath("halides_phases.jsonl")
    if not lines.is_file():
        return {}
    head, *rest = lines.read_text(encoding="utf-8").splitlines()
    if json.loads(head)["recipe"] != recipe:
        return {}
    return {phase.formula: phase for phase in map(Phase.from_json, rest)}


def phases_text(recipe: str, phases: Mapping[str, Phase]) -> str:
    """The text of the file that `shipped_phases` reads, one phase a line, by formula."""
    head = json.dumps({"recipe": recipe, "energy_eV": "per atom", "lattice": "angstrom, rows"})
    return "\n".join([head, *(phases[name].to_json() for name in sorted(phases))]) + "\n"
