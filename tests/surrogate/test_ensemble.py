from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import torch

from matscout.models.hyperparameters import MlpSettings
from matscout.surrogate.ensemble import DeepEnsemble
from matscout.surrogate.held_out import HeldOut, measurement_sd
from matscout.surrogate.member import MemberJob, MlpMember, Weights

Tensor = torch.Tensor

SMALL = MlpMember(epochs=60, network=MlpSettings(hidden_features=16))


def data(n: int, seed: int = 0, noise: float = 0.1) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    X = rng.random((n, 2))
    y = np.sin(4 * X[:, 0]) + X[:, 1] + noise * rng.standard_normal(n)
    return torch.from_numpy(X), torch.from_numpy(y).unsqueeze(-1)


def test_members_and_their_moments() -> None:
    X, Y = data(24)
    posterior = DeepEnsemble(members=4, trainer=SMALL).fit(X, 1e6 * Y)
    at = data(9, 1)[0]
    members = posterior.members(at)
    mean, sd = posterior.mean_sd(at)
    assert members.shape == (4, 9)
    assert torch.allclose(members.mean(0), mean)
    u = members.std(0).square() / posterior.scale**2
    expected = posterior.spread.factor * u + posterior.spread.floor
    assert torch.allclose(sd / posterior.scale, expected.sqrt())
    assert (members.std(0) > 0).all()


def test_where_members_are_trained_cannot_be_seen() -> None:
    X, Y = data(12)
    seen: list[MemberJob] = []

    def backwards(
        function: Callable[[MemberJob], Weights], jobs: Sequence[MemberJob]
    ) -> list[Weights]:
        seen.extend(jobs)
        copies = copy.deepcopy(list(jobs))
        return [function(job) for job in reversed(copies)][::-1]

    plain = DeepEnsemble(members=3, trainer=SMALL).fit(X, Y)
    other = DeepEnsemble(members=3, trainer=SMALL, executor=backwards).fit(X, Y)
    for a, b in zip(plain.mean_sd(X), other.mean_sd(X), strict=True):
        assert torch.equal(a, b)
    assert len(seen) == 3 and len({job.seed for job in seen}) == 3
    assert function_is_at_the_top_of_a_module()
    for job in seen:
        kinds = {f.name: getattr(job, f.name) for f in dataclasses.fields(job)}
        assert isinstance(kinds.pop("X"), np.ndarray) and isinstance(kinds.pop("y"), np.ndarray)
        assert isinstance(kinds.pop("seed"), int) and isinstance(kinds.pop("fraction"), float)
        assert kinds.pop("trainer") == SMALL and kinds.pop("start") == {} and not kinds


def function_is_at_the_top_of_a_module() -> bool:
    from matscout.surrogate.member import run_job

    return "." not in run_job.__qualname__


@pytest.mark.slow
def test_a_pool_of_processes_gives_the_same_bits() -> None:
    X, Y = data(12)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:

        def spread_out(
            function: Callable[[MemberJob], Weights], jobs: Sequence[MemberJob]
        ) -> list[Weights]:
            return list(pool.map(function, jobs))

        far = DeepEnsemble(members=2, trainer=SMALL, executor=spread_out).fit(X, Y).mean_sd(X)
    here = DeepEnsemble(members=2, trainer=SMALL).fit(X, Y).mean_sd(X)
    assert all(torch.allclose(a, b, rtol=1e-6) for a, b in zip(far, here, strict=True))


def test_the_seed_is_all_the_randomness() -> None:
    X, Y = data(12)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, second = (DeepEnsemble(members=2, trainer=SMALL, seed=s).fit(X, Y) for s in (0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.allclose(first.mean_sd(X)[0], second.mean_sd(X)[0])


def test_its_intervals_hold() -> None:
    inside = []
    for seed in range(2):
        X, Y = data(40, seed, noise=0.3)
        at, values = data(300, 100 + seed, noise=0.3)
        posterior = DeepEnsemble(members=5, trainer=SMALL).fit(X, Y)
        mean, sd = posterior.mean_sd(at)
        inside.append((mean - values[:, 0]).abs() < 1.645 * measurement_sd(posterior, sd))
    assert 0.8 < float(torch.cat(inside).double().mean()) < 0.99


def test_held_out_rows_only_where_every_row_has_two_judges() -> None:
    X, Y = data(30)
    assert DeepEnsemble(members=2, trainer=SMALL).fit(X, Y).held_out is None
    many = DeepEnsemble(members=20, trainer=MlpMember(epochs=5)).fit(X, Y)
    held = many.held_out
    assert isinstance(held, HeldOut) and torch.equal(held.y, Y[:, 0])
    unseen = [m for m, rows in enumerate(many.seen) if 0 not in rows]
    first = int(np.flatnonzero((many.rows == many.rows[0]).all(1))[0])
    said = many.said(many.rows[first : first + 1])[0][unseen, 0].mean()
    at = int((held.mean - (many.loc + many.scale * said)).abs().argmin())
    assert float(held.mean[at]) == pytest.approx(many.loc + many.scale * said, rel=1e-6)


def test_without_bootstrap_every_member_sees_every_row() -> None:
    X, Y = data(10)
    posterior = DeepEnsemble(members=3, trainer=SMALL, bootstrap=False).fit(X, Y)
    assert all(rows.tolist() == list(range(10)) for rows in posterior.seen)
    assert posterior.held_out is None


def test_a_variance_of_its_own() -> None:
    rng = np.random.default_rng(0)
    X = torch.from_numpy(rng.random((200, 1)))
    Y = torch.from_numpy((0.02 + X.numpy()) * rng.standard_normal((200, 1)))
    trainer = MlpMember(epochs=40, network=MlpSettings(hidden_features=16), heteroscedastic=True)
    posterior = DeepEnsemble(members=2, trainer=trainer).fit(X, Y)
    rows = torch.tensor([[0.05], [0.95]]).double()
    units = posterior.columns[0]
    at = ((rows - units.loc) / units.scale).float().numpy()
    own = posterior.said(at)[1].mean(0)
    assert own[1] > 3 * own[0] > 0
    assert posterior.noise_here >= posterior.own_noise > 0


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="two members"):
        DeepEnsemble(members=1)
