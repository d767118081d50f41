"""Who is asked, and how much: the gate of a mixture of experts, and the losses that keep it sane."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class GateSettings:
    """kept     experts asked for a row; 0: all (dense)
    by_row   False: one set of weights for all rows, as Chang et al. 2022 have it, which fifty rows
             can still teach; True: a linear map of the row's features (Shazeer et al. 2017)
    noise    sd of the normal noise on the logits while training (Shazeer et al. 2017, equation 4,
             with a fixed width)
    balance  weight of the load-balancing loss, 0.01 by Fedus, Zoph, Shazeer 2022. For rows that
             choose experts; where experts are frozen and the gate is one for all, every expert is as
             trained as it will ever be, and balance would only hide which of them are of use
    z        weight of the z-loss, 1e-3 by Zoph et al. 2022 (ST-MoE)
    """

    kept: int = 0
    by_row: bool = False
    noise: float = 0.0
    balance: float = 0.0
    z: float = 1e-3


class Gate(nn.Module):
    """(b, f) features -> logits (b, m). All experts begin equal: the logits start at zero."""

    def __init__(self, experts: int, features: int, settings: GateSettings) -> None:
        super().__init__()
        if not 0 <= settings.kept <= experts:
            raise ValueError(f"0 <= kept <= {experts} must hold, got {settings.kept}")
        self.settings = settings
        self.bias = nn.Parameter(torch.zeros(experts))
        self.by_row = nn.Linear(features, experts, bias=False) if settings.by_row else None
        if self.by_row is not None:
            nn.init.zeros_(self.by_row.weight)

    def forward(self, x: Tensor) -> Tensor:
        logits = self.bias.expand(len(x), -1)
        if self.by_row is not None:
            logits = logits + self.by_row(x)
        if self.training and self.settings.noise > 0:
            logits = logits + self.settings.noise * torch.randn_like(logits)
        return logits

    def weights(self, logits: Tensor) -> Tensor:
        return sparse(logits, self.settings.kept)


def sparse(logits: Tensor, kept: int) -> Tensor:
    """Weights (…, m) of the experts: softmax over the `kept` largest logits, 0 elsewhere (Shazeer et
    al. 2017, equations 3 and 5); with kept = 0, over all.

    One alone is weighed by its probability among all (Fedus et al. 2022, equation 2): a softmax of
    one is 1 whatever the logits, and no gradient would reach the gate.
    """
    shares = torch.softmax(logits, dim=-1)
    if kept in (0, logits.shape[-1]):
        return shares
    asked = torch.zeros_like(shares).scatter(-1, logits.topk(kept, dim=-1).indices, 1.0)
    left = shares * asked
    return left if kept == 1 else left / left.sum(-1, keepdim=True)


def load_balance(logits: Tensor, kept: int) -> Tensor:
    """m sum_i f_i P_i: f_i is the share of the batch's requests that goes to expert i, P_i the mean
    of its softmax (Fedus, Zoph, Shazeer 2022, equations 4 to 6; f carries no gradient). 1 when all
    are asked alike; a dense gate is taken to ask each of them by its share. (b, m) -> ().
    """
    shares = torch.softmax(logits, dim=-1)
    weights = sparse(logits, kept)
    asked = (weights > 0).to(shares) / kept if kept else shares
    return logits.shape[-1] * (asked.detach().mean(0) * shares.mean(0)).sum()


def z_loss(logits: Tensor) -> Tensor:
    """Mean of (log sum exp)² over rows (Zoph et al. 2022, equation 5): small logits. (b, m) -> ()."""
    return torch.logsumexp(logits, dim=-1).square().mean()
