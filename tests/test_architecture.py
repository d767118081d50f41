"""The direction of imports, over the syntax tree; and what must not be loaded early."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "engine" / "matscout"

LEVELS = {
    **dict.fromkeys(
        "errors clock failpoint process_id seeds finite json_text parameter constraint pool space goal limit trial outcome event".split(),
        0,
    ),
    **dict.fromkeys(
        "bounded_read durable_file journal history checkpoint owner wal runfolder".split(), 1
    ),
    **dict.fromkeys("journal_store journal_sqlite journal_postgres journal_server".split(), 1),
    **dict.fromkeys("data surrogate acquire models".split(), 2),
    **dict.fromkeys("propose evaluate".split(), 3),
    "fleet": 4,
    "drive": 5,
    "report": 6,
    "simulate": 6,
    "cli": 7,
    "api": 7,
    "sampler": 7,
    "tune_bridge": 7,  # picks proposers, stopping rules and trainers by name, as the command line does
    "__main__": 7,
}
ONLY_RAY = {
    "fleet/ray_actors.py",
    "fleet/ray_death.py",
    "fleet/ray_local.py",
    "fleet/ray_members.py",
    "fleet/ray_places.py",
    "fleet/ray_sigterm.py",
    "cli/bench/overhead.py",
    # What Ray Tune calls, and what it may be told of our trainers: classes of its own kind.
    "tune_bridge/space.py",
    "tune_bridge/ending.py",
    "tune_bridge/restore.py",
    "tune_bridge/searcher.py",
    "tune_bridge/schedulers.py",
    "tune_bridge/trainable.py",
}


def imported_parts(tree: ast.AST) -> set[str]:
    """First names below `matscout` that a module imports, at its top or inside functions."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            module = node.module or ""
            names |= (
                {f"{module}.{a.name}" for a in node.names} if module == "matscout" else {module}
            )
    return {name.split(".")[1] for name in names if name.startswith("matscout.")}


def upward_imports(source: str, part: str) -> list[str]:
    return [
        name for name in sorted(imported_parts(ast.parse(source))) if LEVELS[name] > LEVELS[part]
    ]


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if part == "__init__":
        assert not imported_parts(ast.parse(path.read_text()))
        return
    assert part in LEVELS, f"{part} has no level"
    assert upward_imports(path.read_text(), part) == []


def test_a_planted_upward_import_is_found() -> None:
    assert upward_imports("from matscout.drive.loop import Loop", "history") == ["drive"]
    assert upward_imports("def f():\n    import matscout.fleet.inline", "propose") == ["fleet"]
    assert upward_imports("from matscout import cli", "report") == ["cli"]
    assert upward_imports("from matscout.errors import InputError", "history") == []


def test_only_one_module_knows_ray() -> None:
    for path in sources():
        tree = ast.parse(path.read_text())
        names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        names |= {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        if any(name == "ray" or name.startswith("ray.") for name in names):
            assert str(path.relative_to(PACKAGE)) in ONLY_RAY


HEAVY = ("torch", "ray", "botorch", "gpytorch", "optuna", "pymatgen", "sklearn", "chgnet", "numpy")


@pytest.mark.parametrize("words", [["--help"], ["sweep", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys\n"
        "from matscout.cli.app import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit as end:\n    assert not end.code\n"
        f"loaded = [m for m in {HEAVY!r} if m in sys.modules]\n"
        "assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_values_are_importable_without_the_heavy_ones() -> None:
    code = (
        "import sys, matscout, matscout.space, matscout.history, matscout.journal\n"
        f"assert not [m for m in {HEAVY!r} if m in sys.modules]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
