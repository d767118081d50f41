"""Deep ensembles: several networks that differ in their start, their rows and their luck."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from matscout.surrogate.held_out import HeldOut
from matscout.surrogate.in_units import InUnits, check_data
from matscout.surrogate.member import Member, MemberJob, MlpMember, Weights, run_job
from matscout.surrogate.rows import canonical_order
from matscout.surrogate.scaling import Standard
from matscout.surrogate.spread import Spread, calibrated

Executor = Callable[[Callable[[MemberJob], Weights], Sequence[MemberJob]], Sequence[Weights]]
"""map(function, jobs) -> results in the order of the jobs. The function stands at the top of a
module, jobs and results are dataclasses and mappings of arrays, numbers and text: a pool of
processes or of remote actors can be given as well as the loop below."""

LEAST_HELD_OUT = 8
"""Rows that two members have not seen, before these say how far to trust the spread."""

BATCH_WITHOUT = 8
"""For so many rows that a member was trained on, a believed row has one more copy."""


def in_turn(
    function: Callable[[MemberJob], Weights], jobs: Sequence[MemberJob]
) -> Sequence[Weights]:
    """The executor that is used when none is given: one after the other, here."""
    return [function(job) for job in jobs]


@dataclass(frozen=True)
class DeepEnsemble:
    """Lakshminarayanan, Pritzel, Blundell 2017; a `Surrogate`.

    members    how many networks
    trainer    how one is trained and asked (member.py)
    executor   where they are trained (`Executor`); unset: here, in turn
    bootstrap  each member sees n rows drawn with replacement. The paper finds that random starts
               alone differ enough; but then no row is held out, and nothing says how far the
               spread can be trusted: with few measurements that is worth more
    seed       all the randomness there is

    The variance of the noise-free value is that between the members, times a factor, plus a floor,
    both fitted to what members say of rows that they have not seen (spread.py). A trainer that
    predicts a variance of its own (`heteroscedastic`) has it added to the noise (the paper's
    mixture, section 2.4). Training is the cost: members x epochs, for each fit; `believe` goes on
    from the weights for a quarter of the epochs.
    """

    members: int = 5
    trainer: Member = field(default_factory=MlpMember)
    executor: Executor | None = None
    bootstrap: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.members < 2:
            raise ValueError(f"an ensemble has two members at least, got {self.members}")

    def fit(self, X: Tensor, Y: Tensor, Yvar: Tensor | None = None) -> EnsemblePosterior:
        """X (n, d), Y (n, 1), Yvar (n, 1) with NaN where unknown; physical units, float64."""
        check_data(X, Y)
        n, units = len(Y), Standard.of(Y[:, 0])
        order = torch.from_numpy(canonical_order(X, Y[:, 0]).copy())
        columns = [Standard.of(column) for column in X.mT]
        known = torch.full((n,), torch.nan).double() if Yvar is None else Yvar[:, 0]
        rows = _scaled(columns, X)[order.numpy()]
        inside = units(Y[:, 0])[order].numpy()
        seen = [self._rows(n, m) for m in range(self.members)]
        bare = EnsemblePosterior(units, self, columns, rows, inside, seen, (), Spread(), 0.0, None)
        if not n:
            return bare
        trained = bare.trained(fraction=1.0)
        return _calibrated(trained, Y[:, 0], units.variance(known)[order].numpy(), order)

    def _rows(self, n: int, member: int) -> np.ndarray:
        """Row numbers that a member is trained on; at least two, which a batch needs."""
        if not n:
            return np.zeros(0, dtype=np.int64)
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, member, 1]))
        rows = np.sort(rng.integers(n, size=n)) if self.bootstrap else np.arange(n)
        return rows if len(rows) > 1 else np.repeat(rows, 2)


@dataclass(frozen=True)
class EnsemblePosterior(InUnits):
    """rows (n, d) float32 and y (n,) are standardised; `seen` names each member's rows.

    `own_noise` is the mean of the variances that members predicted themselves, 0 without.
    `left_out` is what was said of rows by members that had not seen them, NaN of rows that fewer than
    two had not; None where so few were left out that they say nothing of the spread.
    """

    ensemble: DeepEnsemble
    columns: Sequence[Standard]
    rows: np.ndarray
    y: np.ndarray
    seen: Sequence[np.ndarray]
    weights: Sequence[Weights]
    spread: Spread
    own_noise: float
    left_out: HeldOut | None

    @property
    def held_out(self) -> HeldOut | None:
        """Of every row; None where one is missing: then refits are the only honest way."""
        whole = self.left_out is not None and bool(self.left_out.mean.isfinite().all())
        return self.left_out if whole else None

    @property
    def noise_here(self) -> float:
        """The variance of a new measurement about its noise-free value, standardised."""
        return self.spread.noise + self.own_noise

    def members(self, X: Tensor) -> Tensor:
        """Each network's prediction in physical units: (b, d) -> (members, b)."""
        if not self.weights:
            return torch.full((1, len(X)), self.loc, dtype=torch.float64)
        return self.loc + self.scale * torch.from_numpy(self.said(_scaled(self.columns, X))[0])

    def believe(self, X: Tensor) -> EnsemblePosterior:
        """Every member goes on training with these rows at the mean of all, calibration kept."""
        if len(X) == 0:
            return self
        mean, _ = self._inside(X)
        new = np.arange(len(self.y), len(self.y) + len(X))
        # In each batch, or else a quarter of the epochs would not do for one row among many; and
        # two at least, which a batch needs.
        copies = 2 + len(self.y) // BATCH_WITHOUT
        grown = replace(
            self,
            rows=np.concatenate([self.rows, _scaled(self.columns, X)]),
            y=np.concatenate([self.y, mean.numpy()]),
            seen=[np.concatenate([rows, np.tile(new, copies)]) for rows in self.seen],
            left_out=None,
        )
        return grown.trained(fraction=0.25 if self.weights else 1.0)

    def trained(self, fraction: float) -> EnsemblePosterior:
        """With members trained for this fraction of the epochs, on from their weights if any."""
        jobs = [
            MemberJob(
                trainer=self.ensemble.trainer,
                X=self.rows[rows],
                y=self.y[rows],
                seed=int(np.random.SeedSequence([self.ensemble.seed, m]).generate_state(1)[0]),
                fraction=fraction,
                start=self.weights[m] if self.weights else {},
            )
            for m, rows in enumerate(self.seen)
        ]
        run = self.ensemble.executor or in_turn
        return replace(self, weights=tuple(run(run_job, jobs)))

    def said(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means and own variances: (b, d) float32 -> (members, b), (members, b)."""
        pairs = [self.ensemble.trainer.predict(weights, rows) for weights in self.weights]
        means, variances = zip(*pairs, strict=True)
        return np.stack(means), np.stack(variances)

    def _inside(self, X: Tensor) -> tuple[Tensor, Tensor]:
        if not self.weights:
            return torch.zeros(len(X)).double(), torch.ones(len(X)).double()
        means, _ = self.said(_scaled(self.columns, X.detach()))
        variance = self.spread.variance(means.var(0, ddof=1))
        return torch.from_numpy(means.mean(0)), torch.from_numpy(np.sqrt(variance))


def _calibrated(
    posterior: EnsemblePosterior, y: Tensor, known: np.ndarray, order: Tensor
) -> EnsemblePosterior:
    """With the spread that rows ask for which two members or more have not seen."""
    means, variances = posterior.said(posterior.rows)
    own = float(variances.mean())
    everyone = np.arange(len(posterior.y))
    unseen = np.stack([~np.isin(everyone, rows) for rows in posterior.seen])  # (members, n)
    votes = unseen.sum(0)
    judged = votes >= 2
    posterior = replace(posterior, own_noise=own)
    if judged.sum() < LEAST_HELD_OUT:
        return posterior
    unseen, means, votes = unseen[:, judged], means[:, judged], votes[judged]
    mean = (means * unseen).sum(0) / votes
    u = (unseen * np.square(means - mean)).sum(0) / (votes - 1)
    residual = posterior.y[judged] - mean
    spread = calibrated(residual, u, votes, len(posterior.seen), known[judged])
    # Noise that the networks see is not to be counted twice.
    spread = replace(spread, noise=max(spread.noise - own, 0.0))
    noise = np.where(np.isnan(known), spread.noise + own, known)[judged]
    centre, wide = (torch.full_like(y, torch.nan) for _ in range(2))  # in the caller's order
    rows = order[torch.from_numpy(judged)]
    centre[rows] = posterior.loc + posterior.scale * torch.from_numpy(mean)
    wide[rows] = posterior.scale * torch.from_numpy(np.sqrt(spread.variance(u) + noise))
    return replace(posterior, spread=spread, left_out=HeldOut.normal(y, centre, wide))


def _scaled(columns: Sequence[Standard], X: Tensor) -> np.ndarray:
    """What networks see of X (b, d): standardised, float32; a network extrapolates a straight line,
    so that it is told no more than ten sd.
    """
    inside = [units(column).clamp(-10.0, 10.0) for units, column in zip(columns, X.mT, strict=True)]
    return torch.stack(inside, dim=1).to(torch.float32).numpy()
