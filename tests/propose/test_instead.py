"""Each step of the fallback: Gaussian process, TPE, Sobol, and what is journalled of it."""

from __future__ import annotations

import pytest
import torch

from matscout.errors import InputError
from matscout.parameter import Categorical, Float
from matscout.propose import gp_space
from matscout.propose.gp import GpProposer
from matscout.propose.sobol import SobolProposer
from matscout.propose.tpe import TpeProposer
from matscout.space import Space
from matscout.surrogate.posterior import GpPosterior

SPACE = Space((Float("x", 0, 1), Categorical("k", ("a", "b"))))


def known(tell, n: int = 6):  # type: ignore[no-untyped-def]
    story = tell()
    for i in range(n):
        story.measured(story.asked({"x": i / n, "k": "ab"[i % 2]}), (i / n - 0.4) ** 2)
    return story.history


def singular(*_: object, **__: object) -> None:
    raise torch.linalg.LinAlgError("the matrix is\nsingular")


def test_a_factorisation_that_fails_leaves_it_to_tpe(tell, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    history = known(tell)
    monkeypatch.setattr(gp_space, "fit_pooled", singular)
    found = GpProposer(startup=2).propose(SPACE, history, 3, seed=5)
    plain = TpeProposer(startup=2).propose(SPACE, history, 3, seed=5)
    assert [p.params for p in found] == [p.params for p in plain]
    assert all(p.why == {"rule": "tpe", "fallback": "the matrix is singular"} for p in found)


def test_a_belief_that_is_no_number_leaves_it_to_tpe(tell, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    rows = GpPosterior._rows

    def sour(self: GpPosterior, X: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean, sd = rows(self, X)
        return mean * torch.nan, sd

    monkeypatch.setattr(GpPosterior, "_rows", sour)
    (found,) = GpProposer(startup=2).propose(SPACE, known(tell), 1, seed=0)
    assert found.why["rule"] == "tpe"
    assert "not finite" in str(found.why["fallback"])


def test_where_tpe_fails_too_sobol_goes_on(tell, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    def empty(*_: object, **__: object) -> None:
        raise ValueError("no density")

    history = known(tell)
    monkeypatch.setattr(gp_space, "fit_pooled", singular)
    monkeypatch.setattr("matscout.propose.tpe.suggest", empty)
    (found,) = GpProposer(startup=2).propose(SPACE, history, 1, seed=0)
    (plain,) = SobolProposer().propose(SPACE, history, 1, seed=0)
    assert found.params == plain.params
    said = "the matrix is singular; tpe: no density"
    assert found.why == {"rule": "sobol", "fallback": said}


def test_a_person_s_mistake_is_no_failure_of_the_model(tell, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    def mistaken(*_: object, **__: object) -> None:
        raise InputError("space", "wrong")

    monkeypatch.setattr(gp_space, "fit_pooled", mistaken)
    with pytest.raises(InputError, match="wrong"):
        GpProposer(startup=2).propose(SPACE, known(tell), 1, seed=0)
