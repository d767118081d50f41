"""The experts and arms of `bench scarcity`: what each scarce target is learned with."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from matscout.cli.bench.scarcity.targets import (
    ABUNDANT,
    ABUNDANT_AT_REST,
    ABUNDANT_CRYSTALS,
    ABUNDANT_SEED,
    TARGETS,
    Rows,
    columns_of,
    of_enthalpies,
    of_prototypes,
    without,
)
from matscout.data.structure_blocks import structure_blocks
from matscout.evaluate.pretraining import REST
from matscout.evaluate.scarcity import DUMMY, Task
from matscout.models.crystal_graph import GraphTable, crystal_graphs
from matscout.models.experts import MixtureOfExperts
from matscout.models.extractors import (
    ExtractorMaker,
    OfColumns,
    OfGraphs,
    Pretrained,
    Views,
    of_features,
)
from matscout.models.gate import GateSettings
from matscout.models.hyperparameters import CgcnnSettings, FitSettings, GraphSettings, MlpSettings
from matscout.models.inner_choice import ChosenInside, InnerErrors
from matscout.models.inputs import ColumnInputs
from matscout.models.transfer import HeadSettings, Pairwise, Scratch, Transfer, TwoStage, pretrained

ARMS = {
    "experts": "mixture of experts, dense gate",
    "experts k=2": "the same, two experts at a time (noisy gate while training)",
    "pairwise": "a new head on the best frozen expert, by inner validation",
    "two-stage": "the same for experts that have a body to train (CHGNet's features have none), then "
    "all of that network at a tenth of the rate",
    "scratch": "the experts' kind of network (crystal graph; columns where no structures are), afresh",
    "scratch columns": "a network on composition columns, afresh",
    "forest": "a random forest on composition columns",
    DUMMY: "the median",
}
GRAPHS = GraphSettings()
_BODY: Mapping[str, ExtractorMaker] = {
    "graphs": OfGraphs(CgcnnSettings(atom_features=32, convolutions=2, gaussians=24), GRAPHS),
    "columns": OfColumns(MlpSettings(hidden_features=64, hidden_layers=2)),
}


@dataclass(frozen=True)
class Effort:
    """Updates (batches) of what is trained afresh on graphs, of heads, and of a second stage: a number
    of epochs would train fifty rows a quarter as long as two hundred. `expert_epochs` of the experts,
    which learn from `sources` prototypes as they stand and `rest_sources` at rest."""

    graphs: int = 200
    heads: int = 250
    second: int = 80
    expert_epochs: int = 30
    sources: int = ABUNDANT_CRYSTALS
    rest_sources: int = ABUNDANT_AT_REST

    def head(self, updates: int, rows: int) -> HeadSettings:
        fit = HeadSettings().settings
        return HeadSettings(epochs=max(1, round(updates / -(-rows // fit.batch_size))))


@dataclass(frozen=True)
class Expert:
    """An extractor and how many `rows` of its source it has learned from."""

    body: Pretrained
    rows: int


@dataclass
class Experts:
    """Extractors of the abundant targets, trained for one scarce target after the other on what is not
    in its table. `made`: what CHGNet has said so far (a file)."""

    made: Path
    effort: Effort = field(default_factory=Effort)
    _sources: dict[str, Rows] = field(default_factory=dict)

    def of(self, target: str, formulas: Collection[str]) -> list[Expert]:
        """Those that this target may learn from, but for CHGNet's own features. None has seen one of
        these compositions, which are all of the target's."""
        near, crystals = TARGETS[target].near, TARGETS[target].crystals
        view = "graphs" if crystals else "columns"
        wanted = [(source, view) for source in ABUNDANT if source not in near]
        if "enthalpy" not in near:
            wanted.append(("enthalpy", "columns"))
        hidden, views = frozenset(formulas), dict[tuple[str, ...], Views]()
        return [self._expert(source, view, hidden, views) for source, view in wanted]

    def _expert(
        self,
        source: str,
        view: str,
        hidden: frozenset[str],
        views: dict[tuple[str, ...], Views],
    ) -> Expert:
        """`views`: those of the same crystals, which several sources share."""
        rows = without(self._rows(source), hidden)
        if rows.formulas not in views:
            views[rows.formulas] = views_of(rows, self.made.parent)
        fit = FitSettings(lr=5e-3, weight_decay=1e-3, batch_size=64)
        head = HeadSettings(epochs=self.effort.expert_epochs, settings=fit)
        seen = views[rows.formulas]
        return Expert(
            pretrained(source, view, seen, rows.y, make=_BODY[view], head=head), len(rows.y)
        )

    def _rows(self, source: str) -> Rows:
        if source not in self._sources:
            self._sources[source] = self._read(source)
        return self._sources[source]

    def _read(self, source: str) -> Rows:
        if source == "enthalpy":
            return of_enthalpies()
        column, rest = ABUNDANT[source], ABUNDANT[source] in REST
        n = self.effort.rest_sources if rest else self.effort.sources
        return of_prototypes(column, n, ABUNDANT_SEED, self.made, rest=rest)


def views_of(rows: Rows, store: Path) -> Views:
    """Composition columns, and graphs where there are structures (neighbours kept in `store`)."""
    views: dict[str, ColumnInputs | GraphTable] = {
        "columns": ColumnInputs.of(columns_of(rows.formulas))
    }
    if rows.structures:
        views["graphs"] = GraphTable(crystal_graphs(rows.structures, GRAPHS, store / "graphs"))
    return views


def task_of(
    name: str, rows: Rows, experts: Sequence[Pretrained], store: Path
) -> tuple[Task, list[Pretrained]]:
    """The task with what each frozen expert sees of every row as a view of its own, computed once;
    and the experts that read these views. CHGNet's features are one where the target is not its own.
    """
    views = dict(views_of(rows, store))
    frozen = []
    for expert in experts:
        features = expert.features(views)
        views[f"from {expert.name}"] = ColumnInputs(features)
        frozen.append(of_features(expert.name, f"from {expert.name}", features.shape[1]))
    if rows.structures and "chgnet" not in TARGETS[name].near:
        blocks = structure_blocks(rows.structures, folder=store / "blocks", wanted=["chgnet"])
        views["from chgnet"] = ColumnInputs.of(blocks["chgnet"][1])
        frozen.append(of_features("chgnet", "from chgnet", blocks["chgnet"][1].shape[1]))
    return Task(name, views, rows.y, TARGETS[name].unit), frozen


def arms_of(
    name: str,
    experts: Sequence[Pretrained],
    frozen: Sequence[Pretrained],
    effort: Effort,
    size: int,
) -> dict[str, Transfer]:
    """What is compared on `size` rows, all with the same head. `experts` have a body to unfreeze;
    `frozen` are the features of all."""
    head = effort.head(effort.heads, size)
    second = effort.head(effort.second, size).epochs
    single = {expert.name: Pairwise(expert, head) for expert in frozen}
    errors = InnerErrors(single)
    view = "graphs" if TARGETS[name].crystals else "columns"
    afresh = effort.head(effort.graphs, size) if view == "graphs" else head
    arms: dict[str, Transfer] = {
        "experts": MixtureOfExperts(frozen, head),
        "experts k=2": MixtureOfExperts(frozen, head, GateSettings(kept=2, noise=1.0)),
        "pairwise": ChosenInside(errors, single),
        "two-stage": ChosenInside(
            errors, {e.name: TwoStage(e, head, epochs=second) for e in experts}
        ),
        "scratch": Scratch(view, _BODY[view], afresh),
        "forest": Forest("columns"),
    }
    if view == "graphs":
        arms["scratch columns"] = Scratch("columns", _BODY["columns"], head)
    return arms


@dataclass(frozen=True)
class Forest:
    """An arm: 200 trees on one view's columns."""

    view: str

    def fit(self, views: Views, y: np.ndarray, seed: int) -> FittedForest:
        forest = RandomForestRegressor(200, random_state=seed)
        return FittedForest(self.view, forest.fit(_table(views, self.view), y))


@dataclass(frozen=True)
class FittedForest:
    view: str
    forest: RandomForestRegressor

    def predict(self, views: Views) -> np.ndarray:
        return np.asarray(self.forest.predict(_table(views, self.view)))


def _table(views: Views, view: str) -> np.ndarray:
    import torch

    inputs = views[view]
    return np.asarray(inputs.batch(torch.arange(len(inputs))).numpy())
