"""How fast networks were trained, told of what attempts have left."""

from __future__ import annotations

import json
from pathlib import Path

from matscout.drive.throughput import FILE, throughput_of
from matscout.runfolder import RunFolder
from matscout.trial import Trial


def left(folder: RunFolder, trial: int, text: str) -> None:
    path = folder.work(trial, 1) / FILE
    path.parent.mkdir(parents=True)
    path.write_text(text)


def trials(n: int) -> list[Trial]:
    return [Trial(number, {}, answered=(1,)) for number in range(n)]


def test_the_median_of_all_that_can_be_read(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for number, rate in enumerate((900.0, 100.0, 1500.0)):
        left(folder, number, json.dumps({"structures_per_s": rate, "device": "cpu"}))
    for number, text in enumerate(
        ("", "[]", '{"structures_per_s": "x", "device": 1}', "[" * 10**5)
    ):
        left(folder, 3 + number, text)
    for number, none in ((7, float("nan")), (8, 0.0)):
        left(folder, number, json.dumps({"structures_per_s": none, "device": "cpu"}))
    found = throughput_of(folder, trials(9))
    assert found is not None
    assert found.sentence == "training: 900 structures/s on cpu, median of 3 attempts"


def test_nothing_was_left(tmp_path: Path) -> None:
    assert throughput_of(RunFolder(tmp_path), trials(2)) is None
