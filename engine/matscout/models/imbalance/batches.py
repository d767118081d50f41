"""The order of rows in which every minibatch has equal shares of the classes.

Two-phase learning (balanced batches first, then the rows as they come) is M. Havaei et al., Med. Image
Anal. 35, 18 (2017), section 3.2; M. Buda, A. Maki, M. Mazurowski, Neural Netw. 106, 249 (2018),
section 3.3, who undersample in the first phase; here rare rows are repeated instead.
"""

from __future__ import annotations

import numpy as np


def balanced_order(
    rows: np.ndarray, labels: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """As many of the row numbers `rows`, (n,), with labels (n,), as there are: the classes take turns
    in a random order, and each deals out its rows shuffled, again and again if they are few.
    """
    decks = [rows[labels == label] for label in np.unique(labels)]
    decks = [decks[k] for k in generator.permutation(len(decks))]
    most = -(-len(rows) // len(decks))
    dealt = np.stack([_dealt(deck, most, generator) for deck in decks], axis=1)
    return np.asarray(dealt.ravel()[: len(rows)])


def balances(batches: str, epoch: int, epochs: int) -> bool:
    """Whether that epoch (0, 1, …) of so many has balanced batches."""
    return batches == "balanced" or (batches == "two_phase" and epoch < epochs // 2)


def _dealt(deck: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    rounds = -(-count // len(deck))
    return np.concatenate([generator.permutation(deck) for _ in range(rounds)])[:count]
