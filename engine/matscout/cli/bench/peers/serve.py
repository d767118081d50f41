"""A package behind JSON lines on standard input and output, one answer for each line.

Started as a file, with the file of a `Session` to serve (baybe.py, tables.py), by a Python
that has the package installed and need not have matscout:

    {"do": "hello", "module": "baybe", "names": […]}    {"versions": {"baybe": "0.15.0", …}}

Any other `{"do": NAME, …}` calls that method of the session with the rest. The answer is what it
returns, or `{"error": …}`.
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Any


def hello(module: str, names: list[str]) -> dict[str, Any]:
    """The versions of those packages, once the module is there."""
    import_module(module)
    return {"versions": {name: version(name) for name in names}}


def main() -> None:
    """Answer until standard input ends. Whatever the packages print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    session = runpy.run_path(sys.argv[1])["Session"]()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            with contextlib.redirect_stdout(sys.stderr):
                do = request.pop("do")
                answer = hello(**request) if do == "hello" else getattr(session, do)(**request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
