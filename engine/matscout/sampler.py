"""matscout for users of Optuna: `study = optuna.create_study(sampler=GpSampler(seed=0))`."""

from __future__ import annotations

from matscout.constraint import Linear
from matscout.propose.sampler.gp_sampler import GpSampler, report_sem
from matscout.propose.sampler.spent import report_cost

__all__ = ["GpSampler", "Linear", "report_cost", "report_sem"]
