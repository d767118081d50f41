"""The page of `bench faults`: what is promised, what was done to it, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_HEAD = (
    "| promise | journal, fleet | rounds | kept | lost | doubled | what was done |\n"
    "|---|---|---|---|---|---|---|"
)


def markdown(result: dict[str, Any]) -> str:
    """A table of all figures, and below it each promise with its test and its command."""
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    figures: dict[str, Any] = result["figures"]
    lines = [
        "# Promises under faults",
        "",
        "Made from the JSON file beside it by `matscout bench faults --render`. "
        f"{result['cores']} cores, Linux {result['kernel']}, {versions}.",
        "",
        "A round that broke a promise counts as not kept. `rounds` says how many were asked for, "
        "behind it how many the published figure asks for where that is more, and `kept` how many there "
        "were: of R7, R8 and R13, whose bytes, operations and measurements are counted, all there are.",
        "",
        _HEAD,
        *(_row(name, found) for name, found in figures.items()),
        "",
        *_tests(figures),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _row(name: str, found: dict[str, Any]) -> str:
    promise, journal, fleet = name.split()
    full = f" of {found['full']}" if found["rounds"] < found["full"] else ""
    kept = f"{found['kept']} of {found['tried']}"
    numbers = [f"{what}: {value:.4g}" for what, value in found["numbers"].items()]
    said = "; ".join(part for part in (found["said"], *numbers) if part).replace("|", "\\|")
    cells = (promise, f"{journal}, {fleet}", f"{found['rounds']}{full}", kept)
    return "| " + " | ".join((*cells, str(found["lost"]), str(found["doubled"]), said)) + " |"


def _tests(figures: dict[str, Any]) -> Iterator[str]:
    told: set[str] = set()
    for name, found in figures.items():
        promise = name.split()[0]
        if promise not in told:
            told.add(promise)
            yield f"**{promise}.** {found['promise']} *Test:* {found['test']}"
            yield ""
        yield f"- `{found['command']}` ({found['seconds']:g} s)"
        following = [other for other in figures if other.split()[0] == promise]
        if name == following[-1]:
            yield ""
