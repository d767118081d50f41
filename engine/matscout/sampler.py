"""matscout for users of Optuna: `study = optuna.create_study(sampler=GpSampler(seed=0))`."""

from __future__ import annotations

from matscout.propose.sampler.gp_sampler import GpSampler, report_sem

__all__ = ["GpSampler", "report_sem"]
