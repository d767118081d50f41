"""The examples of docs/sampler.md, run."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import optuna
import pytest

PAGE = Path(__file__).parents[3] / "docs" / "sampler.md"


def test_the_examples_run_and_the_first_finds_the_optimum(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        for example in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
            script = tmp_path / "example.py"
            script.write_text(example)
            runpy.run_path(str(script), run_name="example")
    finally:
        optuna.logging.set_verbosity(optuna.logging.INFO)
    said = capsys.readouterr().out
    assert "{'model': 'net', 'layers': 2, 'width': 16}" in said
    assert "'rule'" in said


def test_every_option_is_listed() -> None:
    import inspect

    from matscout.sampler import GpSampler

    options = set(inspect.signature(GpSampler).parameters)
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)) == options
