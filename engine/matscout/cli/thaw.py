"""Go on with a trial that was stopped early, because a person says so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matscout.cli.assemble import find_run
from matscout.cli.runs import runs_option
from matscout.drive.run import reopen
from matscout.drive.thaw import thawed
from matscout.errors import InputError
from matscout.history import PERSON, History
from matscout.trial import State, Trial


def thaw(run: str, runs: Path, trials: Sequence[int]) -> int:
    """Journal that `trials` are to be gone on with: all of them, or none."""
    folder = find_run(run, runs)
    journal, history, spec = reopen(folder)
    with journal:
        if spec.policy.costly:
            mend = "ask for the point anew, if it is worth it"
            raise InputError(folder.name, "its experiments are costly: none is begun again", mend)
        chosen = [_pruned(history, number) for number in dict.fromkeys(trials)]
        journal.append(*(thawed(trial, "a person's wish", by=PERSON) for trial in chosen))
    for trial in chosen:
        step = trial.reports[-1].step if trial.reports else 0
        print(f"trial {trial.id}: goes on after step {step}, and is not stopped early any more")
    print(f"next: matscout resume {folder.name}{runs_option(folder)}")
    return 0


def _pruned(history: History, number: int) -> Trial:
    where = f"trial {number}"
    if not 0 <= number < len(history.trials):
        raise InputError(where, f"there is none: {len(history.trials)} trials were asked for")
    trial = history.trials[number]
    if trial.state is not State.PRUNED:
        stopped = [str(t.id) for t in history.finished if t.state is State.PRUNED]
        mend = "stopped early were " + ", ".join(sorted(stopped, key=int)[:20]) if stopped else ""
        what = f"was not stopped early: it is {trial.state.value}"
        raise InputError(where, what, mend or "there is nothing to go on with")
    return trial
