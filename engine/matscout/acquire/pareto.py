"""Several targets at once: the hypervolume that a point is expected to add, in logs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from botorch.acquisition.multi_objective import logei as botorch_logei
from botorch.utils.multi_objective.box_decompositions.box_decomposition_list import (
    BoxDecompositionList,
)
from botorch.utils.multi_objective.box_decompositions.non_dominated import (
    FastNondominatedPartitioning,
)
from botorch.utils.multi_objective.hypervolume import infer_reference_point
from botorch.utils.multi_objective.pareto import is_non_dominated
from torch import Tensor

from matscout.acquire.base import Score
from matscout.acquire.drawn import AsDrawn, Drawn, rows
from matscout.acquire.joint import Fantasies, JointBelief, in_chunks, standard_normals

# BoTorch compiles a C++ kernel for this formula when it is first built, with whatever compiler it
# finds; a score must not depend on that, nor a proposal wait for it. True says "tried already".
botorch_logei._load_attempted = True


def log_nehvi(observed: Tensor, candidates: Tensor, reference: Tensor) -> Tensor:
    """log of the noisy expected hypervolume improvement of each candidate; Daulton et al. 2021.

    observed (s, n, m), candidates (s, b, m) -> (b,): joint draws of m targets, standardised, more
    is better in each. `reference` (m,) is the least that is of interest in each target. BoTorch's
    qLogNoisyExpectedHypervolumeImprovement for one point: per draw the front of the observed
    points, and the volume beyond it that the candidate adds.
    """
    return _added(_Fronts(observed, reference), candidates, reference)


def _added(fronts: _Fronts, candidates: Tensor, reference: Tensor) -> Tensor:
    score = botorch_logei.qLogExpectedHypervolumeImprovement(
        Drawn(candidates),
        ref_point=reference,
        partitioning=fronts,
        sampler=AsDrawn(len(candidates)),
        tau_max=1e-3,  # as the noisy version has it
    )
    return score(rows(candidates.shape[1]))


class _Fronts(BoxDecompositionList):
    """What is not dominated, one decomposition per draw, in the shape of a single one."""

    def __init__(self, observed: Tensor, reference: Tensor) -> None:
        super().__init__(*(FastNondominatedPartitioning(reference, Y) for Y in observed))
        self.num_outcomes = len(reference)

    @property
    def pareto_Y(self) -> Tensor:
        """Of the first draw: only its type is asked for."""
        first = self.box_decompositions[0].pareto_Y
        assert isinstance(first, Tensor)
        return first


def reference_point(Y: Tensor) -> Tensor:
    """A little worse than the worst of the front in each target: Y (n, m) measured -> (m,).

    Ishibuchi et al. 2011, by BoTorch. Once a person says what is the least of interest, use that.
    """
    return infer_reference_point(Y[is_non_dominated(Y)])


@dataclass(frozen=True)
class LogNoisyHypervolumeImprovement:
    """`log_nehvi` for targets with a belief each, taken to be independent of one another.

    `observed` (n, d) are the points measured and pending. `reference` (m,) is in the units of each
    target, negated where that is minimised. The score is log of a product of standardised widths:
    the unit of a target does not matter.
    """

    observed: Tensor
    reference: tuple[float, ...]
    draws: int = 64
    seed: int = 0

    def on(self, beliefs: Sequence[JointBelief]) -> Score:
        m, n = len(beliefs), len(self.observed)
        normals = standard_normals(self.draws, m * (n + 1), self.seed)
        at_candidates, *at_observed = normals.split([m] + m * [n], dim=-1)
        fantasies = [
            Fantasies.drawn(belief, self.observed, part)
            for belief, part in zip(beliefs, at_observed, strict=True)
        ]
        values = torch.stack([f.values for f in fantasies], dim=-1)  # (s, n, m)
        pairs = zip(self.reference, beliefs, strict=True)
        reference = torch.tensor(
            [r / b.scale - b.loc / b.scale for r, b in pairs], dtype=torch.float64
        )
        fronts = _Fronts(values, reference)

        def score(X: Tensor) -> Tensor:
            moments = [f.at(X) for f in fantasies]
            parts = [
                mean + at_candidates[:, i : i + 1] * sd for i, (mean, sd) in enumerate(moments)
            ]
            return _added(fronts, torch.stack(parts, dim=-1), reference)

        def of_single(X: Tensor) -> Tensor:
            assert X.shape[-2] == 1, "one point at a time: q must be 1"
            return in_chunks(score, X.squeeze(-2), _rows_at_once(fronts, self.draws))

        return of_single

    def __call__(self, beliefs: Sequence[JointBelief], X: Tensor) -> Tensor:
        return self.on(beliefs)(X)


def _rows_at_once(fronts: _Fronts, draws: int) -> int:
    """So that one (draws, rows, cells, targets) is 16 MB; the formula holds a dozen of them."""
    cells = fronts.get_hypercell_bounds().shape[-2]
    return max(2_000_000 // (draws * cells * fronts.num_outcomes), 1)
