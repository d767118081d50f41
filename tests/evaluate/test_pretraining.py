"""CHGNet's properties of prototypes: right, resumable, and remembered only when whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from matscout.errors import ExperimentFailed
from matscout.evaluate import pretraining
from matscout.evaluate.pretraining import PropertyCache, Values, pretraining_set

SALT = Structure(Lattice.cubic(3.0), ["Cs"], [[0, 0, 0]])
OTHER = Structure(Lattice.cubic(3.5), ["Cs"], [[0, 0, 0]])


class Oracle:
    """Counts what it is asked, and answers with the volume."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, structure: Structure, device: str = "cpu") -> Values:
        self.asked += 1
        if structure.volume > (40 if len(structure) == 1 else 150):
            raise ExperimentFailed("planted")
        return {"energy_eV_atom": structure.volume, "magmom_muB_atom": 0.1}


def test_the_cache_remembers_successes_and_failures(tmp_path: Path) -> None:
    path, oracle = tmp_path / "deep" / "cache.jsonl", Oracle()
    kept = PropertyCache(path)
    first = kept.values(SALT, "point", oracle)
    assert kept.values(OTHER, "point", oracle) == {}
    kept.close()
    again = PropertyCache(path)
    assert (
        again.values(SALT, "point", oracle) == first and again.values(OTHER, "point", oracle) == {}
    )
    assert oracle.asked == 2
    again.values(SALT, "rest", oracle)
    assert oracle.asked == 3, "another question about the same crystal"
    first["energy_eV_atom"] = 0.0
    assert kept.values(SALT, "point", oracle)["energy_eV_atom"] == pytest.approx(27.0)


def test_torn_and_altered_lines_count_as_not_there(tmp_path: Path) -> None:
    path, oracle = tmp_path / "cache.jsonl", Oracle()
    kept = PropertyCache(path)
    truth = kept.values(SALT, "point", oracle)
    kept.close()
    whole = path.read_bytes()
    for place in range(0, len(whole), 5):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x01]) + whole[place + 1 :])
        assert PropertyCache(path).values(SALT, "point", oracle) == truth
    for length in range(0, len(whole), 9):
        path.write_bytes(whole[:length])
        torn = PropertyCache(path)
        torn.values(SALT, "point", oracle)
        torn.close()
        asked = oracle.asked
        assert PropertyCache(path).values(SALT, "point", oracle) == truth
        assert oracle.asked == asked, "the line after a torn one can be read"


def test_a_stopped_set_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    oracle, cache = Oracle(), tmp_path / "cache.jsonl"
    monkeypatch.setattr(pretraining, "point_values", oracle)
    monkeypatch.setattr(pretraining, "_SAVE_EVERY", 4)

    def stop(done: int, of: int) -> None:
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretraining_set(12, 1, cache=cache, told=stop)
    asked = oracle.asked
    found = pretraining_set(12, 1, cache=cache)
    assert asked == 7 and oracle.asked == 7 + 12 - 4, "what was on disk was not asked for again"
    fresh = pretraining_set(12, 1)
    assert [c.id for c in found.crystals] == [c.id for c in fresh.crystals]
    assert np.array_equal(found.values, fresh.values, equal_nan=True)
    volumes = [c.structure.volume for c in found.crystals]
    assert found.column("energy_eV_atom").tolist() == volumes
    assert 0 < len(found) < 12 and max(volumes) <= 150


@pytest.mark.slow
def test_chgnets_answers() -> None:
    pytest.importorskip("chgnet")
    iron = Structure(Lattice.cubic(2.85), ["Fe", "Fe"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    point, rest = pretraining.point_values(iron), pretraining.rest_values(iron)
    assert point["magmom_muB_atom"] == pytest.approx(2.2, abs=0.3)
    assert point["energy_eV_atom"] == pytest.approx(-8.4, abs=0.3)
    assert rest["rest_volume_A3_atom"] == pytest.approx(11.4, abs=0.6)
    assert rest["rest_energy_eV_atom"] <= point["energy_eV_atom"] + 1e-3
    assert 120 < rest["bulk_modulus_GPa"] < 220
    lonely = Structure(Lattice.cubic(30.0), ["He"], [[0, 0, 0]])
    with pytest.raises(ExperimentFailed, match="isolated"):
        pretraining.point_values(lonely)
    found = pretraining_set(4, 2, rest=True)
    assert found.values.shape[1] == 5 and np.isfinite(found.column("energy_eV_atom")).all()
