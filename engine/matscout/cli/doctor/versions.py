"""Versions below which something is known to be broken or unsafe. Nothing is imported to find out."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from matscout.cli.doctor.finding import Finding, fail, ok, warn

LEAST = {
    "ray": ("2.59", "older ones run anybody's code (CVE-2023-48022, CVE-2025-62593)"),
    "torch": ("2.10", "older ones run code from a file of weights (CVE-2026-24747)"),
    "pymatgen": ("2025.10.7", "older ones hang on a CIF made for it"),
    "numpy": ("2.1", "it is what matscout was written for"),
    "pandas": ("2.2", "it is what matscout was written for"),
    "optuna": ("5", "it is what matscout was written for"),
    "botorch": ("0.18", "it is what matscout was written for"),
    "gpytorch": ("1.15", "it is what matscout was written for"),
    "scikit-learn": ("1.6", "it is what matscout was written for"),
    "sqlalchemy": ("2.0.36", "it is what matscout was written for"),
}
"""Distribution, its least version (pyproject.toml says the same), and why."""

PYTHON = ((3, 11), (3, 13))


def check(installed: Callable[[str], str] = version) -> list[Finding]:
    """One finding for Python, one for each package that is missing or too old, one for the rest."""
    found, good = [_python(sys.version_info[:2])], []
    for name, (least, why) in LEAST.items():
        try:
            there = installed(name)
        except PackageNotFoundError:
            mend = f"pip install '{name}>={least}'"
            found.append(fail(name, "is not installed", mend))
            continue
        if numbers(there) < numbers(least):
            mend = f"pip install '{name}>={least}'"
            found.append(fail(name, f"{there} is older than {least}: {why}", mend))
        else:
            good.append(f"{name} {there}")
    if good:
        found.append(ok("versions", ", ".join(good)))
    return found


def numbers(text: str) -> tuple[int, ...]:
    """The release of a version, to be compared: `2.13.0+cpu` is (2, 13, 0)."""
    release = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in release.group().split(".")) if release else ()


def _python(here: tuple[int, ...]) -> Finding:
    said = ".".join(map(str, here))
    if PYTHON[0] <= here <= PYTHON[1]:
        return ok("python", said)
    mend = "make the environment with Python 3.11, 3.12 or 3.13"
    return warn("python", f"{said} is one that matscout is not tested with", mend)
