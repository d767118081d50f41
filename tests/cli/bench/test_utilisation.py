"""The simulated fleet with the driver's time charged: the same to the bit where times are given."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matscout.cli.bench.utilisation import Options, table, utilisation

Matscout = Callable[..., Any]

SMALL = {"workers": 40, "each": 3}


@pytest.mark.parametrize("proposer", ["tpe", "gp"])
def test_a_seed_gives_the_same_run_to_the_bit(proposer: str) -> None:
    def run(seed: int) -> dict[str, object]:
        options = Options(8, 3, proposer, spread=0.5, ask_s=0.05, seed=seed)
        result = utilisation(options)
        del result["events_per_s"]  # the one thing that is of this machine
        return result

    assert run(3) == run(3)
    assert run(3)["fingerprint"] != run(4)["fingerprint"]


def test_slow_suggestions_leave_workers_idle() -> None:
    def run(ask_s: float, batch: int) -> dict[str, float]:
        return utilisation(Options(**SMALL, proposer="random", ask_s=ask_s, batch=batch))

    assert run(0.001, 0)["utilisation"] > 0.99
    # Ten seconds for each suggestion, a minute for a trial: that is work for six of 40.
    assert run(10.0, 0)["utilisation"] == pytest.approx(6 / 40, rel=0.2)
    # Half a second for each: 40 take a third of a minute. Who is done waits for his own suggestion,
    # unless it was chosen ahead: then for those of others, if they are being chosen at that moment.
    waited, ahead = run(0.5, 0)["waited_s"], run(0.5, 1)["waited_s"]
    assert ahead < waited


@pytest.mark.parametrize("proposer", ["tpe", pytest.param("gp", marks=pytest.mark.slow)])
def test_overlapped_no_worker_waits_for_a_suggestion(proposer: str) -> None:
    """All eight are done at the same moment, and a queue takes nine seconds of their minute."""

    def run(overlap: bool) -> dict[str, object]:
        options = Options(8, 4, proposer, ask_s=1.0, seed=3, overlap=overlap)
        result = utilisation(options)
        del result["events_per_s"]
        return result

    overlapped = run(True)
    assert overlapped == run(True)
    assert overlapped["waited_for_suggestions_s"] == 0.0
    assert overlapped["first_began_s"] == 9.0 and overlapped["ended_s"] == 9.0 + 4 * 60
    assert run(False)["waited_for_suggestions_s"] > 0.0  # type: ignore[operator]
    assert "9 ahead, overlapped" in table({**overlapped, "events_per_s": 1})


def test_a_thought_that_takes_too_long_is_waited_for() -> None:
    """90 s for the next nine, while all eight are done after 60."""
    result = utilisation(Options(8, 4, "random", ask_s=10.0, overlap=True))
    assert result["waited_for_suggestions_s"] > 1.0 and result["utilisation"] < 0.8


def test_what_is_measured_is_the_time_of_this_machine() -> None:
    result = utilisation(Options(**SMALL, proposer="random"))
    assert result["given_ask_s"] is None
    assert 0.0 < result["driver_ms_per_trial"] < 1000.0
    assert "40 simulated workers" in table(result) and "measured" in table(result)


def test_from_the_command_line(tmp_path: Path, matscout: Matscout) -> None:
    out = tmp_path / "busy.json"
    words = ["bench", "utilisation", "--repeats", "3", "--workers", "20", "--out", str(out)]
    said = matscout(*words, "--proposer", "sobol", "--ask-ms", "10")
    assert said.code == 0 and "20 simulated workers, 60 trials" in said.out
    written = json.loads(out.read_text())
    assert written["utilisation"] > 0.9 and written["proposer"] == "sobol"
    refused = matscout(*words, "--proposer", "tpee")
    assert refused.code == 2
    assert "--proposer: no 'tpee' here; did you mean 'tpe'" in refused.err
