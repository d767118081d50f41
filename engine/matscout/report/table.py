"""A run's trials as one CSV table."""

from __future__ import annotations

import csv
from pathlib import Path

from matscout.data.spreadsheet import safe
from matscout.history import History
from matscout.propose.observations import feasible_trials
from matscout.trial import State


def write_csv(path: Path, history: History) -> None:
    """One row a trial: id, candidate, state, params, values, SEMs, cost in seconds, attempts, reason;
    under limits also whether the point of a complete one is feasible.

    Text that a spreadsheet would take for a formula is quoted with an apostrophe.
    """
    params = sorted({name for t in history.trials for name in t.params})
    values = sorted({name for t in history.trials for name in t.values})
    sems = sorted({name for t in history.trials for name in t.sem})
    header = ["trial", "candidate", "state", *(f"params.{n}" for n in params), *values]
    header += [*(f"{n}.sem" for n in sems), "cost_s", "attempts", "replicates", "reason"]
    header += ["feasible"] if history.limits else []
    feasible = {t.id for t in feasible_trials(history)}
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([safe(name) for name in header])
        for t in history.trials:
            row: list[object] = [t.id, t.candidate or "", t.state.value]
            row += [t.params.get(name, "") for name in params]
            row += [t.values.get(name, "") for name in values]
            row += [t.sem.get(name, "") for name in sems]
            row += [t.cost_s, t.attempts, len(t.replicates), t.reason]
            if history.limits:
                done = t.state is State.COMPLETE
                row.append(str(t.id in feasible).lower() if done else "")
            writer.writerow([safe(cell) for cell in row])
