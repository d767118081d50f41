"""On a GPU, where there is one: nothing is mixed up, waited for without need, or lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn

from matscout.models.cgcnn import Cgcnn
from matscout.models.crystal_graph import GraphTable, crystal_graph
from matscout.models.fit import Fit
from matscout.models.hyperparameters import CgcnnSettings, FitSettings, GraphSettings
from matscout.models.inputs import ColumnInputs
from matscout.models.objective import Objective
from matscout.models.passes import Passes
from matscout.models.recipe import Recipe
from matscout.models.transfer import HeadSettings, TwoStage, pretrained
from matscout.models.uncertainty.bagging import BaggedNetworks
from matscout.models.uncertainty.belief import UncertainModel
from matscout.models.uncertainty.deep_kernel import DeepKernelModel
from matscout.models.uncertainty.evidential import EvidentialModel

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")

GPU, CPU = torch.device("cuda:0"), torch.device("cpu")
ROWS = np.arange(40)


@pytest.fixture(scope="module")
def table() -> GraphTable:
    from matscout.data.prototypes import substituted

    crystals = [new.structure for new in substituted(len(ROWS), seed=3, max_sites=6)]
    return GraphTable([crystal_graph(one, GraphSettings()) for one in crystals])


def made(
    table: GraphTable, device: torch.device, settings: FitSettings, mixed: bool = False
) -> Fit:
    there = table.to(device)
    size = CgcnnSettings(atom_features=32, convolutions=2, dropout=0.2)
    return Fit(
        lambda: Cgcnn(size, 6.0),
        lambda network, rows: network(there.batch(rows)),
        Objective("regression", np.sin(ROWS / 5.0), ROWS, settings, device),
        settings, ROWS, epochs=4, seed=np.random.SeedSequence(1), device=device,
        passes=Passes(table.sizes, 0, mixed),
    )  # fmt: skip


def run(fit: Fit, batches: int = 10**6) -> Fit:
    while fit.epoch < 4:
        for _ in fit.run_epoch():
            batches -= 1
            if not batches:
                return fit
    return fit


@contextmanager
def deterministic(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("mixed", [False, True])
def test_continued_equals_unbroken(
    table: GraphTable, mixed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit, where torch is told to add in one order: no piece of state is missing."""
    settings = FitSettings(batch_size=8, clip=1.0)
    with deterministic(monkeypatch):
        unbroken = run(made(table, GPU, settings, mixed))
        first = run(made(table, GPU, settings, mixed), 7)
        second = made(table, GPU, settings, mixed)
        second.restore(*first.capture())
        run(second)
    expected = unbroken.capture()[0]
    for name, array in second.capture()[0].items():
        assert np.array_equal(array, expected[name]), name


@pytest.mark.parametrize(("begun", "ended"), [(GPU, CPU), (CPU, GPU)])
def test_a_checkpoint_opens_on_the_other_device(
    table: GraphTable, begun: torch.device, ended: torch.device
) -> None:
    settings = FitSettings(batch_size=8, optimizer="sgd", schedule="plateau")
    first = run(made(table, begun, settings), 7)
    second = made(table, ended, settings)
    second.restore(*first.capture())
    one, other = first.outputs(ROWS), second.outputs(ROWS)
    assert other.device.type == ended.type
    assert torch.allclose(one.cpu(), other.cpu(), atol=1e-3)
    assert np.isfinite(run(second).losses).all()


@pytest.mark.parametrize("mixed", [False, True])
def test_a_step_does_not_wait_for_the_gpu(table: GraphTable, mixed: bool) -> None:
    fit = made(table, GPU, FitSettings(batch_size=8, clip=1.0), mixed)
    run(fit, 6)  # of the second epoch, one of five
    steps = fit.run_epoch()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(3):
            next(steps)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_memory_that_runs_out_really() -> None:
    x = torch.ones(64, 1, device=GPU)
    settings = FitSettings(batch_size=64)
    size, _ = 2**20, torch.cuda.empty_cache()

    def forward(network: nn.Module, rows: torch.Tensor) -> torch.Tensor:
        wide = network(x[rows.to(GPU)]).expand(-1, size) + 1.0  # 4 MB a row
        return wide.mean(1, keepdim=True)

    objective = Objective("regression", np.arange(64.0), np.arange(64), settings, GPU)
    fit = Fit(
        lambda: nn.Linear(1, 1), forward, objective, settings, np.arange(64),
        epochs=4, seed=np.random.SeedSequence(0), device=GPU,
    )  # fmt: skip
    total = torch.cuda.get_device_properties(GPU).total_memory
    torch.cuda.set_per_process_memory_fraction(160e6 / total)
    try:
        run(fit)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
    assert 0 < fit._at_once <= 32 and fit.moves == 4 * 2 and np.isfinite(fit.losses).all()


KINDS: dict[str, Callable[[str], UncertainModel]] = {
    "ensemble": lambda device: BaggedNetworks(2, recipe=Recipe(epochs=15, device=device)),
    "evidential": lambda device: EvidentialModel(recipe=Recipe(epochs=15, device=device)),
    "deep_kernel": lambda device: DeepKernelModel(Recipe(epochs=15, device=device), steps=5),
}


@pytest.mark.parametrize("kind", KINDS)
def test_uncertain_models_say_the_same_there(kind: str) -> None:
    X = np.random.default_rng(0).normal(size=(60, 3))
    y = X[:, 0] + np.sin(X[:, 1])
    here, there = (KINDS[kind](d).fit(X[:40], y[:40]).predict(X[40:]) for d in ("cpu", "cuda:0"))
    assert there.mean == pytest.approx(here.mean, abs=1e-2)
    assert there.sd == pytest.approx(here.sd, abs=1e-2)


def test_transfer_there_from_an_expert_of_the_cpu() -> None:
    X = np.random.default_rng(0).normal(size=(60, 3))
    views, y = {"table": ColumnInputs.of(X)}, X[:, 0] + np.sin(X[:, 1])
    expert = pretrained("other", "table", views, 2 * y, head=HeadSettings(epochs=15))
    said = [
        TwoStage(expert, HeadSettings(epochs=15, device=device), epochs=5).fit(views, y, 1)
        for device in ("cpu", "cuda:0")
    ]
    assert said[1].predict(views) == pytest.approx(said[0].predict(views), abs=1e-2)
    assert next(expert.extractor.parameters()).device == CPU, "it stays as it is"
