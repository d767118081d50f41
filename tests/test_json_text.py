"""JSON that is nested deeper than Python follows, or of another shape, wherever others may write it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution

from matscout.data.halide_phases import Phase
from matscout.drive.baselines import read_baselines
from matscout.drive.recipe_fold import OUTER, read_outer
from matscout.evaluate.pretraining import _line, _parsed
from matscout.json_text import parsed_json
from matscout.outcome import Outcome
from matscout.owner import _names_the_living, _who
from matscout.propose.retune_record import RETUNED, decisions
from matscout.propose.sampler.told import PLANNED, foreseen, planned
from matscout.runfolder import RunFolder

PACKAGE = Path(__file__).parents[1] / "engine" / "matscout"
DEEP = "[" * 100_000
ODD = (DEEP, '{"a":' * 100_000, "[]", "{}", "null", "1", '"x"', '["{}","[]"]', '{"members": {}}')

OWN_WORDS = {
    # They read what this very program has just written, to itself or through a pipe of its own,
    "cli/bench/latency.py", "cli/bench/load.py", "cli/bench/peers/peer.py",
    "cli/bench/peers/serve.py", "cli/own_config.py", "cli/promises/r13_large.py", "fleet/child.py",
    "fleet/process_worker.py", "fleet/worker.py", "tune_bridge/record.py",
    # or what comes with a package.
    "data/formation_enthalpies.py", "data/halide_phases.py", "data/prototypes.py",
}  # fmt: skip


def test_what_is_too_deep_is_a_value_error() -> None:
    for text in (DEEP, DEEP.encode(), "{", b"\xff"):
        with pytest.raises(ValueError):
            parsed_json(text)
    assert parsed_json('{"a": [1]}') == {"a": [1]}


def test_whoever_reads_json_of_others_thinks_of_depth() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        text, name = path.read_text(), str(path.relative_to(PACKAGE))
        if ("json.loads(" in text or "json.load(" in text) and name not in OWN_WORDS:
            assert "RecursionError" in text, f"{name}: use matscout.json_text"


@pytest.mark.parametrize("text", ODD)
def test_what_lies_in_a_run_counts_as_absent(tmp_path: Path, text: str) -> None:
    folder = RunFolder(tmp_path)
    (tmp_path / OUTER).write_text(text)
    folder.baselines.write_text(text)
    assert read_outer(folder) is None and read_baselines(folder) == {}
    assert _who(text) == "another process" and not _names_the_living(text)
    trial: Any = SimpleNamespace(why={RETUNED: text})
    assert not list(decisions([trial]))
    assert _parsed(text) is None
    assert _parsed(_line("k", {"a": 1.0}).replace('\\"k\\"', DEEP)) is None
    for read in (Phase.from_json, Outcome.from_json):
        with pytest.raises(ValueError):
            read(text)


def test_an_owner_with_an_endless_number() -> None:
    assert _who('{"host": "h", "pid": Infinity}') == "another process"


OF = {"n": IntDistribution(1, 9), "c": CategoricalDistribution(["a", "b"])}


@pytest.mark.parametrize("text", [*ODD, "{", '{"n": "x"}', '{"c": 7}', '{"c": []}', 5])
def test_a_plan_that_somebody_else_has_written_is_none(text: Any) -> None:
    trial: Any = SimpleNamespace(system_attrs={f"{PLANNED}:0": text}, params={"c": "b"})
    assert foreseen(OF, trial) == {"c": "b"}
    trial.system_attrs = planned(OF, {"n": 4, "c": "a"})
    assert foreseen(OF, trial) == {"n": 4, "c": "b"}
