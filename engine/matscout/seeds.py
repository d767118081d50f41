"""Where randomness comes from: the run's seed and a place in the run, never a carried generator."""

from __future__ import annotations

_ASK, _TRIAL = 0, 1


def ask_seed(run_seed: int, ask: int) -> int:
    """The seed of the `ask`-th ask (0, 1, …) of a run, in [0, 2³²)."""
    return _seed(run_seed, _ASK, ask)


def trial_seed(run_seed: int, trial: int) -> int:
    """The seed that every attempt of a trial gets, in [0, 2³²)."""
    return _seed(run_seed, _TRIAL, trial)


def _seed(run_seed: int, kind: int, index: int) -> int:
    import numpy as np

    return int(np.random.SeedSequence(run_seed, spawn_key=(kind, index)).generate_state(1)[0])
