"""launch/setup, test and demo in a bare checkout, beside programs that only write down what they are asked."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]

PYTHON = """#!/bin/sh
case "$1 $2" in
"-m venv") mkdir -p "$3/bin"; for name in python ruff mypy matscout; do cp "$0" "$3/bin/$name"; done ;;
"-m pip") [ -z "$NO_NETWORK" ] || exit 1 ;;
"-c "*) exit "${OLD:-0}" ;;
esac
[ "$1" = -c ] || echo "$(basename "$0") $*" >>"$CALLS"
"""
PYTHONS = ("python3.11", "python3.12", "python3.13", "python3")


@dataclass
class Bare:
    root: Path

    def launch(self, script: str, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.root / 'fakes'}:/usr/bin:/bin", "CALLS": str(self.root / "calls"),
            "TMPDIR": str(self.root), **more,
        }  # fmt: skip
        return subprocess.run(
            ["sh", str(self.root / "launch" / script), *words],
            env=environment, cwd="/", capture_output=True, text=True,
        )  # fmt: skip

    @property
    def calls(self) -> list[str]:
        path = self.root / "calls"
        said = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return said


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    shutil.copytree(CHECKOUT / "launch", tmp_path / "launch")
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(CHECKOUT / name, tmp_path / name)
    (tmp_path / "fakes").mkdir()
    for name in (*PYTHONS, "initdb"):
        (tmp_path / "fakes" / name).write_text(PYTHON)
        (tmp_path / "fakes" / name).chmod(0o755)
    return Bare(tmp_path)


def test_setup_takes_torch_first_and_by_its_exact_version(bare: Bare) -> None:
    done = bare.launch("setup", "dev")
    assert done.returncode == 0 and done.stderr.startswith("launch/setup: installing into .venv")
    made, torch, ours = bare.calls
    assert made == "python3.11 -m venv .venv"
    assert torch.split()[-1].startswith("torch==") and "--constraint" not in torch
    assert ours.endswith("--constraint constraints.txt --editable .[dev]")


def test_setup_does_nothing_twice_and_all_of_it_when_a_version_has_changed(bare: Bare) -> None:
    bare.launch("setup")
    assert len(bare.calls) == 3
    again = bare.launch("setup")
    assert (again.returncode, again.stderr, bare.calls) == (0, "", [])
    assert len(bare.launch("setup", "dev").stderr) and len(bare.calls) == 2, "other extras"
    with open(bare.root / "constraints.txt", "a") as file:
        file.write("# newer\n")
    assert bare.launch("setup").returncode == 0 and len(bare.calls) == 2


def test_setup_that_was_broken_off_is_done_again(bare: Bare) -> None:
    assert bare.launch("setup", NO_NETWORK="1").returncode != 0
    assert bare.launch("setup").returncode == 0
    assert len([line for line in bare.calls if "pip install" in line]) == 2


def test_without_a_python_setup_says_which(bare: Bare) -> None:
    done = bare.launch("setup", OLD="1")
    assert done.returncode == 2 and bare.calls == []
    assert done.stderr == (
        "launch/setup: no Python 3.11, 3.12 or 3.13 found; install one and try again\n"
    )


def test_demo_sets_up_and_passes_its_words_on(bare: Bare) -> None:
    venv = bare.root / "elsewhere"
    assert bare.launch("demo", "--seed", "3", MATSCOUT_VENV=str(venv)).returncode == 0
    assert bare.calls[-1] == "matscout demo --seed 3"
    assert (venv / "bin" / "python").exists() and not (bare.root / ".venv").exists()


def test_test_checks_the_form_the_types_and_then_what_was_asked_for(bare: Bare) -> None:
    assert bare.launch("test", "-m", "slow").returncode == 0
    assert bare.calls[-4:] == [
        "ruff check .", "ruff format --check .", "mypy ",
        "python -m pytest -n 2 --dist loadfile -m slow",
    ]  # fmt: skip


def test_test_ends_at_the_first_thing_that_is_wrong(bare: Bare) -> None:
    bare.launch("setup", "dev")
    (bare.root / ".venv" / "bin" / "mypy").write_text("#!/bin/sh\nexit 1\n")
    os.truncate(bare.root / "calls", 0)
    assert bare.launch("test").returncode == 1
    assert [line.split()[0] for line in bare.calls] == ["ruff", "ruff"]


def test_postgres_is_left_alone_where_there_is_one(bare: Bare) -> None:
    done = bare.launch("postgres")
    assert (done.returncode, done.stderr, bare.calls) == (0, "", [])
