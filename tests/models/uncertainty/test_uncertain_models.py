"""Each way to know one's uncertainty, against a closed form, a library or brute force."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure
from scipy import integrate, stats
from sklearn.ensemble import RandomForestRegressor
from torch import nn

from matscout.models.cgcnn import Cgcnn
from matscout.models.crystal_graph import GraphTable, crystal_graph
from matscout.models.hyperparameters import (
    CgcnnSettings,
    FitSettings,
    GraphSettings,
    MlpSettings,
)
from matscout.models.inputs import ColumnInputs, MlpMaker, Scaled
from matscout.models.metrics import METRICS
from matscout.models.mlp import Mlp
from matscout.models.recipe import Recipe, outputs_of, penultimate_of, squared
from matscout.models.uncertainty.bagging import BaggedNetworks
from matscout.models.uncertainty.belief import Belief, UncertainModel
from matscout.models.uncertainty.deep_kernel import DeepKernelModel, shown_last
from matscout.models.uncertainty.dropout import DropoutModel, thinned
from matscout.models.uncertainty.ensemble import CalibratedEnsemble
from matscout.models.uncertainty.evidential import EvidentialModel, evidence, nig_nll
from matscout.models.uncertainty.gaussian import beta_nll, moments
from matscout.models.uncertainty.jackknife_forest import JackknifeForest, infinitesimal_jackknife
from matscout.models.uncertainty.laplace import LaplaceModel, Linear
from matscout.models.uncertainty.quantile_forest import QuantileForest
from matscout.surrogate.ensemble import DeepEnsemble
from matscout.surrogate.member import MlpMember

FAST = FitSettings(lr=1e-2, weight_decay=1e-3, batch_size=16)


def recipe(epochs: int = 25, dropout: float = 0.0, **size: Any) -> Recipe:
    shape = {"hidden_features": 16, "hidden_layers": 1, **size}
    return Recipe(MlpMaker(MlpSettings(dropout=dropout, **shape)), epochs, FAST)


MODELS = {
    "bagging": BaggedNetworks(2, recipe=recipe()),
    "deep_ensemble": CalibratedEnsemble(DeepEnsemble(3, MlpMember(epochs=20))),
    "dropout": DropoutModel(10, recipe(dropout=0.2)),
    "evidential": EvidentialModel(recipe=recipe()),
    "laplace": LaplaceModel(recipe()),
    "deep_kernel": DeepKernelModel(recipe(), steps=20),
    "quantile_forest": QuantileForest(30),
    "jackknife_forest": JackknifeForest(60),
}


def problem(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) * [1.0, 10.0, 0.1] + [0.0, 5.0, 1.0]
    return X, 200.0 + 50.0 * np.sin(X[:, 0]) + 2.0 * X[:, 1] + rng.normal(size=n) * 5.0


@pytest.mark.parametrize("name", MODELS)
def test_every_model_keeps_the_rules(name: str) -> None:
    X, y = problem()
    fitted = MODELS[name].fit(X, y)
    there = np.vstack([X[:7], X[:2] + 30.0])
    found = fitted.predict(there)
    for part in (found.mean, found.epistemic, found.aleatoric):
        assert part.shape == (9,) and np.isfinite(part).all()
    assert (found.epistemic >= 0).all() and (found.sd > 0).all()
    assert np.abs(fitted.predict(X).mean - y).mean() < np.abs(y - y.mean()).mean()
    again = MODELS[name].fit(X, y).predict(there)
    alone = np.array([fitted.predict(row[None]).mean[0] for row in there])
    assert np.array_equal(again.mean, found.mean)
    assert alone == pytest.approx(found.mean, rel=1e-5), "a row's company is of no consequence"


@pytest.mark.parametrize("name", MODELS)
def test_units_outside_are_the_targets_own(name: str) -> None:
    """In meV instead of eV, everything is a thousand times as large."""
    X, y = problem(30)
    there, model = X[:5] + 0.5, MODELS[name]
    one, other = model.fit(X, y).predict(there), model.fit(X, 1024.0 * y).predict(there)
    for part in ("mean", "epistemic", "aleatoric"):
        assert getattr(other, part) == pytest.approx(1024.0 * getattr(one, part), rel=2e-2)


@pytest.mark.parametrize("name", MODELS)
def test_nonsense_is_refused(name: str) -> None:
    X, y = problem(20)
    for wrong in (y[:-1], np.where(np.arange(20) == 3, np.nan, y)):
        with pytest.raises(ValueError):
            MODELS[name].fit(X, wrong)


def test_the_variances_add() -> None:
    found = Belief(np.array([1.0]), np.array([3.0]), np.array([4.0])).in_units(10.0, 2.0)
    assert (found.mean, found.epistemic, found.aleatoric, found.sd) == (12.0, 6.0, 8.0, 10.0)


@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_gaussian_loss(beta: float) -> None:
    outputs = torch.tensor([[0.3, -1.0], [-2.0, 0.7]], dtype=torch.float64, requires_grad=True)
    goal = torch.tensor([1.0, -1.5], dtype=torch.float64)
    mean, variance = moments(outputs.detach())
    exact = -stats.norm.logpdf(goal, mean, variance.sqrt()) - 0.5 * math.log(2 * math.pi)
    loss = beta_nll(outputs, goal, beta)
    assert loss.item() == pytest.approx(float((variance.numpy() ** beta * exact).mean()))
    loss.backward()
    gradient = -(goal - mean) / variance * variance**beta / 2  # the weight itself has none
    assert outputs.grad is not None and torch.allclose(outputs.grad[:, 0], gradient)


POINTS = [(0.4, 0.1, 0.7, 2.3, 0.9), (-2.0, 1.0, 3.0, 1.4, 0.2), (0.0, 0.0, 0.2, 6.0, 4.0)]


@pytest.mark.parametrize(("y", "gamma", "nu", "alpha", "beta"), POINTS)
def test_the_evidential_likelihood_is_the_integral(
    y: float, gamma: float, nu: float, alpha: float, beta: float
) -> None:
    """p(y) is the Gaussian averaged over mu and sigma² from the normal-inverse-gamma, and so
    Student's t."""

    s2 = beta * np.exp(np.linspace(-5.0, 9.0, 121))[:, None]
    wide = 12.0 * np.sqrt(s2 * (1.0 + 1.0 / nu))
    mu = 0.5 * (y + gamma) + (wide + abs(y - gamma)) * np.linspace(-1.0, 1.0, 2001)
    prior = stats.norm.pdf(mu, gamma, np.sqrt(s2 / nu)) * stats.invgamma.pdf(s2, alpha, 0, beta)
    inner = integrate.simpson(stats.norm.pdf(y, mu, np.sqrt(s2)) * prior, x=mu, axis=1)
    numeric = integrate.simpson(inner * s2[:, 0], x=np.log(s2[:, 0]))
    found = nig_nll(*(torch.tensor(v, dtype=torch.float64) for v in (y, gamma, nu, alpha, beta)))
    width = math.sqrt(beta * (1 + nu) / (nu * alpha))
    assert found.item() == pytest.approx(-stats.t.logpdf(y, 2 * alpha, gamma, width), rel=1e-10)
    assert found.item() == pytest.approx(-math.log(numeric), rel=1e-4)


def test_evidence_has_the_variance_of_its_student_t() -> None:
    """Aleatoric and epistemic add up to the variance of the predictive density."""
    _, nu, alpha, beta = evidence(
        torch.randn(50, 4, generator=torch.Generator().manual_seed(1)).double()
    )
    width = (beta * (1 + nu) / (nu * alpha)).sqrt().numpy()
    noise = (beta / (alpha - 1)).numpy()
    exact = stats.t.var(2 * alpha.numpy(), 0, width)
    assert noise + noise / nu.numpy() == pytest.approx(exact, rel=1e-9)


def test_laplace_on_a_linear_network_is_bayesian_linear_regression() -> None:
    """One linear layer and nothing else: the closed form on the standardised inputs themselves."""

    def line(inputs: Any, outputs: int) -> nn.Module:
        return nn.Sequential(nn.Linear(3, outputs))

    X, y = problem(40)
    fitted = LaplaceModel(Recipe(line, epochs=2, settings=FAST)).fit(X, y)
    there = X[:6] + X.std(0)
    found = fitted.predict(there)
    centre, spread = X.mean(0), X.std(0)
    phi = np.column_stack([(X - centre) / spread, np.ones(40)]).astype(np.float32).astype(float)
    new = np.column_stack([(there - centre) / spread, np.ones(6)])
    goal = (y - y.mean()) / y.std(ddof=1)
    noise = fitted.linear.noise
    # Of the two precisions, the one of the weights is what the covariance says it is.
    precision = np.linalg.inv(fitted.linear.covariance) - phi[:, :3].T @ phi[:, :3] / noise
    assert precision == pytest.approx(precision[0, 0] * np.eye(3), rel=1e-4, abs=1e-4)
    prior = np.diag([precision[0, 0]] * 3 + [0.0])
    covariance = np.linalg.inv(phi.T @ phi / noise + prior)
    mean = new @ (covariance @ phi.T @ goal / noise)
    variance = np.einsum("bi,ij,bj->b", new, covariance, new)
    assert found.mean == pytest.approx(y.mean() + y.std(ddof=1) * mean, rel=1e-5)
    assert found.epistemic == pytest.approx(y.std(ddof=1) * np.sqrt(variance), rel=1e-4)
    assert found.aleatoric == pytest.approx(y.std(ddof=1) * math.sqrt(noise))


def test_the_evidence_is_at_its_maximum() -> None:
    rng = np.random.default_rng(4)
    phi = rng.normal(size=(50, 4))
    y = phi @ [1.0, -1.0, 0.5, 0.0] + 0.3 * rng.normal(size=50)
    found = Linear.fitted(phi, y)
    assert found.noise == pytest.approx(0.09, rel=0.5)
    about, goal = phi - phi.mean(0), y - y.mean()

    def evidence_of(noise: float, prior: float) -> float:
        K = about @ about.T / prior + noise * np.eye(50)
        return float(stats.multivariate_normal.logpdf(goal, np.zeros(50), K))

    precision = np.linalg.inv(found.covariance) - about.T @ about / found.noise
    at = evidence_of(found.noise, precision[0, 0])
    for factor in (0.8, 1.25):
        assert evidence_of(found.noise * factor, precision[0, 0]) < at
        assert evidence_of(found.noise, precision[0, 0] * factor) < at


def test_a_far_row_is_less_sure_under_laplace() -> None:
    X, y = problem()
    fitted = MODELS["laplace"].fit(X, y)
    far = fitted.predict(X + np.array([4.0, 40.0, 0.4]))
    assert far.epistemic.mean() > 2 * fitted.predict(X).epistemic.mean()


def test_a_deep_kernel_is_a_gaussian_process_on_features() -> None:
    """Rasmussen and Williams 2006, equations 2.25 and 2.26, on what the last layer is shown."""
    X, y = problem(40)
    fitted = DeepKernelModel(recipe(), steps=30).fit(X, y)
    there = np.vstack([X[:5] + 0.3, X[:1] + 40.0])
    inside = fitted.units.scaled
    phi, new = (
        penultimate_of(fitted.network, inside(ColumnInputs.of(x))).numpy() for x in (X, there)
    )
    goal = (y - y.mean()) / y.std(ddof=1)
    covar, noise = fitted.process.covar_module, float(fitted.process.likelihood.noise)
    length, scale = float(covar.base_kernel.lengthscale), float(covar.outputscale)
    centre = float(fitted.process.mean_module.constant)

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        square = np.square(a[:, None] - b[None]).sum(-1)
        return scale * np.exp(-square / (2 * length**2))

    K = kernel(phi, phi) + noise * np.eye(40)
    cross = kernel(new, phi)
    mean = centre + cross @ np.linalg.solve(K, goal - centre)
    variance = scale - (cross * np.linalg.solve(K, cross.T).T).sum(1)
    found, unit = fitted.predict(there), y.std(ddof=1)
    assert found.mean == pytest.approx(y.mean() + unit * mean, rel=1e-5)
    assert found.epistemic == pytest.approx(unit * np.sqrt(variance), rel=1e-3)
    assert found.aleatoric == pytest.approx(unit * math.sqrt(noise))


def test_the_kernel_and_the_network_are_learned_together() -> None:
    X, y = problem(50)

    def evidence_of(model: DeepKernelModel) -> float:
        fitted = model.fit(X, y)
        process = fitted.process
        phi = process.train_inputs[0]
        K = process.covar_module(phi).to_dense() + process.likelihood.noise * torch.eye(50)
        centre = np.full(50, float(process.mean_module.constant))
        goal = process.train_targets.numpy()
        return float(stats.multivariate_normal.logpdf(goal, centre, K.numpy()))

    start = evidence_of(DeepKernelModel(recipe(), steps=0))
    kernel = evidence_of(DeepKernelModel(recipe(), steps=60, network_lr=0.0))
    both = evidence_of(DeepKernelModel(recipe(), steps=60, network_lr=1e-3))
    assert start < kernel < both
    network = recipe(2).trained(ColumnInputs.of(X), y, squared, 1, np.random.SeedSequence(0))
    exact = penultimate_of(network, ColumnInputs.of(X))
    assert torch.allclose(shown_last(network, ColumnInputs.of(X)), exact, atol=1e-5)
    assert shown_last(network, ColumnInputs.of(X)).requires_grad


def test_a_deep_kernel_on_crystals() -> None:
    settings = GraphSettings(cutoff_angstrom=4.0, max_neighbors=4)
    cells = [Structure(Lattice.cubic(a), ["Cs"], [[0, 0, 0]]) for a in np.linspace(2.5, 3.5, 8)]
    graphs = GraphTable([crystal_graph(cell, settings) for cell in cells])
    size = CgcnnSettings(atom_features=8, convolutions=1, head_features=8, gaussians=8)
    net = Recipe(lambda inputs, outputs: Cgcnn(size, 4.0, outputs), 5, FAST)
    fitted = DeepKernelModel(net, steps=3).fit(graphs, np.linspace(1.0, 2.0, 8))
    found = fitted.predict(graphs)
    assert found.mean.shape == (8,) and np.isfinite(found.sd).all() and (found.sd > 0).all()


def test_a_network_that_diverges_has_no_deep_kernel() -> None:
    class Wild(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(x / 0.0)

    X, y = problem(10)
    with pytest.raises(ValueError, match="diverged"):
        DeepKernelModel(Recipe(lambda inputs, outputs: Wild(), 1, FAST)).fit(X, y)


def test_a_thinned_network_is_one_network() -> None:
    """The same mask for all rows, another for another pass, and the mean is that of torch's."""
    torch.manual_seed(0)
    network = Mlp(2, 1, MlpSettings(hidden_features=64, hidden_layers=1, dropout=0.5)).eval()
    X = ColumnInputs(torch.tensor([[1.0, 2.0], [1.0, 2.0], [0.0, 1.0]]))
    said = []
    for number in range(200):
        with thinned(network, np.random.SeedSequence(number)):
            said.append(outputs_of(network, X))
    passes = torch.stack(said)[:, :, 0]
    assert torch.allclose(passes[:, 0], passes[:, 1], atol=1e-6)
    assert len(passes[:, 0].unique()) == 200
    hidden = penultimate_of(network, X)
    weight = network.layers[-1].weight.detach().double()
    exact = (hidden.square() @ weight.square().T)[:, 0]  # Var of x w m / keep, keep = 1/2
    assert passes.var(0) == pytest.approx(exact.numpy(), rel=0.3)
    assert torch.allclose(outputs_of(network, X)[:, 0], passes.mean(0), atol=0.15)


def test_dropout_needs_dropout() -> None:
    with pytest.raises(ValueError, match="above 0"):
        DropoutModel(recipe=recipe(1)).fit(*problem(10))


def test_quantile_forest_against_brute_force() -> None:
    X, y = problem(40)
    fitted = QuantileForest(20, min_leaf=3).fit(X, y)
    there = X[:5] + 0.2
    weights = np.zeros((5, 40))
    for tree in fitted.forest.estimators_:
        train, new = tree.apply(X.astype(np.float32)), tree.apply(there.astype(np.float32))
        same = new[:, None] == train[None, :]
        weights += same / same.sum(1, keepdims=True) / 20
    assert fitted.weights(there) == pytest.approx(weights, abs=1e-12)
    found = fitted.predict(there)
    mean = weights @ y
    variance = (weights * np.square(y - mean[:, None])).sum(1)
    assert found.mean == pytest.approx(mean)
    assert np.square(found.sd) == pytest.approx(variance), "total variance, exactly"
    for row, level in ((0, 0.1), (3, 0.5), (4, 0.95)):
        order = np.argsort(y)
        first = int(np.argmax(np.cumsum(weights[row, order]) >= level - 1e-12))
        assert fitted.quantiles(there, [level])[row, 0] == y[order[first]]
    low, high = fitted.interval(there, 0.8)
    assert (low < high).all()


def test_a_forest_without_splits_gives_the_samples_quantiles() -> None:
    y = np.arange(1.0, 101.0)
    fitted = QuantileForest(5).fit(np.zeros((100, 1)), y)
    assert fitted.quantiles(np.zeros((1, 1)), [0.05, 0.5, 1.0]).tolist() == [[5.0, 50.0, 100.0]]
    assert fitted.predict(np.zeros((1, 1))).aleatoric == pytest.approx(y.std())
    assert fitted.predict(np.zeros((1, 1))).epistemic == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("forest", [QuantileForest(20), JackknifeForest(20)])
@pytest.mark.parametrize("many", [30, 20])
def test_a_forest_is_never_quite_sure(forest: UncertainModel, many: int) -> None:
    """Leaves of equal targets, or all of them equal: a thousandth of the targets' spread is left."""
    y = np.where(np.arange(30) < many, 5.0, 9.0)
    X = np.column_stack([y, y])
    belief = forest.fit(X, y).predict(X)
    least = 1e-3 * (y.std() or 1.0)
    assert (belief.aleatoric >= least * (1 - 1e-12)).all()
    if isinstance(forest, QuantileForest) and many == len(y):
        assert belief.mean == pytest.approx(y) and belief.sd == pytest.approx(least)
    for name in ("nll", "crps", "coverage_error", "miscalibration_area"):
        assert np.isfinite(METRICS[name].score(y, np.column_stack([belief.mean, belief.sd])))


def test_the_jackknife_of_a_bagged_mean_is_known() -> None:
    """Bags' means of y: their infinitesimal jackknife is sum (y - mean)² / n² (section 2)."""
    rng = np.random.default_rng(0)
    n, bags = 30, 40_000
    y = rng.normal(size=n)
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=bags)
    votes = (drawn @ y / n)[:, None]
    exact = np.square(y - y.mean()).sum() / n**2
    assert infinitesimal_jackknife(votes, drawn)[0] == pytest.approx(exact, rel=0.05)
    # Few bags: without the correction, the estimate would be far too large.
    few = [
        infinitesimal_jackknife(votes[k : k + 50], drawn[k : k + 50])[0] for k in range(0, 5000, 50)
    ]
    raw = [
        np.square(
            (drawn[k : k + 50] - 1).T @ (votes[k : k + 50] - votes[k : k + 50].mean()) / 50
        ).sum()
        for k in range(0, 5000, 50)
    ]
    assert abs(np.mean(few) / exact - 1) < 0.15 and np.mean(raw) / exact > 1.4


def test_the_jackknife_forest_counts_its_own_bags() -> None:
    """A tree that cannot split is its bag's mean: what `drawn` says must predict it."""
    y = np.random.default_rng(1).normal(size=25)
    fitted = JackknifeForest(50).fit(np.zeros((25, 2)), y)
    votes = fitted.votes(np.zeros((1, 2)))[:, 0]
    assert votes == pytest.approx(fitted.drawn @ y / 25)
    assert isinstance(fitted.forest, RandomForestRegressor) and (fitted.drawn.sum(1) == 25).all()
    assert np.sqrt(fitted.noise) == pytest.approx(y.std(), rel=0.15)


def test_scaling_is_fitted_on_the_training_rows_alone() -> None:
    X, _ = problem(20)
    scaled = Scaled.like(ColumnInputs.of(X[:10]))
    changed = X.copy()
    changed[10:] *= 1e6
    one, other = (scaled(ColumnInputs.of(rows)).batch(torch.arange(20)) for rows in (X, changed))
    assert torch.equal(one[:10], other[:10]) and other.abs().max() <= 10.0
    assert one[:10].double().mean(0).abs().max() < 1e-5
    flat = Scaled.like(ColumnInputs(torch.full((4, 1), 3.3)))
    assert flat(ColumnInputs(torch.full((2, 1), 9.0))).batch(torch.arange(2)).abs().max() == 0.0
