"""What a sweep over models hands on: the members that are averaged, and what they predict for rows
that the sweep never saw, kept in the run's folder so that it is computed once.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matscout.bounded_read import read_bounded
from matscout.drive.left_behind import whole_ones
from matscout.drive.nested_select import predicted, tried_of
from matscout.drive.recipe_plan import Plan
from matscout.durable_file import replace_durably
from matscout.errors import RunFailed
from matscout.evaluate.baselines import baselines
from matscout.evaluate.choose import blend, choose
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.history import History
from matscout.json_text import parsed_json
from matscout.models.imbalance.threshold import METRICS as TUNABLE
from matscout.models.imbalance.threshold import tuned
from matscout.propose.observations import feasible_trials, value_of
from matscout.runfolder import RunFolder
from matscout.seeds import trial_seed
from matscout.trial import Params, Trial

Array = NDArray[np.float64]
OUTER = "outer.json"


@dataclass(frozen=True)
class Member:
    """A trial that is used, and the seed that it is fitted with."""

    trial: int
    params: Params
    seed: int


@dataclass(frozen=True)
class Chosen:
    """`rows`, `truth` and `guess` (n,): what the members, averaged, predict out of fold, the mean over
    repeats; of two classes with a `threshold` scores. `inner` is that metric of it, `tried` counts
    the trials that were compared.
    """

    members: tuple[Member, ...]
    threshold: float | None
    inner: float
    honest: float
    tried: int
    why: str
    rows: Array
    truth: Array
    guess: Array


@dataclass(frozen=True)
class Outside:
    """One outer fold. `scores` are those of the recipe and its rivals on the hidden rows; `half` is
    the half-width of the 95 % interval that the inner residuals promise (numbers only)."""

    run: str
    members: tuple[Member, ...]
    threshold: float | None
    inner: float
    why: str
    scores: Mapping[str, float]
    rows: tuple[int, ...]
    truth: tuple[float, ...]
    guess: tuple[float, ...]
    half: float
    half90: float
    tried: int
    trained: int
    seconds: float
    costs: Mapping[str, float]


def chosen(
    folder: RunFolder, history: History, seed: int, plan: Plan, inside: TabularTrainer, rule: str
) -> Chosen:
    """The members by `rule` of `evaluate.choose`, from what each trial predicted for rows that it was
    not trained on. RunFailed where no trial has a value."""
    target = history.targets[0]
    known = [t for t in feasible_trials(history) if value_of(t, target) is not None]
    if not known:
        raise RunFailed(f"{folder.name}: no trial has a value, so there is nothing to choose from")
    whole, without = whole_ones(folder, known)
    if not whole:
        raise RunFailed(f"{folder.name}: nothing to choose from{without}")
    trials = [trial for trial, _ in whole]
    first, default = min(whole, key=lambda one: one[0].id)
    tried = tried_of(folder, whole, default, inside)
    found = choose(rule, tried, plan.ranked, seed)
    places = found.members or (trials.index(first),)
    members = tuple(
        Member(t.id, dict(t.params), trial_seed(seed, t.id)) for t in _at(trials, places)
    )
    guesses = blend(tried.guesses[list(places)], tried.default, plan.ranked)
    guess = guesses.mean(axis=0) if plan.ranked.sees != "label" else guesses[0]
    threshold = None
    if plan.two_step:
        threshold = _threshold(plan, guess, tried.truth)
    inner = float(np.mean([_score(plan, tried.truth, one, threshold) for one in guesses]))
    return Chosen(
        members, threshold, inner, found.honest, len(trials), found.why + without,
        np.unique(default[0]), tried.truth, guess,
    )  # fmt: skip


def judged(
    run: str, plan: Plan, chosen: Chosen, first: Params, seed: int, outside: TabularTrainer,
    own: TabularTrainer, jobs: int, costs: Mapping[str, float],
) -> Outside:  # fmt: skip
    """The members, fitted on all visible rows, on the hidden ones; beside them the first point of the
    portfolio, which nobody chose, and a dummy, a linear model and a random forest.

    `outside` judges by what sweeps go by, `own` by the metric itself, both on the hidden rows alone.
    """
    work = [(m.params, m.seed) for m in chosen.members] + [(first, trial_seed(seed, 0))]
    outside.data  # read once, before the threads  # noqa: B018
    with tempfile.TemporaryDirectory(prefix="matscout-outer-") as scratch:
        place = Path(scratch)

        def fit(number: int) -> tuple[Array, Array, Array]:
            return predicted(outside, *work[number], place / str(number))

        with ThreadPoolExecutor(jobs) as pool:
            found = list(pool.map(fit, range(len(work))))
    rows, truth, _ = found[0]
    guess = blend(np.array([f[2] for f in found[:-1]]), found[-1][2], plan.ranked)
    plain = found[-1][2]
    scores = {
        "recipe": _score(plan, truth, guess, chosen.threshold),
        "untuned": _score(plan, truth, plain, 0.5 if plan.two_step else None),
    }
    for name, entry in baselines(own.data, jobs)["models"].items():
        if entry["value"] is not None:
            scores[name] = entry["value"]
    return Outside(
        run, chosen.members, chosen.threshold, chosen.inner, chosen.why, scores,
        tuple(int(r) for r in rows), tuple(truth.tolist()), tuple(guess.tolist()),
        half_width(chosen, plan, 0.95), half_width(chosen, plan, 0.9), chosen.tried,
        len(chosen.rows), 0.0, dict(costs),
    )  # fmt: skip


def half_width(chosen: Chosen, plan: Plan, level: float) -> float:
    """Of the interval around a prediction, by the conformal quantile of the residuals out of fold
    (CV+ without its refits: Barber et al., Ann. Stat. 49, 486 (2021), section 3); NaN for classes."""
    if plan.task == "classification":
        return float("nan")
    from matscout.surrogate.conformal_quantile import upper

    return upper(np.abs(chosen.truth - chosen.guess), level)


def labels(guess: Array, threshold: float | None) -> Array:
    """Scores cut at `threshold`; values as they are where there is none."""
    return guess if threshold is None else (guess >= threshold).astype(float)


def write_outer(folder: RunFolder, found: Outside) -> None:
    _write(folder.root / OUTER, asdict(found))


def read_outer(folder: RunFolder) -> Outside | None:
    """What an earlier sitting has written, or None."""
    try:
        raw = parsed_json(read_bounded(folder.root / OUTER))
        raw["members"] = tuple(Member(**one) for one in raw["members"])
        for name in ("rows", "truth", "guess"):
            raw[name] = tuple(raw[name])
        for name in ("half", "half90"):
            raw[name] = float("nan") if raw[name] is None else raw[name]
        return Outside(**raw)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_members(folder: RunFolder, plan: Plan, found: Chosen, sha256: str) -> None:
    """members.json: all that it takes to fit the recipe's model again."""
    body = {
        "trainer": dict(plan.options),
        "members": [asdict(m) for m in found.members],
        "metric": plan.metric.name,
        "target": plan.question.target,
        "table_sha256": sha256,
        "threshold": found.threshold,
        "interval_half_width": {
            str(level): half_width(found, plan, level) for level in (0.9, 0.95)
        } if plan.task == "regression" else None,
    }  # fmt: skip
    _write(folder.root / "members.json", body)


def _write(path: Path, body: Mapping[str, Any]) -> None:
    replace_durably(path, json.dumps(plain(body), indent=1).encode())


def plain(raw: Any) -> Any:
    """`raw` for JSON, which knows no infinity."""
    if isinstance(raw, Mapping):
        return {key: plain(value) for key, value in raw.items()}
    if isinstance(raw, list | tuple):
        return [plain(value) for value in raw]
    return None if isinstance(raw, float) and not np.isfinite(raw) else raw


def _at(trials: Sequence[Trial], places: Sequence[int]) -> list[Trial]:
    return [trials[place] for place in places]


def _threshold(plan: Plan, guess: Array, truth: Array) -> float:
    name = plan.metric.name if plan.metric.name in TUNABLE else "balanced_accuracy"
    return 0.5 if plan.metric.name == "accuracy" else tuned(guess, truth, name)


def _score(plan: Plan, truth: Array, guess: Array, threshold: float | None) -> float:
    return plan.metric.score(truth, labels(guess, threshold))
