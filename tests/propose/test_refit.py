from __future__ import annotations

import numpy as np
import pytest

from matscout.event import EventKind
from matscout.parameter import Categorical, Float
from matscout.propose import refit
from matscout.propose.gp import GpProposer
from matscout.propose.gp_space import SpaceModel
from matscout.propose.refit import EVERY_TELL, settled
from matscout.propose.toolbox import SpaceTools
from matscout.space import Space
from matscout.surrogate.gp import GaussianProcess

SPACE = Space((Float("x", 0, 1), Float("z", 1e-3, 1, log=True), Categorical("k", ("p", "q"))))


def value(params) -> float:  # type: ignore[no-untyped-def]
    return (params["x"] - 0.3) ** 2 + params["z"] + (params["k"] == "q")


def told(story, n: int, sem: float | None = None) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(len(story.history.trials))
    for _ in range(n):
        k = str(rng.choice(["p", "q"]))
        params = {"x": rng.random(), "z": 10.0 ** -rng.uniform(0, 3), "k": k}
        story.measured(story.asked(params), value(params), sem)


@pytest.fixture
def fits(monkeypatch) -> list[int]:  # type: ignore[no-untyped-def]
    """The number of rows of each fit, from a memory that is empty."""
    refit._learned.cache_clear()
    rows: list[int] = []
    fit = GaussianProcess._fit

    def counted(self, kernel, X, y, known):
        rows.append(len(y))
        return fit(self, kernel, X, y, known)

    monkeypatch.setattr(GaussianProcess, "_fit", counted)
    return rows


def test_the_schedule_is_the_one_that_the_docs_state() -> None:
    assert [settled(n) for n in range(EVERY_TELL + 1)] == list(range(EVERY_TELL + 1))
    assert [settled(n) for n in (51, 52, 99, 101, 103, 104, 199, 207, 208)] == [
        50, 52, 98, 100, 100, 104, 196, 200, 208,
    ]  # fmt: skip
    at = [settled(n) for n in range(5000)]
    assert at == sorted(at)
    assert all(n - m <= 0.04 * n for n, m in enumerate(at))


def test_a_process_that_has_just_begun_asks_what_one_that_remembers_asks(tell, fits) -> None:  # type: ignore[no-untyped-def]
    story, old = tell(), GpProposer()
    told(story, 97)
    for ask in range(8):
        (remembered,) = old.propose(SPACE, story.history, 1, seed=ask)
        refit._learned.cache_clear()
        (fresh,) = GpProposer().propose(SPACE, story.history, 1, seed=ask)
        assert fresh == remembered
        trial = story.took(remembered)
        if ask != 3:  # which is still running while the next ones end
            story.measured(trial, value(remembered.params))
    assert set(fits) == {96, 98, 100}


def test_between_two_fits_the_posterior_still_hears_every_result(tell, fits) -> None:  # type: ignore[no-untyped-def]
    story, tools = tell(), SpaceTools(SPACE)
    told(story, 100)
    target = story.history.targets[0]
    before = SpaceModel(tools, story.history, target).posterior
    story.measured(story.asked({"x": 0.9, "z": 0.9, "k": "q"}), -5.0)
    after = SpaceModel(tools, story.history, target).posterior
    assert fits == [100] and before.kernel is after.kernel
    row = after.X[-1:]
    assert float(after.mean_sd(row)[0]) > float(before.mean_sd(row)[0]) + 0.5


def test_what_becomes_known_of_early_trials_is_learned_from(tell, fits) -> None:  # type: ignore[no-untyped-def]
    story = tell()
    told(story, 101)
    GpProposer().propose(SPACE, story.history, 1, seed=0)
    story.replicated(7, 40.0)
    GpProposer().propose(SPACE, story.history, 1, seed=0)
    assert fits == [100, 101]  # the first hundred, then with two measurements of the eighth


def test_the_first_measurement_without_an_error_teaches_the_noise_at_once(tell, fits) -> None:  # type: ignore[no-untyped-def]
    story, tools = tell(), SpaceTools(SPACE)
    told(story, 100, sem=0.01)
    told(story, 1)
    model = SpaceModel(tools, story.history, story.history.targets[0])
    assert fits == [101]
    assert float(model.posterior.noise[-1]) > 1e-5


def test_what_failed_or_was_pruned_counts_as_ended(tell, fits) -> None:  # type: ignore[no-untyped-def]
    story = tell()
    told(story, 60)
    failed, pruned = (story.asked({"x": x, "z": 0.5, "k": "p"}) for x in (0.11, 0.22))
    story.ended(failed, EventKind.FAILED)
    GpProposer().propose(SPACE, story.history, 1, seed=0)
    story.ended(pruned, EventKind.PRUNED)
    GpProposer().propose(SPACE, story.history, 1, seed=0)
    assert fits == [60, 62]
