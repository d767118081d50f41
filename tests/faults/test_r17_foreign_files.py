"""R17: 220 damaged files in every run; an hour of them by `matscout bench faults --only R17 --full`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matscout.checkpoint import CheckpointStore
from matscout.cli.promises import foreign_readers as readers
from matscout.cli.promises import r17_foreign_files as r17
from matscout.cli.promises.damage import DAMAGES, damaged
from matscout.cli.promises.foreign_readers import READERS, Reader, furnish, ran
from matscout.cli.promises.promise import Setting
from matscout.data.pools import read_space
from matscout.data.sealed import read_seal
from matscout.data.text_table import read_text_table
from matscout.drive.config import parse_config, read_toml
from matscout.errors import InputError, MatscoutError, one_line
from matscout.fleet.outbox import Outbox
from matscout.space import Space


def test_damaged_files_get_one_line_and_nothing_is_written(tmp_path: Path) -> None:
    figure = r17.keep(Setting(tmp_path, r17.PROMISE.small, seed=0))
    assert figure.holds, figure.said
    assert figure.tried >= 200


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sound")
    furnish(place)
    return place


def test_undamaged_files_are_read(sound: Path) -> None:
    """Else every refusal would be for another reason than the damage."""
    for reader in READERS:
        if reader.name == "journal's address":
            continue  # nobody answers there
        data = (sound / reader.file).read_bytes()
        assert r17.attempt(reader, sound, data) == (0, ""), reader.name
        shutil.rmtree(sound / "runs" / "new", ignore_errors=True)


def planted(call: Callable[[Path], None]) -> Reader:
    return Reader("planted", "seal.json", call)


def test_what_breaks_the_promise_is_caught(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrote(place: Path) -> None:
        (place / "left behind").touch()
        raise InputError("here", "wrong")

    def two_lines(place: Path) -> None:
        raise MatscoutError("one\ntwo")

    def raised(place: Path) -> None:
        raise KeyError("x")

    def internal(place: Path) -> None:
        raise InputError("x", "internal error: KeyError")

    def endless(place: Path) -> None:
        while True:
            pass

    monkeypatch.setattr(r17, "LONG_S", 0.1)
    monkeypatch.setattr(MatscoutError, "exit_code", 2)
    for call, word in [
        (wrote, "left behind"), (two_lines, "2 lines"), (raised, "KeyError"),
        (internal, "internal error"), (endless, "took more than"),
    ]:  # fmt: skip
        assert word in r17.attempt(planted(call), sound, b"{}")[1]
    (sound / "left behind").unlink()


def test_damage_is_drawn_from_the_seed_alone() -> None:
    data = readers.FILES["pool.csv"].encode()
    for nth in range(len(DAMAGES) + 10):
        one, other = (damaged(data, np.random.default_rng(nth), nth) for _ in range(2))
        assert one == other


# -- what the fuzzer found, once --------------------------------------------------------------------

DEEP = "[" * 100_000
DIGITS = "9" * 5_000


@pytest.mark.parametrize("text", [f"x = {DEEP}", f"seed = {DIGITS}"])
def test_toml_that_python_itself_refuses(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(InputError, match="is not TOML"):
        read_toml(tmp_path / "x.toml")
    with pytest.raises(InputError, match="is not TOML"):
        read_space({"file": "x.toml"}, tmp_path)
    with pytest.raises(InputError, match="not TOML"):
        Space.from_toml(text)


ADDRESSES = [f'{{"url": {DEEP}}}', '{"url": "postgresql://\\ud800", "schema": "matscout_x"}']


@pytest.mark.parametrize("text", ADDRESSES)
def test_an_address_that_is_none(sound: Path, text: str) -> None:
    pytest.importorskip("psycopg")
    (reader,) = [r for r in READERS if r.name == "journal's address"]
    before = (sound / reader.file).read_bytes()
    assert r17.attempt(reader, sound, text.encode()) == (2, "")
    (sound / reader.file).write_bytes(before)


def test_a_seal_and_a_checkpoint_nested_too_deeply(tmp_path: Path) -> None:
    (tmp_path / "seal.json").write_text(DEEP)
    with pytest.raises(InputError, match="is no seal"):
        read_seal(tmp_path / "seal.json")
    (tmp_path / "step-00000001").mkdir()
    (tmp_path / "step-00000001" / "state.json").write_text(DEEP)
    warned: list[str] = []
    assert CheckpointStore(tmp_path).load(warned) is None and len(warned) == 1
    (tmp_path / "trial-000001-01.json").write_text(DEEP)
    assert Outbox(tmp_path).sweep(warned) == [] and len(warned) == 2


# -- anything at all --------------------------------------------------------------------------------

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
KEYS = st.sampled_from(
    "parameters constraints file ready pool type low high log step choices values when x y z kind name seed "
    "space targets limits evaluator goal prior proposer early_stopping stop run trials workers op bound "
    "coefficients total features kinds id candidates direction unit min max".split()
)
tables = st.recursive(
    values, lambda inner: st.dictionaries(KEYS, inner, max_size=6) | st.lists(inner, max_size=3), max_leaves=12
)  # fmt: skip


@given(st.dictionaries(KEYS, tables, max_size=6))
@settings(max_examples=60)
def test_any_table_is_a_config_or_refused(raw: dict) -> None:
    for read in (parse_config, Space.from_dict, lambda r: read_space(r, Path("/nonexistent"))):
        try:
            read(raw)
        except InputError as error:
            assert one_line(str(error)) == str(error)


@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(lambda t: t.encode("utf-8", "surrogatepass"))
)
@settings(max_examples=150)
def test_any_bytes_are_a_table_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(data)
    try:
        table = read_text_table(path)
    except InputError as error:
        assert one_line(str(error)) == str(error)
    else:
        assert table.header and all(len(row) == len(table.header) for row in table.rows)


@given(st.binary(max_size=300) | tables.map(lambda t: json.dumps(t).encode()))
@settings(max_examples=40)
def test_any_bytes_are_no_seal(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(data)
    with pytest.raises(InputError):
        read_seal(path)


def test_ran_tells_a_mistake_that_was_raised_like_one_that_was_printed(tmp_path: Path) -> None:
    def refused(place: Path) -> None:
        raise InputError("a", "b")

    assert ran(refused, tmp_path) == (2, "a: b\n")
