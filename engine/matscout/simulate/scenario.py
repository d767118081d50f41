"""What a simulated run is, and how bad its laboratory: all of it drawn from one seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from matscout.drive.policy import Policy
from matscout.drive.prune import Median, Pruner, SuccessiveHalving
from matscout.parameter import Float, Int
from matscout.space import Space


@dataclass(frozen=True)
class Rates:
    """Probabilities of an attempt's fate (the first five exclude each other), of what it answers,
    and of what goes wrong on the way.

    crash: its worker dies between two reports. cut: it dies while it writes its files. hang: it says
    nothing and never ends. late: it takes its time, and neither the fleet nor the death of its driver
    ends it. deaf: it does not hear that it is to stop. invalid, failed, broken: no number, no
    luck, an exception. twice, lie: its last word comes again, or comes again as another. no_outbox: the
    worker's disk is full when it has ended.
    """

    crash: float = 0.0
    cut: float = 0.0
    hang: float = 0.0
    late: float = 0.0
    deaf: float = 0.0
    invalid: float = 0.0
    failed: float = 0.0
    broken: float = 0.0
    twice: float = 0.0
    lie: float = 0.0
    no_outbox: float = 0.0


@dataclass(frozen=True)
class Scenario:
    """One run: its policy, what it is about, and the laboratory that it meets.

    Times are virtual seconds. `step_s` is the mean between two words of a worker, `delay_s` that of a
    word on its way to the driver, `think_s` what a thought takes. A run sits down `rough` times with
    trouble of its own (see trouble.py), and then in peace until it is over. `judges`: it has running
    work cancelled (obsolete.py); `parts`: its trials are divided; `enough`: values after which to stop.
    """

    seed: int
    policy: Policy
    space: Space
    rates: Rates
    steps: int = 2
    step_s: float = 1.0
    delay_s: float = 0.0
    think_s: float = 0.0
    pruner: Pruner | None = None
    thaws: bool = False
    judges: bool = False
    parts: bool = False
    enough: int = 0
    people: bool = False
    rough: int = 4


def draw(seed: int) -> Scenario:
    """The scenario of a seed."""
    dice = _Dice(np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,))))
    rng, luck = dice.rng, dice.luck
    policy = _policy(dice)
    rates = _rates(dice, patient=policy.lease_s is None and policy.timeout_s is None)
    # A costly experiment is never begun again: it is neither thawed nor divided (see the command line).
    steps = int(rng.integers(0, 4))
    parts = not policy.costly and luck(0.2)
    pruner = _pruner(rng) if steps and luck(0.5) else None
    return Scenario(
        seed=seed,
        policy=policy,
        space=Space(
            (Float("x", 0.0, 1.0) if luck(0.7) else Int("x", 0, int(rng.integers(4, 24))),)
        ),
        rates=replace(rates, late=0.0) if parts else rates,
        steps=max(steps, 1) if parts else steps,
        step_s=float(rng.uniform(0.2, 1.5)),
        delay_s=float(rng.uniform(0.05, 2.0)) if luck(0.5) else 0.0,
        think_s=float(rng.uniform(0.1, 2.0)) if luck(0.5) else 0.0,
        pruner=pruner,
        thaws=pruner is not None and not policy.costly and luck(0.5),
        judges=policy.cancel_obsolete,
        parts=parts,
        enough=int(rng.integers(2, 8)) if luck(0.1) else 0,
        people=luck(0.5),
        rough=int(rng.integers(1, 7)),
    )


@dataclass(frozen=True)
class _Dice:
    rng: np.random.Generator

    def luck(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def rate(self, share: float) -> float:
        return float(self.rng.uniform(0.0, 0.35)) if self.luck(share) else 0.0


def _policy(dice: _Dice) -> Policy:
    rng, luck = dice.rng, dice.luck
    costly = luck(0.2)
    slots = int(rng.integers(1, 5))
    batch = int(rng.integers(1, slots + 1)) if luck(0.4) else 1
    ahead = batch + int(rng.integers(0, 4)) if luck(0.4) else 0
    overlap = bool(ahead) and luck(0.6)
    judges = bool(ahead) and not overlap and not costly and luck(0.5)
    wait: Literal["cancel", "wait"] = "wait" if luck(0.8 if costly else 0.3) else "cancel"
    return Policy(
        trials=int(rng.integers(3, 13)),
        slots=slots,
        batch=batch,
        ahead=ahead,
        overlap=overlap,
        cancel_obsolete=judges,
        lease_s=float(rng.uniform(3.0, 9.0)) if luck(0.6) else None,
        timeout_s=float(rng.uniform(4.0, 12.0)) if luck(0.4) else None,
        max_crashes=int(rng.integers(1, 5)),
        costly=costly,
        budget_s=float(rng.uniform(10.0, 60.0)) if luck(0.1) else None,
        on_interrupt=wait,
    )


def _rates(dice: _Dice, *, patient: bool) -> Rates:
    """`patient`: nothing ends an attempt that hangs, so none does."""
    rate = dice.rate
    return Rates(
        crash=rate(0.5),
        cut=rate(0.5),
        hang=0.0 if patient else rate(0.4) / 2,
        late=rate(0.6),
        deaf=rate(0.3),
        invalid=rate(0.4),
        failed=rate(0.3),
        broken=rate(0.3),
        twice=rate(0.5),
        lie=rate(0.3),
        no_outbox=rate(0.2) / 2,
    )


def _pruner(rng: np.random.Generator) -> Pruner:
    return SuccessiveHalving(1, 2) if rng.random() < 0.5 else Median(1, 2)
