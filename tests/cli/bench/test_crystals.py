"""Crystal graphs a second, beside a plain loop: what is measured, not how fast it is."""

from __future__ import annotations

import json

from matscout.cli.bench import crystals as bench


def test_everything_is_measured_in_every_round() -> None:
    result = bench.crystals(2, count=40)
    assert len(result["per_s"]) == 2 + 2 * len(bench.BATCHES)
    for one in (*result["per_s"].values(), *result["ratio"].values()):
        assert 0 < one["lowest"] <= one["median"] <= one["highest"]
    assert json.loads(json.dumps(result)) == result
    lines = bench.table(result).splitlines()
    assert lines[0].startswith("40 crystals of") and len(lines) == 3 + 3 * len(bench.BATCHES)
