"""Focal loss: rows that are right already count little, so that the hard ones are heard.

T.-Y. Lin, P. Goyal, R. Girshick, K. He, P. Dollár, "Focal loss for dense object detection", ICCV
2017, Eq. 4: FL = -(1 - p_t)^γ log p_t, p_t being the probability of the true class. γ = 0 is
cross-entropy. Their α is a class weight, and is left to `weights`.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import expit, log_expit
from torch import Tensor
from torch.nn import functional as F


def focal(logits: Tensor, labels: Tensor, gamma: float) -> Tensor:
    """(b,) losses of logits (b, k) for labels (b,).

    Everything stays in logarithms: 1 - p_t is the sum of the *other* classes' probabilities, taken
    as a logsumexp. 1 - p_t itself rounds to 0 where p_t is near 1, and its power then has no slope.
    """
    log_p = F.log_softmax(logits, dim=1)
    true = F.one_hot(labels, logits.shape[1]).bool()
    log_rest = log_p.masked_fill(true, -torch.inf).logsumexp(dim=1)
    return -torch.exp(gamma * log_rest) * log_p[true]


def binary_focal(raw: np.ndarray, labels: np.ndarray, gamma: float) -> np.ndarray:
    """(n,) losses of raw scores z (n,) for labels 0 or 1; the probability is 1 / (1 + exp(-z))."""
    u = np.where(labels == 1, raw, -raw)
    return np.asarray(-np.exp(gamma * log_expit(-u)) * log_expit(u))


def slopes(raw: np.ndarray, labels: np.ndarray, gamma: float) -> tuple[np.ndarray, np.ndarray]:
    """First and second derivative, (n,) each, of `binary_focal` by the raw score.

    With u = ±z, p = σ(u), q = 1 - p: FL' = q^γ (γ p log p - q) by u, and
    FL'' = p q^γ (γ log p (q - γ p) + (2 γ + 1) q).
    """
    sign = np.where(labels == 1, 1.0, -1.0)
    p, q, log_p, power = _parts(sign * raw, gamma)
    first = power * (gamma * p * log_p - q)
    second = p * power * (gamma * log_p * (q - gamma * p) + (2 * gamma + 1) * q)
    return sign * first, second


def convex_slopes(
    raw: np.ndarray, labels: np.ndarray, gamma: float
) -> tuple[np.ndarray, np.ndarray]:
    """As `slopes`, the second without its negative term γ q log p: never below the true one and
    never negative, so that Newton's steps in a leaf of boosted trees stay small where the loss is
    not convex (rows that are badly wrong: at the start, every row of a rare class).
    """
    sign = np.where(labels == 1, 1.0, -1.0)
    p, q, log_p, power = _parts(sign * raw, gamma)
    first = power * (gamma * p * log_p - q)
    above = p * power * ((2 * gamma + 1) * q - gamma**2 * p * log_p)
    return sign * first, above


def _parts(u: np.ndarray, gamma: float) -> tuple[np.ndarray, ...]:
    return expit(u), expit(-u), log_expit(u), np.exp(gamma * log_expit(-u))
