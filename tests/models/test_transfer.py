"""Transfer and mixtures of experts: what is frozen stays, what is gated is found, what helps helps."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure
from torch import nn

from matscout.models.cgcnn import Cgcnn, CrystalBody
from matscout.models.crystal_graph import GraphTable, crystal_graph
from matscout.models.experts import MixtureOfExperts, mixture_loss
from matscout.models.extractors import (
    OfColumns,
    OfFeatures,
    OfGraphs,
    Pretrained,
    Views,
    of_features,
)
from matscout.models.gate import Gate, GateSettings, load_balance, sparse, z_loss
from matscout.models.hyperparameters import (
    CgcnnSettings,
    FitSettings,
    GraphSettings,
    MlpSettings,
)
from matscout.models.inputs import ColumnInputs
from matscout.models.multitask import MultiTask, task_losses
from matscout.models.transfer import (
    Bagged,
    HeadSettings,
    Pairwise,
    Scratch,
    TwoStage,
    chosen,
    pretrained,
)

HEAD = HeadSettings(MlpSettings(hidden_features=8, hidden_layers=1), 40, FitSettings(lr=1e-2))
BODY = OfColumns(MlpSettings(hidden_features=12, hidden_layers=2))


def problem(n: int, seed: int) -> tuple[Views, np.ndarray, np.ndarray]:
    """Ten columns, and two targets that hang on the same hidden quantity."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 10))
    hidden = np.sin(X[:, 0] + X[:, 1]) + 0.5 * X[:, 2] * X[:, 3]
    source, target = 3.0 * hidden + 5.0, 100.0 - 20.0 * hidden
    return {"table": ColumnInputs.of(X)}, source, target


@pytest.fixture(scope="module")
def expert() -> Pretrained:
    views, source, _ = problem(600, 0)
    head = HeadSettings(HEAD.size, 60, FitSettings(lr=1e-2, batch_size=64))
    return pretrained("source", "table", views, source, make=BODY, head=head)


def state(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_transfer_helps_and_forgets_nothing(expert: Pretrained) -> None:
    views, _, y = problem(30, 1)
    new, _, truth = problem(300, 2)
    before = state(expert.extractor)
    noise = of_features("noise", "other", 12)
    rng = np.random.default_rng(3)
    views = {**views, "other": ColumnInputs.of(rng.normal(size=(30, 12)))}
    new = {**new, "other": ColumnInputs.of(rng.normal(size=(300, 12)))}
    arms = {
        "scratch": Scratch("table", BODY, HEAD),
        "pairwise": Pairwise(expert, HEAD),
        "two_stage": TwoStage(expert, HEAD, epochs=10),
        "experts": MixtureOfExperts([expert, noise], HEAD),
    }
    fitted = {name: arm.fit(views, y, seed=0) for name, arm in arms.items()}
    error = {k: float(np.abs(f.predict(new) - truth).mean()) for k, f in fitted.items()}
    dummy = float(np.abs(truth - y.mean()).mean())
    assert max(error["pairwise"], error["two_stage"]) < 0.8 * error["scratch"] < 1.2 * dummy
    assert error["experts"] < error["scratch"]
    assert same(state(expert.extractor), before), "the frozen body is as it was, bit for bit"
    moved = fitted["two_stage"].network.extractor  # type: ignore[attr-defined]
    assert not same(state(moved), before), "the second stage trains a copy"
    shares = fitted["experts"].shares(new)  # type: ignore[attr-defined]
    assert shares["source"] > 0.55 and sum(shares.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("arm", ["pairwise", "two_stage", "experts", "bagged"])
def test_arms_are_pure_and_speak_the_targets_unit(expert: Pretrained, arm: str) -> None:
    views, _, y = problem(12, 4)
    fast = HeadSettings(HEAD.size, 5, HEAD.settings)
    made = {
        "pairwise": Pairwise(expert, fast),
        "two_stage": TwoStage(expert, fast, epochs=2),
        "experts": MixtureOfExperts([expert, expert], fast),
        "bagged": Bagged(Pairwise(expert, fast), 2),
    }[arm]
    one, again = (made.fit(views, y, seed=3).predict(views) for _ in range(2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, made.fit(views, y, seed=4).predict(views))
    scaled = made.fit(views, 1024.0 * y, seed=3).predict(views)
    assert scaled == pytest.approx(1024.0 * one, rel=1e-4)
    part = chosen(views, np.arange(5))
    assert made.fit(views, y, seed=3).predict(part) == pytest.approx(one[:5], rel=1e-5)


def test_an_experts_scaling_is_its_own_sources(expert: Pretrained) -> None:
    """The target's rows must not move it, or the frozen features would mean something else."""
    views, _, _ = problem(10, 5)
    shifted = {"table": ColumnInputs(views["table"].batch(torch.arange(10)) + 3.0)}
    together = {"table": ColumnInputs(torch.cat([views["table"].X, shifted["table"].X]))}  # type: ignore[attr-defined]
    assert torch.allclose(expert.features(together)[:10], expert.features(views), atol=1e-6)


def test_sparse_weights() -> None:
    logits = torch.tensor([[2.0, -1.0, 1.0, 0.0]], dtype=torch.float64)
    shares = torch.softmax(logits, dim=1)
    assert torch.equal(sparse(logits, 0), shares) and torch.equal(sparse(logits, 4), shares)
    two = sparse(logits, 2)
    assert torch.allclose(two[0, [0, 2]], torch.softmax(logits[0, [0, 2]], dim=0))
    assert two[0, [1, 3]].tolist() == [0.0, 0.0]
    one = sparse(logits.requires_grad_(), 1)
    assert one[0, 0] == shares[0, 0] and one.sum() == shares[0, 0]
    (gradient,) = torch.autograd.grad(one.sum(), logits)
    assert gradient.abs().min() > 0, "with one expert the gate is taught, too"


def test_losses_of_the_gate() -> None:
    even = torch.zeros(6, 3)
    assert load_balance(even, 0).item() == pytest.approx(1.0)
    taken = torch.tensor([[30.0, 0.0, 0.0]]).repeat(6, 1)
    assert load_balance(taken, 1).item() == pytest.approx(3.0)
    by_turns = 30.0 * torch.eye(3).repeat(2, 1)
    assert load_balance(by_turns, 1).item() == pytest.approx(1.0)
    logits = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)).double()
    shares = torch.softmax(logits, 1).mean(0)
    asked = torch.zeros(4).double()
    for row in logits:
        asked[row.topk(2).indices] += 1 / 100
    assert load_balance(logits, 2).item() == pytest.approx(float(4 * (asked * shares).sum()))
    assert z_loss(logits).item() == pytest.approx(float(logits.exp().sum(1).log().square().mean()))
    outputs = torch.cat([torch.ones(50, 1).double(), logits], dim=1)
    whole = mixture_loss(
        outputs, torch.zeros(50).double(), GateSettings(kept=2, balance=0.1, z=0.01)
    )
    assert whole.item() == pytest.approx(
        1.0 + 0.1 * load_balance(logits, 2).item() + 0.01 * z_loss(logits).item()
    )


def test_the_gate() -> None:
    x = torch.randn(5, 7)
    for settings in (GateSettings(), GateSettings(by_row=True), GateSettings(noise=0.5)):
        gate = Gate(3, 7, settings).eval()
        assert torch.equal(gate(x), torch.zeros(5, 3)), "all begin equal, and asked without noise"
    assert gate.train()(x).std() > 0.1
    free = Gate(3, 7, GateSettings())
    free.bias.data = torch.tensor([1.0, 0.0, -1.0])
    assert (free(x) == free(x)[0]).all(), "independent of the row, as the paper has it"
    with pytest.raises(ValueError, match="kept"):
        Gate(3, 7, GateSettings(kept=4))


def test_experts_of_several_widths_and_gates(expert: Pretrained) -> None:
    views, _, y = problem(20, 6)
    views = {**views, "raw": ColumnInputs(torch.randn(20, 4))}
    raw = of_features("raw", "raw", 4)
    fast = HeadSettings(HEAD.size, 3, HEAD.settings)
    for gate in (GateSettings(kept=1, by_row=True, noise=0.1, balance=0.01), GateSettings(kept=2)):
        fitted = MixtureOfExperts([expert, raw, expert], fast, gate).fit(views, y, 0)
        assert np.isfinite(fitted.predict(views)).all()


def crystals(n: int) -> GraphTable:
    rng = np.random.default_rng(0)
    settings = GraphSettings(cutoff_angstrom=4.0, max_neighbors=6)
    made = [
        Structure(
            Lattice.cubic(3.0 + rng.uniform()),
            rng.choice(["Na", "Cl", "O"], 2),
            [[0, 0, 0], [0.5, 0.5, 0.5]],
        )
        for _ in range(n)
    ]
    return GraphTable([crystal_graph(s, settings) for s in made])


def test_over_crystals_and_trained_features() -> None:
    graphs = crystals(16)
    views: Views = {"graphs": graphs, "features": ColumnInputs(torch.randn(16, 5))}
    y = np.arange(16.0)
    fast = HeadSettings(HEAD.size, 3, HEAD.settings)
    make = OfGraphs(CgcnnSettings(atom_features=8, convolutions=1, gaussians=8))
    body = pretrained("volume", "graphs", views, y, make=make, head=fast)
    before = state(body.extractor)
    features = body.features(views)
    assert features.shape == (16, 8)
    for arm in (
        TwoStage(body, fast, epochs=2),
        MixtureOfExperts([body, of_features("trained", "features", 5)], fast),
        Scratch("features", OfFeatures(), fast),
        Bagged(Scratch("graphs", make, fast), 2),
    ):
        said = arm.fit(views, y, 0).predict(views)  # type: ignore[attr-defined]
        assert said.shape == (16,) and np.isfinite(said).all()
    assert same(state(body.extractor), before)
    assert torch.equal(body.features(views), features), "running means of normalisation, too"


def test_the_second_stage_keeps_the_statistics_of_normalisation() -> None:
    graphs = crystals(10)
    views: Views = {"graphs": graphs}
    fast = HeadSettings(HEAD.size, 2, HEAD.settings)
    make = OfGraphs(CgcnnSettings(atom_features=8, convolutions=1, gaussians=8))
    body = pretrained("volume", "graphs", views, np.arange(10.0), make=make, head=fast)
    moved = TwoStage(body, fast, epochs=3).fit(views, np.arange(10.0)[::-1].copy(), 0)
    before, after = body.extractor.state_dict(), moved.network.extractor.state_dict()  # type: ignore[union-attr]
    running = [name for name in before if "running" in name]
    assert running and all(torch.equal(before[n], after[n]) for n in running)  # type: ignore[arg-type,operator]
    assert not torch.equal(before["embedding.weight"], after["embedding.weight"])  # type: ignore[arg-type,operator]


def test_a_cgcnn_is_its_body_and_its_head() -> None:
    """The split changed neither names nor numbers: checkpoints of old fit."""
    settings = CgcnnSettings(atom_features=8, convolutions=1, head_features=4, gaussians=8)
    torch.manual_seed(0)
    whole = Cgcnn(settings, 4.0).eval()
    body = CrystalBody(settings, 4.0).eval()
    own = {k: v for k, v in whole.state_dict().items() if not k.startswith("head.")}
    body.load_state_dict(own)
    batch = crystals(3).batch(torch.arange(3))
    assert torch.equal(whole(batch), whole.head(body(batch)))


def test_tasks_share_a_body() -> None:
    views, source, target = problem(120, 7)
    Y = np.column_stack([source, target])
    Y[:80, 1] = np.nan
    quick = HeadSettings(HEAD.size, 25, HEAD.settings)
    new, s, t = problem(200, 8)
    for surgery in (True, False):
        fitted = MultiTask("table", BODY, quick, surgery).fit(views, Y, 0)
        said = fitted.predict(new)
        assert np.abs(said[:, 0] - s).mean() < np.abs(s - s.mean()).mean()
        assert np.abs(said[:, 1] - t).mean() < np.abs(t - t.mean()).mean()
    assert fitted.expert("both").features(new).shape == (200, 12)
    with pytest.raises(ValueError, match="each column"):
        MultiTask("table").fit(views, np.full((120, 2), np.nan), 0)


def test_a_missing_target_teaches_nothing() -> None:
    outputs = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    goal = torch.tensor([[0.0, torch.nan], [1.0, torch.nan]])
    losses = partial(task_losses, apart=True)(outputs, goal)
    assert losses.tolist() == [2.5, 0.0]
    losses.sum().backward()
    assert outputs.grad is not None and outputs.grad.tolist() == [[1.0, 0.0], [2.0, 0.0]]
