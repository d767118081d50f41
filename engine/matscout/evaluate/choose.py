"""Which of the configurations that a sweep tried is to be used, if any: decided from predictions
that each made, by cross-validation, for rows that it was not trained on. Nothing is fitted here.

The best of many noisy scores is too good (Cawley & Talbot, JMLR 11, 2079 (2010)). What choosing was
worth is measured by bootstrapping the choice itself: draw rows with replacement, choose by them, and
score what was chosen on the rows left out. I. Tsamardinos, E. Greasidou, G. Borboudakis,
"Bootstrapping the out-of-sample predictions for efficient and accurate cross-validation", Mach.
Learn. 107, 1895 (2018): BBC-CV.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matscout.errors import InputError, did_you_mean
from matscout.models.metrics import Metric

Array = NDArray[np.float64]
Index = NDArray[np.int64]

RULES = {
    "best": "the configuration with the best inner score",
    "average": "the mean prediction of the three best",
    "greedy": "the mean prediction of those that together are best, added one by one",
    "none": "nothing tuned: the defaults",
    "auto": "`average` where tuning pays on rows that did not choose it, else `none`",
}
TOP = 3
"""How many `average` takes: best or near best of fourteen rules on small materials tables."""
MOST = 5
"""How many `greedy` takes at most. R. Caruana, A. Niculescu-Mizil, G. Crew, A. Ksikes, "Ensemble
selection from libraries of models", ICML 2004, section 2, here without replacement: begin with the
best, add what makes the mean prediction best, stop where nothing does. Where few were tried, the
third best may be poor, and a mean of three the worse for it."""
PAYS = 0.5
"""The share of bootstraps above which tuning is taken: likelier than not to win.

On 31 draws of 20 to 300 rows of five tables that no result is reported for, the error was .989 +-
.012 of the defaults' so, 1.001 +- .010 with .9 in its place, and .986 +- .009 with a hedge: half of
each prediction between .5 and .95. The hedge was taken first, and dropped after draws 0 to 9 of the
three tables of `bench lowdata` (20, 50 and 100 rows) had shown it 1.026 [1.016, 1.036] of `average`,
one half 1.009 [1.000, 1.018]. Draws 10 to 19, computed after that, confirm it: 1.029 [1.015, 1.044]
and 1.011 [0.999, 1.023]. Over all twenty one half is 1.010 [1.003, 1.017] of `average`: declining
cost 1 % there."""
BOOTSTRAPS = 200
_LOOPED = 50
"""Bootstraps for metrics that have to be computed anew each time."""
_POWERS = {"mae": 1, "rmse": 2}
"""Metrics that follow from a mean over rows of |error| to this power."""


@dataclass(frozen=True)
class Tried:
    """Predictions of k configurations for n rows, each r times over, by models that had not seen
    the row; the same folds for all.

    `truth` (n,), `guesses` (k, r, n); `default` (r, n): the untuned model's. `unit` (n,): rows that
    belong together have the same number.
    """

    truth: Array
    guesses: Array
    default: Array
    unit: Index


@dataclass(frozen=True)
class Choice:
    """`members`: places among the configurations, best first; empty: the defaults.

    `inner` is the score that all rows give to what was chosen; `honest` is what choosing members so
    scores on rows that did not choose them. Whether to tune at all was decided by those same rows,
    so that where it makes no difference `honest` is still a little too good. `gain`: by how much
    the members are better than the defaults on such rows (positive: they are), and `share` the
    bootstraps in which they are; all three are NaN for `greedy`. `why`: one sentence.
    """

    members: tuple[int, ...]
    inner: float
    honest: float
    gain: float
    share: float
    why: str


def check_rule(rule: str, where: str = "--select") -> None:
    """InputError where there is no such rule."""
    if rule not in RULES:
        raise InputError(where, f"no rule is called '{rule}'", did_you_mean(rule, RULES))


def choose(rule: str, tried: Tried, metric: Metric, seed: int = 0) -> Choice:
    """What `rule` takes, a pure function of its arguments. InputError for an unknown rule."""
    check_rule(rule)
    scorer, every = _Scorer(tried, metric), np.arange(len(tried.truth))
    top = min({"best": 1, "greedy": MOST}.get(rule, TOP), len(tried.guesses))
    scorer.greedy = rule == "greedy"
    if rule == "none" or not top:
        inner = scorer.blended(np.arange(0), every)
        why = "nothing was tuned" if rule == "none" else "no configuration was tried to the end"
        return Choice((), inner, inner, math.nan, math.nan, why)
    if rule == "greedy":  # drawn again and again, adding one by one would take minutes
        members = scorer.best(every, top)
        inner = scorer.blended(members, every)
        return Choice(tuple(members.tolist()), inner, math.nan, math.nan, math.nan, RULES[rule])
    tuned, plain = _out_of_bag(scorer, top, seed)
    gains = metric.sign * (tuned - plain)
    gain, share = (float(np.mean(v)) if len(gains) else math.nan for v in (gains, gains > 0))
    pays, why = True, RULES[rule]
    if rule == "auto":
        pays = share > PAYS
        why = _why(pays, share, gains, f"the mean of the best {top} of {len(tried.guesses)}")
    members = scorer.best(every, top) if pays else np.arange(0)
    inner = scorer.blended(members, every)
    honest = float(np.mean(tuned if pays else plain)) if len(gains) else inner
    return Choice(tuple(members.tolist()), inner, honest, gain, share, why)


def blend(guesses: Array, default: Array, metric: Metric) -> Array:
    """One prediction of several, (k, ...) and (...) to (...): the mean of `guesses`; of labels the
    commonest, and of equally common ones the lowest; `default` where there are no guesses.
    """
    if not len(guesses):
        return default
    if metric.sees != "label":
        return np.asarray(guesses.mean(axis=0))
    labels = np.unique(guesses)
    votes = np.stack([(guesses == label).sum(axis=0) for label in labels])
    return np.asarray(labels[np.argmax(votes, axis=0)])


def _why(pays: bool, share: float, gains: Array, what: str) -> str:
    if not len(gains):
        return "tuning declined: too few rows to judge it by, so the defaults are used"
    low, high = np.quantile(gains, [0.05, 0.95])
    said = (
        f"on rows that did not choose it, {what} beats the defaults in {share:.0%} of bootstraps"
        f" (by {gains.mean():.3g} [{low:.3g}, {high:.3g}])"
    )
    return f"tuned: {said}" if pays else f"tuning declined: {said}, so the defaults are used"


def _out_of_bag(scorer: _Scorer, top: int, seed: int) -> tuple[Array, Array]:
    """The scores of the `top` that the rows of each bootstrap chose, and of the defaults, on the rows
    left out of it, (bootstraps,) each; without those that have no finite score.
    """
    rng = np.random.default_rng(seed)
    unit = scorer.tried.unit
    places = [np.flatnonzero(unit == u) for u in np.unique(unit)]
    nobody, found = np.arange(0), []
    for _ in range(BOOTSTRAPS if scorer.power else _LOOPED):
        drawn = rng.integers(len(places), size=len(places))
        left = np.setdiff1d(np.arange(len(places)), drawn)
        if not len(left):
            continue
        inside = np.concatenate([places[u] for u in drawn])
        outside = np.concatenate([places[u] for u in left])
        members = scorer.best(inside, top)
        if len(members):
            found.append([scorer.blended(chosen, outside) for chosen in (members, nobody)])
    scores = np.array(found, dtype=float).reshape(-1, 2)
    tuned, plain = scores[np.isfinite(scores).all(axis=1)].T
    return tuned, plain


class _Scorer:
    """The metric over some of the rows, of each configuration and of blends; the mean over repeats."""

    def __init__(self, tried: Tried, metric: Metric) -> None:
        self.tried = tried
        self.power = _POWERS.get(metric.name, 0)
        self._metric = metric
        self.greedy = False
        # (k, r, n): what a row adds.
        self._losses = self._loss(tried.guesses) if self.power else None

    def best(self, rows: Index, top: int) -> Index:
        """Places of the best `top` configurations over these rows, best first; of `greedy`, of the
        `top` at most that are best together.
        """
        if not self.greedy:
            return self._first(rows, top)
        taken = self._first(rows, 1).tolist()
        rest = [k for k in range(len(self.tried.guesses)) if k not in taken]
        score = self._signed(taken, rows)
        while taken and rest and len(taken) < top:
            scores = [self._signed([*taken, one], rows) for one in rest]
            place = int(np.nanargmax(scores)) if np.isfinite(scores).any() else -1
            if place < 0 or not scores[place] > score:
                break
            score = scores[place]
            taken.append(rest.pop(place))
        return np.array(taken, dtype=int)

    def _signed(self, members: list[int], rows: Index) -> float:
        return self._metric.sign * self.blended(np.array(members, dtype=int), rows)

    def _first(self, rows: Index, top: int) -> Index:
        if self._losses is not None:
            scores = self._mean(self._losses[:, :, rows])
        else:
            truth = self.tried.truth[rows]
            scores = np.array(
                [
                    np.mean([self._metric.score(truth, one) for one in each])
                    for each in self.tried.guesses[:, :, rows]
                ]
            )
        usable = np.flatnonzero(np.isfinite(scores))
        order = np.argsort(-self._metric.sign * scores[usable], kind="stable")
        return np.asarray(usable[order[:top]])

    def blended(self, members: Index, rows: Index) -> float:
        """The score over these rows of `blend`."""
        guesses, default = self.tried.guesses[members][:, :, rows], self.tried.default[:, rows]
        guess = blend(guesses, default, self._metric)
        truth = self.tried.truth[rows]
        if self.power:
            return float(self._mean(np.abs(guess - truth)[None] ** self.power)[0])
        return float(np.mean([self._metric.score(truth, one) for one in guess]))

    def _loss(self, guesses: Array) -> Array:
        return np.asarray(np.abs(guesses - self.tried.truth) ** self.power)

    def _mean(self, losses: Array) -> Array:
        """(k, r, rows) to (k,)."""
        return np.asarray((losses.mean(axis=2) ** (1 / self.power)).mean(axis=1))
