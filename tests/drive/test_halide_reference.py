"""The computation behind the shipped tables, on two compounds whose phases are known."""

import pytest

from matscout.data.halide_phases import shipped_phases
from matscout.data.halide_table import reference_table
from matscout.errors import InputError

pytest.importorskip("chgnet", reason="the extra 'oracle' is not installed")

from matscout.drive.halide_reference import main
from matscout.evaluate.chgnet_potential import potential
from matscout.evaluate.halide_phases import recipe


@pytest.mark.slow
def test_it_writes_the_rows_that_are_shipped(tmp_path, capsys):
    name = recipe(potential())
    cache, out = tmp_path / "cache", tmp_path / "out"
    (cache / name).mkdir(parents=True)
    for formula in ("CsI", "SnI2", "KF", "MgF2"):
        phase = shipped_phases(name)[formula]
        (cache / name / f"{formula}.json").write_text(phase.to_json())
    argv = ["--out", out, "--cache", cache, "--processes", "1", "--formulas", "CsSnI3", "KMgF3"]
    assert main([str(a) for a in argv]) == 0
    assert "4 phases, 2 halides, failed: none" in capsys.readouterr().out

    rows = (out / "halides_reference.csv").read_text().splitlines()[1:]
    for row, formula in zip(rows, ("CsSnI3", "KMgF3"), strict=True):
        name, enthalpy, *_ = row.split(",")
        assert name == formula
        assert float(enthalpy) == pytest.approx(reference_table()[formula].dH_dec_meV_atom, abs=0.5)
    assert len((out / "halides_phases.jsonl").read_text().splitlines()) == 5


def test_a_formula_outside_the_pool_is_a_persons_mistake(tmp_path):
    with pytest.raises(InputError, match="CsSiI3"):
        main(["--out", str(tmp_path / "out"), "--formulas", "CsSiI3"])
