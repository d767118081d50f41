"""The simulated fleet with the driver's time charged: the same to the bit where times are given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from matscout.cli.bench import Options as BenchOptions
from matscout.cli.bench import bench
from matscout.cli.bench_utilisation import Options, table, utilisation
from matscout.errors import InputError

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


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "busy.json"
    options = BenchOptions(repeats=3, workers=20, proposer="sobol", ask_ms=10.0)
    assert bench("utilisation", out, options, json=False) == 0
    assert "20 simulated workers, 60 trials" in capsys.readouterr().out
    written = json.loads(out.read_text())
    assert written["utilisation"] > 0.9 and written["proposer"] == "sobol"
    with pytest.raises(InputError, match="--proposer: no 'tpee' here; did you mean 'tpe'"):
        bench("utilisation", None, BenchOptions(proposer="tpee"), json=False)
