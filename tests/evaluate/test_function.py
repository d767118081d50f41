"""Functions by name and by hand: what they may look like, and what is said when they do not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from matscout.errors import InputError
from matscout.evaluate.base import Context
from matscout.evaluate.function import FunctionEvaluator
from matscout.fleet.worker import attempt
from matscout.outcome import Assignment, Kind, Outcome
from matscout.trial import Measurement, Report, Target

MODULE = """
import laboratory_parts.oven

def loss(params):
    return params["x"] ** 2

def with_context(params, context):
    return {"y": params["x"] + context.seed}

class Bench:
    @staticmethod
    def measure(params):
        return laboratory_parts.oven.heat(params["x"])

temperature = 300.0
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "laboratory.py").write_text(MODULE)
    (tmp_path / "laboratory_parts").mkdir()
    (tmp_path / "laboratory_parts" / "__init__.py").touch()
    (tmp_path / "laboratory_parts" / "oven.py").write_text("def heat(x):\n    return x + 300.0\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in [n for n in sys.modules if n.startswith("laboratory")]:
        del sys.modules[name]


def told(target: str | Callable[..., Any], *names: str, **params: Any) -> list[Outcome]:
    targets = tuple(Target(name) for name in names or ("y",))
    assignment = Assignment(0, 1, params, seed=7)
    return list(attempt(FunctionEvaluator(target), assignment, targets, None))


def test_by_name_from_the_current_directory(home: Path) -> None:
    assert told("laboratory:loss", x=3.0)[-1].values == {"y": 9.0}
    assert told("laboratory:with_context", x=3.0)[-1].values == {"y": 10.0}
    assert told("laboratory:Bench.measure", x=3.0)[-1].values == {"y": 303.0}
    assert told("laboratory_parts.oven:heat", x=1.0)[-1].kind is Kind.CRASHED


def test_by_name_from_a_folder_that_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in ("", str(home))])
    with pytest.raises(InputError, match="no module 'laboratory'"):
        FunctionEvaluator("laboratory:loss")
    evaluator = FunctionEvaluator("laboratory:loss", folder=home, costly=True)
    assert evaluator.costly
    assert list(evaluator.evaluate({"x": 2.0}, Context())) == [4.0]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("laboratory", "'laboratory' names no function; write module:function"),
        ("laboratory:", "names no function"),
        (":loss", "names no function"),
        ("../laboratory:loss", "names no function"),
        ("laboratory:loss()", "names no function"),
        ("labratory:loss", "no module 'labratory'; did you mean 'laboratory'?"),
        ("laboratory_parts.ovn:heat", "no module 'laboratory_parts.ovn'; did you mean 'oven'?"),
        ("laboratory:los", "laboratory has no 'los'; did you mean 'loss'?"),
        ("laboratory:Bench.mesure", "Bench has no 'mesure'; did you mean 'measure'?"),
        ("laboratory:temperature", "laboratory:temperature is a float, not a function"),
    ],
)
def test_a_name_that_leads_nowhere(home: Path, name: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        FunctionEvaluator(name)
    assert said in str(caught.value)
    assert str(caught.value).startswith("evaluator.target: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def f(x):\n    retrun x\n", "laboratory_broken.py:2 is not Python"),
        ("import nothing_of_this_name\n", "needs 'nothing_of_this_name', which is not installed"),
        ("1 / 0\n", "raised ZeroDivisionError: division by zero (laboratory_broken.py:1)"),
    ],
)
def test_a_module_that_cannot_be_imported(home: Path, text: str, said: str) -> None:
    (home / "laboratory_broken.py").write_text(text)
    with pytest.raises(InputError) as caught:
        FunctionEvaluator("laboratory_broken:f")
    assert said in str(caught.value)


def trainer(params: Any, context: Context) -> Iterator[Report | Measurement]:
    for step in (1, 2):
        yield Report(step, {"y": params["x"] / step})
    yield Measurement({"y": params["x"]}, source="trained")


def test_a_generator_reports_on_the_way() -> None:
    outcomes = told(trainer, x=4.0)
    assert [o.kind for o in outcomes] == [Kind.REPORTED, Kind.REPORTED, Kind.MEASURED]
    assert [o.values["y"] for o in outcomes] == [4.0, 2.0, 4.0]
    assert outcomes[-1].source == "trained"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (1.5, Kind.MEASURED),
        (True, Kind.INVALID),
        ({"y": 1.5}, Kind.MEASURED),
        (Measurement({"y": 1.5}), Kind.MEASURED),
        ("1.5", Kind.INVALID),
        (None, Kind.INVALID),
        ([1.5, 2.5], Kind.INVALID),
    ],
)
def test_what_it_may_return(said: Any, kind: Kind) -> None:
    assert told(lambda params: said)[-1].kind is kind


def test_it_may_change_its_params_without_changing_ours() -> None:
    evaluator = FunctionEvaluator(lambda params: params.clear() or 1.0)
    params = {"x": 1.0}
    assert list(evaluator.evaluate(params, Context())) == [1.0]
    assert params == {"x": 1.0}


@pytest.mark.parametrize(
    "function",
    [
        lambda params: 1.0,
        lambda *words: 1.0,
        lambda params, context=None: 1.0,
        lambda params, epochs=3: float(epochs) - 2.0,
        lambda params, context: 1.0,
        lambda anything, whatever: float(whatever.trial) + 1.0,
    ],
)
def test_the_shapes_that_can_be_called(function: Callable[..., float]) -> None:
    assert told(function)[-1].values == {"y": 1.0}


@pytest.mark.parametrize("function", [lambda: 1.0, lambda a, b, c: 1.0, lambda params, *, k: 1.0])
def test_the_shapes_that_cannot(function: Callable[..., float]) -> None:
    with pytest.raises(InputError, match=r"take \(params\) or \(params, context\)"):
        FunctionEvaluator(function)
