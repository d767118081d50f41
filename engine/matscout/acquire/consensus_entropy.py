"""The entropy of what a committee says together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from matscout.acquire.entropy import Entropy


@dataclass(frozen=True)
class ConsensusEntropy(Entropy):
    """H of the members' mean, the soft form of vote entropy (Settles 2009, section 3.2).

    The formula is `Entropy`'s; the name is the one that committees are known by.
    """

    name: ClassVar[str] = "consensus_entropy"
