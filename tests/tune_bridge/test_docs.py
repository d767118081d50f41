"""The example of docs/ray-tune.md, run; and that the page lists what there is."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from matscout.tune_bridge import MatscoutSearch

PAGE = Path(__file__).parents[2] / "docs" / "ray-tune.md"


@pytest.mark.slow
def test_the_example_runs_and_tells_stopped_from_complete(tmp_path: Path) -> None:
    """In a process and a home of its own: it starts a cluster."""
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "example.py").write_text(example)
    environment = {**os.environ, "HOME": str(tmp_path), "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    trials = [
        line for line in done.stdout.splitlines() if re.match(r"\d+ (complete|pruned) ", line)
    ]
    assert len(trials) == 10, done.stdout
    for line in trials:
        assert (" complete " in line) == line.endswith("[1, 2, 3, 4, 5, 6, 7, 8, 9]")


def test_every_option_is_listed() -> None:
    options = set(inspect.signature(MatscoutSearch).parameters)
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", PAGE.read_text(), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"\w+", row)} == options
