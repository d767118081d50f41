"""Tune's search spaces as ours: what Tune would draw is a point of ours, and back it is a config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray import tune
from ray.tune.impl.placeholder import create_resolvers_map, inject_placeholders

from matscout.errors import InputError
from matscout.parameter import Categorical, Float, Int, Ordinal
from matscout.tune_bridge.space import converted, given_space, has_domains

DOMAINS: dict[str, tuple[Any, Any]] = {
    "uniform": (tune.uniform(-1, 2), Float("p", -1.0, 2.0)),
    "loguniform": (tune.loguniform(1e-4, 1e-1), Float("p", 1e-4, 1e-1, log=True)),
    "quniform": (tune.quniform(0.2, 1.0, 0.2), Float("p", 0.2, 1.0, step=0.2)),
    "randint": (tune.randint(2, 9), Int("p", 2, 8)),
    "lograndint": (tune.lograndint(1, 65), Int("p", 1, 64, log=True)),
    "qrandint": (tune.qrandint(4, 16, 4), Int("p", 4, 16, step=4)),
    "qrandint-uneven": (tune.qrandint(5, 18, 4), Int("p", 8, 16, step=4)),
    "qrandint-1": (tune.qrandint(1, 5, 1), Int("p", 1, 4)),
    "one": (tune.randint(3, 4), Ordinal("p", (3,))),
    "words": (tune.choice(["relu", "tanh"]), Categorical("p", ("relu", "tanh"))),
    "sizes": (tune.choice([16, 32, 64]), Ordinal("p", (16, 32, 64))),
    "unordered": (tune.choice([64, 16, 32]), Categorical("p", (64, 16, 32))),
    "flag": (tune.choice([True, False]), Categorical("p", (True, False))),
    "two": (tune.choice([1, 2]), Categorical("p", (1, 2))),
    "numpy": (tune.choice(np.array([16, 32, 64])), Ordinal("p", (16, 32, 64))),
}


@pytest.mark.parametrize("domain,parameter", DOMAINS.values(), ids=DOMAINS)
def test_every_domain(domain: Any, parameter: Any) -> None:
    found = converted({"p": domain, "constant": 3})
    assert found.space.parameters == (parameter,)
    rng = np.random.RandomState(0)
    for _ in range(200):
        drawn = domain.sample(random_state=rng)
        drawn = drawn.item() if isinstance(drawn, np.generic) else drawn
        held = found.params({"p": drawn, "constant": 3}, "here")
        (back,) = found.config(held).values()
        assert back == pytest.approx(drawn) and type(back) is type(drawn)


def test_a_nested_config_and_choices_that_are_no_plain_values() -> None:
    class Net:
        pass

    raw = {
        "model": {"layers": tune.choice([None, [64], [64, 64]]), "kind": tune.choice([Net, "mlp"])},
        "lr": tune.loguniform(1e-4, 1e-1),
        "epochs": 10,
    }
    # Before a searcher sees it, Tune puts words in the place of objects.
    config = inject_placeholders(raw, create_resolvers_map())
    found = converted(config)
    assert [p.name for p in found.space.parameters] == ["model/layers", "model/kind", "lr"]
    layers = found.space.by_name["model/layers"]
    assert list(layers.values()) == ["None", "[64]", "[64, 64]"]
    for layer in (None, [64], [64, 64]):
        for kind in config["model"]["kind"].categories:
            given = {"model": {"layers": layer, "kind": kind}, "lr": 1e-2, "epochs": 10}
            held = found.params(given, "here")
            assert found.config(held) == {"model": {"layers": layer, "kind": kind}, "lr": 1e-2}


def test_keys_that_are_whole_numbers_stay_so() -> None:
    config = {"layers": {1: tune.choice([8, 16, 32]), 2: {0: tune.uniform(0, 1)}}, 3: 7}
    found = converted(config)
    assert [p.name for p in found.space.parameters] == ["layers/1", "layers/2/0"]
    params = {"layers/1": 8, "layers/2/0": 0.5}
    assert found.config(params) == {"layers": {1: 8, 2: {0: 0.5}}}
    assert found.params({"layers": {1: 8, 2: {0: 0.5}}, 3: 7}, "here") == params
    with pytest.raises(InputError, match="two parameters 'a/1'"):
        converted({"a": {1: tune.uniform(0, 1), "1": tune.uniform(0, 1)}})


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "sample_from": ({"a": tune.sample_from(lambda config: 1)}, "inside the trainable"),
    "grid": ({"a": tune.grid_search([1, 2])}, 'proposer "grid"'),
    "randn": ({"m": {"a": tune.randn(0, 1)}}, "param_space.m.a: normal has no bounds"),
    "qloguniform": ({"a": tune.qloguniform(5, 100, 5)}, "a log scale in steps"),
    "qlograndint": ({"a": tune.qlograndint(5, 100, 5)}, "a log scale in steps"),
    "list": ({"a": [tune.uniform(0, 1)]}, "inside a list"),
    "branches": ({"a": tune.choice([{"b": tune.uniform(0, 1)}, 2])}, "`when`"),
    "empty": ({"a": tune.uniform(1, 1)}, "low < high must hold"),
    "twins": ({"a": tune.choice([None, "None"])}, "apart"),
    "constants": ({"a": 3}, "nothing to vary"),
    "twice": ({"a": {"b": tune.uniform(0, 1)}, "a/b": tune.uniform(0, 1)}, "two parameters"),
}


@pytest.mark.parametrize("config,said", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_converted_is_one_line(config: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as error:
        converted(inject_placeholders(config, create_resolvers_map()))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_constants_are_no_domains() -> None:
    assert not has_domains({"a": 1, "b": {"c": [1, 2]}, "d": (1, 2), "e": {}})
    assert has_domains({"a": 1, "b": {"c": tune.uniform(0, 1)}})


def test_our_own_spaces(tmp_path: Path) -> None:
    table = {
        "parameters": {
            "kind": {"type": "categorical", "choices": ["a", "b"]},
            "x": {"type": "float", "low": 0.0, "high": 1.0, "when": {"kind": ["b"]}},
        }
    }
    space = given_space(table).space
    assert space.conditional and given_space(space).space is space
    (tmp_path / "space.toml").write_text(space.to_toml())
    lines = space.to_toml().replace("[parameters", "[space.parameters")
    (tmp_path / "sweep.toml").write_text(f'name = "a"\n{lines}')
    for name in ("space.toml", "sweep.toml"):
        assert given_space(tmp_path / name).space == space
    assert given_space({"ready": "tabular_mlp"}).space.by_name["lr"]
    held = given_space(space).params({"kind": "a", "epochs": 3}, "here")
    assert held == {"kind": "a"}
    with pytest.raises(InputError, match="no use for a pool"):
        given_space({"pool": {"candidates": [{"id": "a", "x": 1.0}]}})
    with pytest.raises(InputError, match=r"no\.toml: cannot be read"):
        given_space(tmp_path / "no.toml")
