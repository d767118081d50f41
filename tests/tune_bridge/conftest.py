"""One small cluster for the tests that need a real Tuner."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    from matscout.fleet.ray_local import local_cluster

    shut_down = local_cluster(2)
    try:
        yield
    finally:
        shut_down()
