"""matscout for users of Ray Tune: our proposers as a searcher, our trainers as a Trainable."""

from __future__ import annotations

from matscout.tune_bridge.schedulers import pruned_by, watch
from matscout.tune_bridge.searcher import MatscoutSearch
from matscout.tune_bridge.trainable import trainable

__all__ = ["MatscoutSearch", "pruned_by", "trainable", "watch"]
