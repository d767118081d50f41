from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from gpytorch.kernels import MaternKernel
from gpytorch.mlls import ExactMarginalLogLikelihood
from linear_operator.utils.errors import NotPSDError
from scipy.stats import multivariate_normal
from threadpoolctl import threadpool_info, threadpool_limits

from matscout.surrogate import posterior as posterior_module
from matscout.surrogate.base import FitFailed
from matscout.surrogate.evidence import Evidence
from matscout.surrogate.gp import GaussianProcess
from matscout.surrogate.kernel import AdditiveMatern, shrinkage_prior
from matscout.surrogate.model import ShrunkGP
from matscout.surrogate.noise_prior import BELIEVED, MAYBE_NONE, NoisePrior
from matscout.surrogate.posterior import GpPosterior
from matscout.surrogate.scaling import Standard, UnitBox

Tensor = torch.Tensor


def smooth(n: int, d: int = 3, noise: float = 0.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    """X (n, d) in the unit cube and Y (n, 1)."""
    rng = np.random.default_rng(seed)
    X = rng.random((n, d))
    y = np.sin(4 * X[:, 0]) + X[:, -1] ** 2 + noise * rng.standard_normal(n)
    return torch.from_numpy(X), torch.from_numpy(y).unsqueeze(-1)


def test_the_prior_on_lengthscales_is_the_one_that_the_docs_state() -> None:
    d, log_l = 4, np.array([0.1, 1.0, -0.5, 2.0])
    mu = math.sqrt(2) + 0.5 * math.log(d)
    covariance = 3.0 * np.ones((d, d)) + 0.8**2 * np.eye(d)
    expected = multivariate_normal(np.full(d, mu), covariance).logpdf(log_l)
    assert float(shrinkage_prior(d).log_prob(torch.from_numpy(log_l))) == pytest.approx(expected)


@pytest.mark.parametrize("known", ["none", "all", "some"])
@pytest.mark.parametrize("groups", [[0, 0, 0], [0, 1, 1], [0, 1, 2]])
@pytest.mark.parametrize("prior", [BELIEVED, NoisePrior(0.0, 0.5, may_be_none=True)])
def test_the_evidence_is_botorchs(known: str, groups: list[int], prior: NoisePrior) -> None:
    X, Y = smooth(12)
    y = (Y[:, 0] - Y.mean()) / Y.std()
    variances = {
        "none": None,
        "all": torch.full((12,), 0.1, dtype=torch.float64),
        "some": torch.tensor([0.1, math.nan] * 6, dtype=torch.float64),
    }[known]
    model = ShrunkGP(X, y, variances, AdditiveMatern(groups), prior)
    mll = ExactMarginalLogLikelihood(model.likelihood, model)
    mll.train()
    rng = np.random.default_rng(0)
    parameters = model._in_order()
    for _ in range(3):
        for parameter in parameters:
            parameter.data = torch.from_numpy(rng.normal(-0.5, 0.7, parameter.shape))
        model.zero_grad()
        theirs = -mll(model(X), y)
        theirs.backward()
        theta = np.concatenate([p.detach().numpy().ravel() for p in parameters])
        loss, gradient = model.evidence().loss(theta)
        assert loss == pytest.approx(theirs.item(), rel=1e-7)  # their priors are float32
        slopes = np.concatenate([p.grad.numpy().ravel() for p in parameters])
        np.testing.assert_allclose(gradient, slopes, rtol=1e-5, atol=1e-8)


def test_data_can_say_that_there_is_no_noise_where_the_prior_lets_them() -> None:
    X, Y = smooth(40, noise=0.0)
    believed, free = (GaussianProcess(noise=n).fit(X, Y) for n in (BELIEVED, MAYBE_NONE))
    assert free.noise_here < 1e-4 < believed.noise_here
    X, Y = smooth(40, noise=0.2)
    believed, free = (GaussianProcess(noise=n).fit(X, Y) for n in (BELIEVED, MAYBE_NONE))
    assert free.noise_here == pytest.approx(believed.noise_here, rel=0.3)


def test_the_kernel_is_the_sum_that_the_docs_state() -> None:
    rng = np.random.default_rng(0)
    kernel = AdditiveMatern([0, 0, 1])
    kernel.log_lengthscale.data = torch.tensor([0.3, -0.4], dtype=torch.float64)
    kernel.log_variance.data = torch.tensor([0.2, -1.0], dtype=torch.float64)
    A, B = (torch.from_numpy(rng.random((n, 3))) for n in (4, 5))
    scales = torch.tensor([0.3, 0.3, -0.4]).double().exp()

    def matern(columns: list[int], stretch: float) -> Tensor:
        plain = MaternKernel(nu=2.5)
        plain.lengthscale = 1.0
        part = A[:, columns] / scales[columns], B[:, columns] / scales[columns]
        return plain.double()(part[0] / stretch, part[1] / stretch).to_dense()

    expected = math.exp(0.2) * matern([0, 1, 2], 1.0)
    expected += math.exp(-1.0) / 2 * (matern([0, 1], 2.0) + matern([2], 2.0))
    assert torch.allclose(kernel.forward(A, B), expected, atol=1e-9)
    kernel.requires_grad_(False)  # the blockwise way
    assert torch.allclose(kernel.forward(A, B), expected, atol=1e-9)
    diagonal = kernel.forward(A, A).diagonal()
    assert torch.allclose(diagonal, kernel.forward(A, A, diag=True))
    assert torch.allclose(diagonal, kernel.prior_variance.expand(4))


@pytest.mark.parametrize("groups", [[0], [0, 1, 2], [0, 1, 1, 0]])
def test_the_slope_of_the_kernel_is_that_of_its_graph(groups: list[int]) -> None:
    rng = np.random.default_rng(1)
    kernel = AdditiveMatern(groups)
    kernel.log_lengthscale.data += torch.from_numpy(rng.normal(size=kernel.n_groups))
    data, above = (torch.from_numpy(rng.random(shape)) for shape in ((7, len(groups)), (3, 7)))
    slopes = []
    for learning in (True, False):  # by the graph, and written out
        kernel.requires_grad_(learning)
        rows = torch.cat([data[:1], data[1:3] + 0.01]).requires_grad_(True)  # the first one is data
        value = kernel.forward(rows, data)
        (value * above).sum().backward()
        assert rows.grad is not None
        slopes.append(rows.grad)
        assert torch.allclose(value.detach(), kernel.forward(rows.detach(), data), atol=1e-12)
    assert torch.allclose(*slopes, atol=1e-12)


def test_one_evaluation_of_the_evidence_leaves_nothing_to_the_next() -> None:
    X, Y = smooth(20)
    evidence = ShrunkGP(X, Y[:, 0], None, AdditiveMatern([0, 1, 1])).evidence()
    first, second = np.zeros(5), np.array([3.0, -2.0, 1.0, -4.0, 0.5])
    (loss, slope), _, (again, slope_again) = map(evidence.loss, (first, second, first))
    assert loss == again
    assert slope.tobytes() == slope_again.tobytes()


def test_the_posterior_is_botorchs() -> None:
    X, Y = smooth(15, noise=0.1)
    kernel, y = AdditiveMatern([0, 1, 2]), (Y[:, 0] - Y.mean()) / Y.std()
    model = ShrunkGP(X, y, None, kernel)
    model.fit_()
    noise = model.likelihood.noise.expand(15).clone()
    box, units = UnitBox.between(torch.zeros(3).double(), torch.ones(3).double()), Standard()
    ours = GpPosterior(kernel, 0.1, X, y, noise, box, units)
    at = smooth(20, seed=1)[0].reshape(4, 5, 3)
    mean, sd = ours.mean_sd(at)
    theirs = model.posterior(at)
    assert mean.shape == sd.shape == (4, 5)
    assert torch.allclose(mean, theirs.mean.squeeze(-1), atol=1e-8)
    assert torch.allclose(sd, theirs.variance.squeeze(-1).sqrt(), atol=1e-6)


def test_it_learns_and_its_intervals_hold() -> None:
    X, Y = smooth(40, noise=0.1)
    at, truth = smooth(400, seed=1)
    mean, sd = GaussianProcess().fit(X, Y).mean_sd(at)
    error = mean - truth[:, 0]
    assert float(error.square().mean().sqrt()) < 0.25 * float(truth.std())
    assert 0.75 < float((error.abs() < 1.645 * sd).double().mean()) <= 1.0


def test_far_from_the_data_it_says_so() -> None:
    X, Y = smooth(15)
    posterior = GaussianProcess().fit(0.01 * X, Y)
    _, near = posterior.mean_sd(0.01 * X)
    _, far = posterior.mean_sd(1000 * torch.ones(1, 3, dtype=torch.float64))
    prior = posterior.scale * float(posterior.kernel.prior_variance.sqrt())
    assert float(far) == pytest.approx(prior, rel=1e-3)
    assert float(near.max()) < 0.5 * float(far)


@pytest.mark.parametrize("factor", [1e-300, 1e-6, 1e6, 1e290])
def test_units_of_the_target_do_not_matter(factor: float) -> None:
    X, Y = smooth(12)
    at = smooth(6, seed=1)[0]
    mean, sd = GaussianProcess().fit(X, Y).mean_sd(at)
    scaled_mean, scaled_sd = GaussianProcess().fit(X, 3 * factor + factor * Y).mean_sd(at)
    assert torch.allclose(scaled_mean / factor, 3 + mean, rtol=1e-5)
    assert torch.allclose(scaled_sd / factor, sd, rtol=1e-4)


def test_units_of_the_inputs_do_not_matter_given_bounds() -> None:
    X, Y = smooth(12)
    at = smooth(6, seed=1)[0]
    shift, factor = torch.tensor([5.0, -1e4, 0.0]), torch.tensor([1e-3, 1e5, 2.0])
    bounds = torch.stack([shift, shift + factor]).double()
    scaled = GaussianProcess(bounds=bounds).fit(shift + factor * X, Y).mean_sd(shift + factor * at)
    plain = GaussianProcess().fit(X, Y).mean_sd(at)
    for ours, theirs in zip(scaled, plain, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4)


def test_without_data_it_is_the_prior() -> None:
    posterior = GaussianProcess().fit(torch.zeros(0, 2).double(), torch.zeros(0, 1).double())
    mean, sd = posterior.mean_sd(torch.rand(3, 2, dtype=torch.float64))
    assert mean.tolist() == [0, 0, 0] and sd.tolist() == [1, 1, 1]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_points(n: int) -> None:
    X, Y = smooth(n)
    posterior = GaussianProcess().fit(X, Y)
    mean, sd = posterior.mean_sd(X)
    assert torch.isfinite(mean).all() and (sd > 0).all()
    assert float((mean - Y[:, 0]).abs().max()) <= 0.6 * posterior.scale


def test_equal_values_and_columns_that_do_not_vary() -> None:
    X, Y = smooth(10)
    constant = torch.full((10, 1), 4.0, dtype=torch.float64)
    wide = torch.cat([X, constant], dim=1)
    bounds = torch.tensor([[0.0, 0, 0, 4], [1, 1, 1, 4]], dtype=torch.float64)
    mean, sd = GaussianProcess(bounds=bounds).fit(wide, Y).mean_sd(wide)
    plain_mean, plain_sd = GaussianProcess().fit(X, Y).mean_sd(X)
    assert torch.equal(mean, plain_mean) and torch.equal(sd, plain_sd)
    flat, flat_sd = GaussianProcess().fit(X, torch.full_like(Y, 7.5)).mean_sd(X)
    assert flat.tolist() == pytest.approx([7.5] * 10) and torch.isfinite(flat_sd).all()
    alone, _ = GaussianProcess(bounds=bounds[:, 3:]).fit(constant, Y).mean_sd(constant[:1])
    assert float(alone) == pytest.approx(float(Y.mean()), abs=0.1)


def test_near_duplicate_rows() -> None:
    X, Y = smooth(10)
    X = torch.cat([X, X + 1e-12, X])
    Y = torch.cat([Y, Y + 0.01, Y - 0.01])
    mean, sd = GaussianProcess().fit(X, Y).mean_sd(X)
    assert torch.isfinite(sd).all() and float((mean - Y[:, 0]).abs().max()) < 0.2
    exact = torch.full_like(Y, 1e-30)  # no noise at all, yet two values at one point
    mean, sd = GaussianProcess().fit(X, Y, exact).mean_sd(X)
    assert torch.isfinite(mean).all() and torch.isfinite(sd).all()


def test_known_noise_is_used() -> None:
    X = torch.tensor([[0.5], [0.5], [0.1], [0.9]], dtype=torch.float64)
    Y = torch.tensor([[0.0], [4.0], [1.0], [1.0]], dtype=torch.float64)
    trust_first = torch.tensor([[1e-4], [1e2], [1e-4], [1e-4]], dtype=torch.float64)
    trust_second = torch.tensor([[1e2], [1e-4], [1e-4], [1e-4]], dtype=torch.float64)
    first, _ = GaussianProcess().fit(X, Y, trust_first).mean_sd(X[:1])
    second, _ = GaussianProcess().fit(X, Y, trust_second).mean_sd(X[:1])
    assert float(first) == pytest.approx(0.0, abs=0.1)
    assert float(second) == pytest.approx(4.0, abs=0.1)


def test_unknown_noise_is_learned_beside_the_known() -> None:
    X, Y = smooth(20, noise=0.3)
    unknown = torch.full_like(Y, math.nan)
    plain, missing = GaussianProcess().fit(X, Y), GaussianProcess().fit(X, Y, unknown)
    assert torch.equal(missing.noise, plain.noise)
    some = unknown.clone()
    some[0] = 4.0
    noise = GaussianProcess().fit(X, Y, some).noise
    assert float(noise[0]) > float(noise[1]) > 0
    assert float(noise[0] - noise[1]) == pytest.approx(4.0 / float(Y.std()) ** 2, rel=1e-3)


def test_columns_of_one_group_share_a_lengthscale() -> None:
    X, Y = smooth(20)
    lengths = GaussianProcess(groups=[0, 1, 1]).fit(X, Y).kernel.log_lengthscale
    assert len(lengths) == 2 and lengths[0] != lengths[1]


def test_believing_keeps_the_mean_and_shrinks_the_sd() -> None:
    X, Y = smooth(12, noise=0.05)
    posterior = GaussianProcess().fit(X, Y)
    at, pending = smooth(30, seed=1)[0], smooth(3, seed=2)[0]
    mean, sd = posterior.mean_sd(at)
    believed = posterior.believe(pending)
    after, after_sd = believed.mean_sd(at)
    assert torch.allclose(after, mean, atol=1e-6)
    assert (after_sd <= sd + 1e-9).all() and (after_sd < sd - 1e-6).any()
    _, there = believed.mean_sd(pending)
    assert (there < posterior.mean_sd(pending)[1]).all()
    assert posterior.believe(pending[:0]) is posterior


def test_chunks_cannot_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    X, Y = smooth(9)
    posterior, at = GaussianProcess().fit(X, Y), smooth(500, seed=1)[0]
    whole = posterior.mean_sd(at)
    monkeypatch.setattr(posterior_module, "_CHUNK", 100)
    for ours, theirs in zip(posterior.mean_sd(at), whole, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-12)


def test_many_rows_are_fitted_on_a_part() -> None:
    X, Y = smooth(60, noise=0.05)
    posterior = GaussianProcess(max_fit=20).fit(X, Y)
    assert len(posterior.X) == 60
    mean, _ = posterior.mean_sd(X)
    assert float((mean - Y[:, 0]).square().mean().sqrt()) < 0.2


def test_a_fit_takes_one_thread_and_gives_the_others_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def threads() -> list[int]:
        return [p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"]

    seen: list[list[int]] = []
    loss = Evidence.loss
    monkeypatch.setattr(Evidence, "loss", lambda *a: (seen.append(threads()), loss(*a))[1])
    with threadpool_limits(limits=2, user_api="blas"):
        before = threads()
        GaussianProcess().fit(*smooth(10))
        assert threads() == before
    assert seen and all(set(during) == {1} for during in seen)


def test_hyperparameters_of_some_rows_serve_them_all() -> None:
    X, Y = smooth(30, noise=0.1)
    process = GaussianProcess()
    learned = process.learn(X[:20], Y[:20])
    posterior = process.given(learned, X, Y)
    assert posterior.X.shape == (30, 3) and posterior.kernel is learned.kernel
    same, fitted = process.given(process.learn(X, Y), X, Y), process.fit(X, Y)
    assert torch.equal(same.mean_sd(X)[0], fitted.mean_sd(X)[0])


def test_the_same_data_give_the_same_bits() -> None:
    X, Y = smooth(15)
    first, second = (GaussianProcess().fit(X, Y).mean_sd(X) for _ in range(2))
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])


def test_what_cannot_be_fitted_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> Tensor:
        raise NotPSDError("not positive definite")

    X, Y = smooth(5)
    posterior = GaussianProcess().fit(X, Y)
    monkeypatch.setattr(posterior_module, "psd_safe_cholesky", never)
    with pytest.raises(FitFailed, match="not positive definite"):
        posterior.believe(X[:1]).mean_sd(X)


def test_mistakes_of_the_caller() -> None:
    X, Y = smooth(4)
    with pytest.raises(ValueError, match="one target"):
        GaussianProcess().fit(X, torch.cat([Y, Y], dim=1))
    with pytest.raises(ValueError, match="finite"):
        GaussianProcess().fit(X, Y * math.nan)
