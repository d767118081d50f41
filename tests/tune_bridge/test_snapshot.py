"""Tune's own files, where they are not as Ray writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ray.tune.execution.tune_controller import TuneController

from matscout.errors import InputError
from matscout.tune_bridge.record import _events
from matscout.tune_bridge.restore import remembered

DEEP = "[" * 100_000


@pytest.mark.parametrize(
    "text",
    [
        "", DEEP, "[]", "{}", '{"trial_data": 1}', '{"trial_data": ["{}"]}',
        json.dumps({"trial_data": [["{}", "[]"]]}), json.dumps({"trial_data": [["[]", "{}"]]}),
        json.dumps({"trial_data": [['{"trial_id": [], "status": "RUNNING", "config": {}}', "{}"]]}),
        json.dumps({"trial_data": [['{"trial_id": "a", "status": "RUNNING", "config": 1}', "{}"]]}),
        json.dumps({"trial_data": [[DEEP, "{}"]]}), json.dumps({"trial_data": [[1, 2]]}),
    ],
)  # fmt: skip
def test_a_snapshot_of_another_kind_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / TuneController.CKPT_FILE_TMPL.format("1")).write_text(text)
    assert remembered(tmp_path) is None


@pytest.mark.parametrize("text", ["", DEEP, "[]", "1", '{"matscout": [], "events": 0}'])
def test_a_state_of_another_kind_is_one_line(text: Any) -> None:
    with pytest.raises(InputError, match="is no state of a matscout search"):
        _events(text, "here")
