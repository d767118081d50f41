"""A process that leaves a Ray cluster comes to its end, whether or not the cluster answers."""

from __future__ import annotations

import subprocess
import sys

ENDING = """
import sys, threading
from matscout.fleet import goodbye

def wait_for_ever():
    threading.Event().wait()

goodbye._GOODBYE_S = 0.01
goodbye.say_goodbye({shutdown})
print("said")
goodbye.end_process(3)
"""


def ended(shutdown: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", ENDING.format(shutdown=shutdown)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def test_a_goodbye_that_is_never_answered_is_not_waited_for() -> None:
    assert ended("wait_for_ever") == (3, "said\n")


def test_one_that_is_answered_ends_as_any_other() -> None:
    assert ended("lambda: None") == (3, "said\n")
