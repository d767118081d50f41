from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from matscout.drive.config import parse_config, read_toml
from matscout.errors import InputError

GOOD = """
name = "steel"
seed = 3
[space.parameters]
lr = { type = "float", low = 1e-4, high = 0.1, log = true }
[[targets]]
name = "mae"
direction = "min"
[evaluator]
type = "function"
target = "mine:objective"
[proposer]
type = "tpe"
startup = 8
[run]
trials = 30
workers = 4
"""


def test_a_config_is_read() -> None:
    config = parse_config(tomllib.loads(GOOD))
    assert config.evaluator.options == {"target": "mine:objective"}
    assert config.proposer is not None and config.proposer.options == {"startup": 8}
    assert config.run.policy().slots == 4 and config.kind == "sweep"
    assert parse_config({**config.model_dump(mode="json")}) == config


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("trials = 30", "trails = 30", "run: unknown key 'trails'; did you mean 'trials'?"),
        ("[run]", "[rum]", "top level: unknown key 'rum'; did you mean 'run'?"),
        ("seed = 3", "sed = 3", "top level: unknown key 'sed'; did you mean 'seed'?"),
        ('direction = "min"', 'dirction = "min"', "targets.0: unknown key 'dirction'; did you mean 'direction'?"),
        ('direction = "min"', 'direction = "down"', "targets.0.direction: input should be 'min' or 'max'"),
        ("trials = 30", "trials = 0", "run.trials: input should be greater than or equal to 1, got 0"),
        ("trials = 30", 'trials = "30"', "run.trials: input should be a valid integer, got '30'"),
        ("trials = 30", "trials = 30.5", "run.trials: input should be a valid integer"),
        ('name = "steel"', "", "name: is missing"),
        ('[evaluator]\ntype = "function"', "[evaluator]", "evaluator.type: is missing"),
        ("workers = 4", 'fleet = "slurm"', "run.fleet: input should be 'inline', 'process' or 'ray'"),
    ],
)  # fmt: skip
def test_mistakes_are_named(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(InputError) as caught:
        parse_config(tomllib.loads(GOOD.replace(old, new)))
    assert message in str(caught.value)


def test_unreadable_files(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    with pytest.raises(InputError, match="cannot be read"):
        read_toml(path)
    path.write_text("name = ")
    with pytest.raises(InputError, match=r"is not TOML: Invalid value"):
        read_toml(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="is not UTF-8"):
        read_toml(path)
    path.write_text("a = " + "[" * 100_000)
    with pytest.raises(InputError, match="is not TOML"):
        read_toml(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_toml(tmp_path)
    for name in ("t.csv", "t.CSV", "t.parquet", "t.json.gz"):
        with pytest.raises(InputError, match=r"is a table.*matscout sweep small_table --data"):
            read_toml(tmp_path / name)


def test_a_byte_order_mark_is_no_part_of_a_config(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("\ufeff" + GOOD, encoding="utf-8")
    assert parse_config(read_toml(path)[0]) == parse_config(tomllib.loads(GOOD))


COSTLY = GOOD.replace('target = "mine:objective"', 'target = "mine:objective"\ncostly = true')


@pytest.mark.parametrize(
    ("text", "costly", "on_interrupt"),
    [
        (GOOD, False, "cancel"),
        (COSTLY, True, "wait"),
        (COSTLY.replace("[run]", "[run]\ncostly = false"), True, "wait"),
        (COSTLY.replace("[run]", '[run]\non_interrupt = "cancel"'), True, "cancel"),
        (COSTLY.replace("costly = true", "costly = false"), False, "cancel"),
    ],
)
def test_a_costly_evaluator_makes_a_costly_run(text: str, costly: bool, on_interrupt: str) -> None:
    config = parse_config(tomllib.loads(text))
    policy = config.run.policy()
    assert (policy.costly, policy.on_interrupt) == (costly, on_interrupt)
    stored = {**config.model_dump(mode="json"), "run": {**config.run.model_dump(), "costly": False}}
    assert parse_config(stored).run.policy() == policy
