"""Which trials of a run over crystals predict new ones: those whose networks did best."""

from __future__ import annotations

from matscout.drive.members import DEFAULT_RULE, Members
from matscout.errors import InputError
from matscout.evaluate.choose import RULES, TOP, check_rule
from matscout.evaluate.predicting import Member
from matscout.history import History
from matscout.propose.observations import feasible, value_of
from matscout.propose.replicates import pooled
from matscout.seeds import trial_seed

TAKEN = {"best": 1, "average": TOP}
"""How many trials a rule takes. The other rules go by what the untuned defaults say, which have left no
networks, or by predictions of every crystal, which a holdout has not."""


def choose_networks(run: str, history: History, seed: int, rule: str | None) -> Members:
    """The trials that `rule` takes, best first: by the first target, within the limits, one for each
    point, the earlier of equals; no rule: `average`. They are ranked by their values, so for any split
    and target. InputError for a rule that is for tables, and where no trial has a value.
    """
    if rule is not None:
        check_rule(rule)
    if rule is not None and rule not in TAKEN:
        what = f"'{rule}' is for tables: crystals are predicted by the networks of the best trials"
        raise InputError("--select", what, "say average or best")
    target = history.targets[0]
    points = [trial for trial in pooled(history.completed) if feasible(history, trial)]
    known = {t.id: v for t in points if (v := value_of(t, target)) is not None}
    if not known:
        lacking = "keeps the limits" if history.limits and history.completed else "has a value"
        what = f"has no networks to predict with: no trial {lacking} yet"
        raise InputError(f"run '{run}'", what, f"matscout resume {run}")
    order = sorted(known, key=lambda trial: -target.sign * known[trial])
    taken = order[: TAKEN[rule or DEFAULT_RULE]]
    if len(taken) > 1:
        why = RULES["average"] if len(taken) == TOP else "the mean prediction of the two best"
    else:
        many = len(history.completed) > 1
        why = f"trial {taken[0]} has the best {target.name}" if many else "there is one trial"
    trials = [history.trials[trial] for trial in taken]
    members = tuple(Member(t.id, dict(t.params), trial_seed(seed, t.id)) for t in trials)
    return Members(members, why)
