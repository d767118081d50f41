"""`matscout bench load`, small; and that what a run costs does not grow with its length."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from matscout.cli.bench import load
from matscout.cli.bench.load import PARTS, Options

SMALL = Options(trials=200, oracles=64, each=2, candidates=300, noops=400)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Every part in this process: imports are not what is measured."""
    place = tmp_path_factory.mktemp("load")
    result = {}
    for name, part in PARTS.items():
        (place / name).mkdir()
        result[name] = part(SMALL, place / name)
    return result


@pytest.mark.slow
def test_ten_events_a_trial_are_journalled_and_read_again(found: dict) -> None:
    assert found["journal"]["trials"] == 200
    assert found["journal"]["events"] >= 2000


@pytest.mark.slow
def test_as_many_oracles_as_asked_for_work_at_once(found: dict) -> None:
    told = found["oracles"]
    assert told["most_at_once"] == 64
    assert (told["measured"], told["doubled"], told["lost"]) == (128, 0, 0)


def test_each_time_again_is_counted() -> None:
    assert load._again(Counter([0, 0, 0, 1, 2, 2])) == 3


@pytest.mark.slow
def test_a_pool_goes_through_the_commands(found: dict) -> None:
    assert found["pool"]["candidates"] == 300


@pytest.mark.slow
def test_nothing_stays_but_the_history(found: dict) -> None:
    """What the driver keeps of a trial is what the history keeps of it, and some hundred bytes."""
    flat = found["memory"]
    assert flat["trials"] == 400
    assert flat["bytes_per_trial"] < 2 * flat["history_bytes_per_trial"] + 2000


@pytest.mark.slow
def test_the_table_is_for_people(found: dict) -> None:
    text = load.table(found)
    assert "64 simulated oracles" in text and len(text.splitlines()) == 4


def test_a_part_in_a_process_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load.play("oracles", '{"oracles": 4, "each": 2}')
    assert '"measured": 8' in capsys.readouterr().out
