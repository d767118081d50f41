"""Sound configs in which one thing is of another kind: each is taken, or refused in one line."""

from __future__ import annotations

import copy
import datetime
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from matscout.cli.assemble import spec_from_dict
from matscout.errors import InputError

LONGEST = 1000
"""Characters of the one line."""

GONE = object()
ODD: list[Any] = [
    GONE, 10**400, -(10**400), 2**64, 0, -1, 1.5, 1e308, float("inf"), float("nan"), True, "", "x",
    "é" * 300, "\x1b[31m", [], [[]], [1], ["x", "x"], [{}], {}, {"x": 1}, {"type": 3},
    datetime.date(2020, 1, 1),
]  # fmt: skip

PARAMETERS = """
name = "odd"
seed = 3
[space.parameters]
a = { type = "float", low = 0.01, high = 1.0, log = true }
b = { type = "int", low = 1, high = 20, step = 2 }
c = { type = "categorical", choices = ["u", 2, 3.5] }
d = { type = "ordinal", values = [1, 2, 3] }
u = { type = "float", low = 0.0, high = 1.0, step = 0.1, when = { c = ["u"] } }
v = { type = "float", low = 0.0, high = 1.0 }
w = { type = "float", low = 0.0, high = 1.0 }
[[space.constraints]]
type = "simplex"
parameters = ["v", "w"]
total = 1.0
[[space.constraints]]
type = "linear"
coefficients = { v = 1.0, a = 2.0 }
op = "<="
bound = 3.0
[[targets]]
name = "y"
direction = "min"
[[limits]]
name = "z"
min = 0.0
max = 4.0
[evaluator]
type = "command"
argv = ["true", "{params}", "{result}"]
[proposer]
type = "gp"
startup = 5
beta = 2.0
[run]
trials = 10
lease_s = 5
budget_s = 10
fleet = "inline"
"""

TABULAR = """
name = "odd"
[space.parameters]
alpha = { type = "float", low = 0.01, high = 10.0, log = true }
[[targets]]
name = "mae"
direction = "min"
[evaluator]
type = "tabular"
table = "t.csv"
predict = "y"
inputs = ["x", "s"]
categorical = ["s"]
model = "ridge"
hyperparameters = { alpha = 1.0 }
split = "grouped"
group = "x"
folds = 2
sealed = 0.2
[early_stopping]
type = "asha"
min_step = 1
thaw = true
[run]
trials = 2
fleet = "inline"
"""

POOL = """
kind = "campaign"
name = "odd"
[space]
pool = { file = "t.csv", id = "id", features = ["x", "f", "s"], kinds = { f = "formula", s = "category" } }
[[targets]]
name = "y"
direction = "max"
[goal]
kind = "rare"
threshold = 0.8
[evaluator]
type = "table"
path = "t.csv"
targets = ["y"]
[proposer]
type = "pool"
startup = 5
cost = "x"
[stop]
plateau = { experiments = 20 }
nothing_better = { probability = 0.1 }
[run]
trials = 10
fleet = "inline"
"""

CONFIGS = {"parameters": PARAMETERS, "tabular": TABULAR, "pool": POOL}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything inside."""
    if path:
        yield path
    inside = dict(enumerate(value)) if isinstance(value, list) else value
    for key, item in inside.items() if isinstance(inside, dict) else ():
        yield from places(item, (*path, key))


def changed(raw: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    whole = copy.deepcopy(raw)
    inner: Any = whole
    for key in path[:-1]:
        inner = inner[key]
    if value is GONE:
        del inner[path[-1]]
    else:
        inner[path[-1]] = copy.deepcopy(value)
    return whole


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("which", CONFIGS)
def test_what_is_of_another_kind_is_taken_or_refused_in_one_line(
    tmp_path: Path, which: str
) -> None:
    formulas = ("NaCl", "KBr", "MgO", "Fe2O3")
    rows = (f"c{i},{1 + i % 7},{formulas[i % 4]},{'uvw'[i % 3]},{i / 20}\n" for i in range(24))
    (tmp_path / "t.csv").write_text("id,x,f,s,y\n" + "".join(rows))
    sound = tomllib.loads(CONFIGS[which])
    kind = sound.get("kind", "sweep")
    spec_from_dict(sound, kind, {}, tmp_path / "odd.toml", "")
    refused = 0
    for path in places(sound):
        for value in ODD:
            try:
                spec_from_dict(changed(sound, path, value), kind, {}, tmp_path / "odd.toml", "")
            except InputError as error:
                refused += 1
                assert "\n" not in str(error) and len(str(error)) < LONGEST, (path, value)
            except Exception as error:
                raise AssertionError(f"{path} = {value!r:.60}") from error
    assert refused > 20 * len(sound)
