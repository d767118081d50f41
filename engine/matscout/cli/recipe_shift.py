"""What the members of a recipe lose on a kind of material that they have not seen."""

from __future__ import annotations

from matscout.cli.recipe_rows import trainer_of
from matscout.drive.recipe_fold import Chosen
from matscout.drive.recipe_plan import Plan
from matscout.drive.run import load
from matscout.drive.shift import Shift, shift_of
from matscout.errors import InputError, one_line
from matscout.report.shift import sentence
from matscout.runfolder import RunFolder

_ALWAYS_S = 10.0
"""What is not worth being left out, however little time is left."""


def out_of_distribution(
    plan: Plan, whole: Chosen, folder: RunFolder, jobs: int, left_s: float
) -> Shift | str:
    """The members on clusters of the inputs that are left out whole, or why that is not known; nothing
    for classes, of which the ratio of errors is not defined. No such failure takes the card away, nor
    does it take longer than about `left_s`, by what the members' trials in `folder` took.
    """
    if plan.task == "classification":
        return ""
    members = [(member.params, member.seed) for member in whole.members]
    trials = load(folder)[0].trials
    seconds = sum(trials[m.trial].cost_s for m in whole.members if m.trial is not None) / jobs
    if seconds > max(left_s, _ALWAYS_S):
        return (
            f"it would take some {seconds:.0f} s, and the minutes are over; give it more --minutes"
        )
    try:
        errors = whole.guess - whole.truth
        return shift_of(trainer_of(plan.options), members, whole.rows, errors, jobs)
    except InputError as error:
        return error.what
    except Exception as error:  # whatever a fit meets without a cluster: hours of sweeps are done
        return f"a member could not be trained so ({type(error).__name__}: {one_line(str(error))})"


def shift_lines(shift: Shift | str) -> list[str]:
    """What a person reads of it at the end."""
    return [sentence(shift)] if isinstance(shift, Shift) else []
