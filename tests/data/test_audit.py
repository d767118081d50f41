"""What an audit finds in tables whose faults are known."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from matscout.data.audit import Audit, audit
from matscout.data.audit_units import exact_factor, number_and_unit, slipped, units_of
from matscout.errors import InputError
from matscout.evaluate.trainer_tabular import TabularTrainer

RNG = np.random.default_rng(0)
DATA = Path(__file__).parents[2].parent / "shared" / "data"


def of(tmp_path: Path, header: str, cells: list[str], **options: object) -> Audit:
    path = tmp_path / "t.csv"
    path.write_text("\n".join([header, *cells]) + "\n", encoding="utf-8")
    return audit(path, **options)  # type: ignore[arg-type]


def plain(n: int = 120, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [f"{a:.6f},{b:.6f},{c:.6f}" for a, b, c in rng.normal(size=(n, 3)).tolist()]


def kinds(found: Audit) -> set[str]:
    return {finding.kind for finding in found.findings}


def test_a_plain_table_has_no_fault(tmp_path: Path) -> None:
    found = of(tmp_path, "a,b,y", plain(), target="y")
    assert kinds(found) <= {"target outliers"}
    assert found.task == "regression" and not found.blocked and found.inputs == ("a", "b")
    assert sum(bar.count for bar in found.histogram) == 120


def test_missing_cells_are_counted_by_column_and_line(tmp_path: Path) -> None:
    rows = plain()
    rows[3] = ",1.0,2.0"
    rows[7] = "1.0,1.0,NaN"
    found = of(tmp_path, "a,b,y", rows, target="y")
    (gap,) = found.of("missing")
    assert gap.columns == ("a",) and gap.lines == (5,)
    (blank,) = found.of("missing target")
    assert blank.level == "blocks" and blank.lines == (9,) and found.blocked


def test_unreadable_cells_are_named(tmp_path: Path) -> None:
    rows = plain()
    rows[0] = "about 3,1.0,2.0"
    rows[1] = "1.0,inf,inf"
    found = of(tmp_path, "a,b,y", rows, target="y")
    assert {f.columns for f in found.of("unreadable")} == {("a",), ("b",)}
    assert "about 3" in found.of("unreadable")[0].what
    assert found.of("infinite")[0].lines == (3,)


def test_censored_targets(tmp_path: Path) -> None:
    rows = [f"{k}.5,{'<1E-10' if k % 9 == 0 else 0.1 + k}" for k in range(1, 101)]
    (censored,) = of(tmp_path, "x,y", rows, target="y").of("censored")
    assert len(censored.lines) == 11 and "<1E-10" in censored.what


def test_copies_and_contradictions(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = []
    for k in range(40):
        x, y = rng.normal(), 10 * rng.normal()
        rows += [f"{x:.5f},{y + 0.1 * rng.normal():.5f}" for _ in range(2)]
        if k == 5:
            rows[-1] = f"{x:.5f},{y + 30:.5f}"
    rows.append(rows[0])
    found = of(tmp_path, "x,y", rows, target="y")
    assert found.of("duplicates")[0].lines == (82,)
    (torn,) = found.of("contradictions")
    assert torn.lines == (12, 13)
    assert found.noise == pytest.approx(0.1, rel=0.4)
    assert found.of("groups")[0].options == {"split": "grouped"}


def test_noise_alone_contradicts_nothing(tmp_path: Path) -> None:
    # Three times the noise at one end as at the other.
    rng = np.random.default_rng(2)
    rows = [
        f"{x:.6f},{x + (0.1 + 0.2 * x) * e:.6f}"
        for x in rng.random(100)
        for e in rng.normal(size=5)
    ]
    assert "contradictions" not in kinds(of(tmp_path, "x,y", rows, target="y"))


def test_few_replicates_are_judged_by_the_spread_of_all(tmp_path: Path) -> None:
    rows = [*plain(), "0.5,0.5,-1.0", "0.5,0.5,1.5"]
    (torn,) = of(tmp_path, "a,b,y", rows, target="y").of("contradictions")
    assert torn.lines == (122, 123) and "too few replicates" in torn.what


def test_classes_that_contradict(tmp_path: Path) -> None:
    rows = [f"{k // 2},{'yes' if k in (0, 1, 2) else 'no'}" for k in range(60)]
    found = of(tmp_path, "x,y", rows, target="y")
    assert found.task == "classification"
    assert found.of("contradictions")[0].lines == (4, 5)
    assert found.imbalance == 19.0
    assert found.of("imbalance")[0].options["split"] == "stratified"
    assert found.of("scarce class")[0].lines == (2, 3, 4)


def test_text_with_units(tmp_path: Path) -> None:
    rows = [
        f"{5000 if k % 10 == 0 else 5}{' MPa' if k % 10 == 0 else ' GPa'},{k}" for k in range(60)
    ]
    (units,) = of(tmp_path, "modulus,y", rows, target="y").of("units")
    assert "GPa (54), MPa (6)" in units.what and len(units.lines) == 6
    rows = [f"{k},{k} GPa" for k in range(60)]
    assert of(tmp_path, "x,y", rows, target="y").of("units")[0].columns == ("y",)


def test_polytypes_are_no_units() -> None:
    assert units_of(["2H", "4H", "6H", "3C"] * 5) == {}
    assert number_and_unit("5 GPa") == (5.0, "GPa") and number_and_unit("1e-3S/cm") == (
        1e-3,
        "S/cm",
    )
    assert number_and_unit("5") is None and number_and_unit("GPa") is None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1e3, 1e6]), st.integers(1, 6), st.booleans())
def test_a_slip_of_units_is_found_where_there_is_one(
    seed: int, factor: float, count: int, above: bool
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.uniform(20, 80, 60)
    assert slipped(values) is None
    rows = np.sort(rng.choice(60, count, replace=False))
    values[rows] = values[rows] * factor if above else values[rows] / factor
    slip = slipped(values)
    assert slip is not None and slip.rows == tuple(rows.tolist())
    assert slip.factor == factor and slip.above == above


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_decades_and_signs_are_no_slip(seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert slipped(10.0 ** rng.uniform(-12, -2, 200)) is None
    assert slipped(rng.normal(size=200)) is None


def test_the_same_thing_in_two_units(tmp_path: Path) -> None:
    assert exact_factor(5.123, 5123.0) == "10^3"
    assert exact_factor(1.5, 1.5 * 96.4853) == "eV to kJ/mol"
    assert exact_factor(1.0, 2.0) == exact_factor(0.0, 2.0) == exact_factor(-1.0, 1000.0) == ""
    rows = [*plain(), "0.5,0.5,5.123", "0.5,0.5,5123.0"]
    told = [f.what for f in of(tmp_path, "a,b,y", rows, target="y").of("unit factor")]
    assert any("10^3 apart" in what for what in told)


def test_outliers_are_named_with_the_reason(tmp_path: Path) -> None:
    rows = plain()
    rows[10] = "55.0,0.0,0.0"
    rows[11] = "0.0,0.0,-77.0"
    found = of(tmp_path, "a,b,y", rows, target="y")
    (far,) = found.of("outliers")
    assert far.lines == (12,) and "'a' is 55" in far.what
    assert 13 in found.of("target outliers")[0].lines


def test_names_constants_and_repetitions(tmp_path: Path) -> None:
    rows = [f"s{k},{k},7,{row.split(',')[0]},{10 * float(row.split(',')[0]) + 1},,{row.split(',')[2]}"
            for k, row in enumerate(plain())]  # fmt: skip
    found = of(tmp_path, "sample,entry,c,a,a10,void,y", rows, target="y")
    assert found.of("id")[0].columns == ("sample", "entry")
    assert found.of("id")[0].options["inputs"] == ["a"] and found.inputs == ("a",)
    assert 'inputs = ["a"]' in found.of("id")[0].answer
    assert found.of("constant")[0].columns == ("c",)
    assert found.of("empty")[0].level == "blocks"
    assert found.of("same columns")[0].columns == ("a10", "a")


@pytest.mark.parametrize("total", [1.0, 100.0])
def test_columns_that_are_shares(tmp_path: Path, total: float) -> None:
    parts = np.random.default_rng(0).dirichlet(np.ones(4), 40) * total
    rows = [",".join(f"{v:.5f}" for v in row) + f",{k % 7}.5,{k}" for k, row in enumerate(parts)]
    (shares,) = of(tmp_path, "A,B,C,D,T,y", rows, target="y").of("shares")
    assert shares.columns == ("A", "B", "C", "D") and f"{total:g}" in shares.what
    assert "shares" not in kinds(of(tmp_path, "B,C,D,T,y", [r.split(",", 1)[1] for r in rows]))


def test_an_id_that_is_said(tmp_path: Path) -> None:
    assert of(tmp_path, "a,b,y", plain(), target="y", id="b").of("id")[0].columns == ("b",)


def test_a_column_that_is_the_target_again(tmp_path: Path) -> None:
    rows = [f"{row},{math.exp(float(row.split(',')[2]))}" for row in plain()]
    (leak,) = of(tmp_path, "a,b,y,also", rows, target="y").of("leak")
    assert leak.columns == ("also",)


def test_compositions_are_covered_and_grouped(tmp_path: Path) -> None:
    formulas = ["Fe2O3", "O3Fe2", "Fe4O6", "NaCl", "KCl", "LiF"] * 20
    rows = [f"{f},{k % 7},{k * 0.37 % 5:.4f}" for k, f in enumerate(formulas)] + ["CaO,1,2"] * 1
    found = of(tmp_path, "formula,T,y", rows, target="y")
    assert found.coverage is not None
    assert found.coverage.elements["Fe"] == 60 and found.coverage.systems["Fe-O"] == 60
    (group,) = found.of("groups")
    assert group.options == {"split": "grouped", "group": "formula", "inputs": ["formula", "T"]}
    assert "ways" in group.what and 'inputs = ["formula", "T"]' in group.answer
    assert "Ca (1)" in found.of("rare elements")[0].what
    assert "Fe-O" in found.of("few systems")[0].what


def test_options_of_all_findings_are_merged(tmp_path: Path) -> None:
    formulas = ["Fe2O3", "NaCl", "KCl", "LiF", "ZnS"] * 30
    rows = [f"{f},s{k},{k % 7},{'hit' if k % 12 == 0 else 'no'}" for k, f in enumerate(formulas)]
    found = of(tmp_path, "formula,sample,T,y", rows, target="y")
    assert found.options == {
        "split": "stratified_grouped", "group": "formula", "metric": "pr_auc", "breakdown": True,
        "inputs": ["formula", "T"],
    }  # fmt: skip
    trainer = TabularTrainer(
        table=tmp_path / "t.csv", predict="y", task=found.task, **found.options
    )  # fmt: skip
    assert [len(judge) for _, judge in trainer.data.folds] == [30] * 5
    rows = [f"{k % 40}.5,{k}.25" for k in range(120)]
    replicated = of(tmp_path, "x,y", rows, target="y")
    assert "groups" in kinds(replicated) and "split" not in replicated.options


def test_prototypes_of_structures(tmp_path: Path) -> None:
    rows = []
    for k, (a, b) in enumerate([("Na", "Cl"), ("K", "Cl"), ("Cs", "Br"), ("Li", "F")] * 3):
        crystal = Structure(Lattice.cubic(4 + k / 9), [a, b], [[0, 0, 0], [0.5, 0.5, 0.5]])
        crystal.to(str(tmp_path / f"{k}.cif"))
        rows.append(f"{k}.cif,{k}")
    found = of(tmp_path, "file,y", rows, target="y")
    assert found.kinds["file"] == "structure" and found.coverage is not None
    assert found.coverage.prototypes == {"AB 221": 12}
    assert found.coverage.systems["Cl-Na"] == 3


def test_zeros_skew_and_tails(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    y = np.where(rng.random(400) < 0.5, 0.0, np.exp(rng.normal(2, 1.2, 400)))
    rows = [f"{x:.5f},{v:.5f}" for x, v in zip(rng.random(400), y, strict=True)]
    found = of(tmp_path, "x,y", rows, target="y")
    assert {"zeros", "skew", "target imbalance"} <= kinds(found)
    assert found.of("skew")[0].options == {"hyperparameters": {"target_transform": "log1p"}}


def test_decades_below_one_are_no_case_for_log1p(tmp_path: Path) -> None:
    values = 10.0 ** np.random.default_rng(4).uniform(-10, -2, 150)
    rows = [f"{k % 37}.{k},{v:.6e}" for k, v in enumerate(values)]
    found = of(tmp_path, "x,y", rows, target="y")
    assert found.decades and "decades" in kinds(found) and "skew" not in kinds(found)


def test_sources_that_could_leak(tmp_path: Path) -> None:
    rows = [f"{row},10.1/p{k % 12}" for k, row in enumerate(plain())]
    assert of(tmp_path, "a,b,y,DOI", rows, target="y").of("sources")[0].options["group"] == "DOI"


def test_few_rows_ask_for_repeated_cv(tmp_path: Path) -> None:
    found = of(tmp_path, "a,b,y", plain(40), target="y")
    assert found.of("few rows")[0].options == {"objective": "cv"}


def test_rows_that_are_hidden_are_not_looked_at(tmp_path: Path) -> None:
    rows = plain(60)
    seen = np.arange(0, 60, 2)
    one = of(tmp_path, "a,b,y", rows, target="y", rows=seen)
    changed = [row if k % 2 == 0 else ",about 7,<1E9" for k, row in enumerate(rows)]
    other = of(tmp_path, "a,b,y", changed, target="y", rows=seen)
    assert (other.findings, other.histogram) == (one.findings, one.histogram)
    assert other.diversity == one.diversity
    assert one.rows == 30 and one.findings[0].kind == "few rows"


def test_without_a_target(tmp_path: Path) -> None:
    found = of(tmp_path, "a,b,y", plain())
    assert found.target is None and found.histogram == () and found.task == ""


def test_one_class_and_one_number(tmp_path: Path) -> None:
    assert of(tmp_path, "x,y", [f"{k}.1,on" for k in range(9)], target="y").of("one class")
    assert of(tmp_path, "x,y", [f"{k}.1,3" for k in range(9)], target="y").blocked


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target": "z"}, "no column 'z'"),
        ({"formula": "z"}, "no column 'z'"),
        ({"target": "y", "id": "y"}, "is the target"),
        ({"id": "a", "formula": "a"}, "already"),
        ({"target": "void"}, "has no value"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, options: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words) as error:
        of(tmp_path, "a,b,y,void", [f"{row}," for row in plain()], **options)
    assert "\n" not in str(error.value)


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        st.tuples(*[st.sampled_from(["", "1", "2.5", "x", "<3", "NaCl", "1e400", "5 GPa", "-7"])] * 3),
        min_size=2, max_size=20,
    )
)  # fmt: skip
def test_any_cells_are_findings_or_one_line(tmp_path_factory, rows) -> None:
    folder = tmp_path_factory.mktemp("any")
    try:
        found = of(folder, "a,b,y", [",".join(row) for row in rows], target="y")
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert all(finding.means and finding.answer for finding in found.findings)


def test_the_same_file_gives_the_same_audit(tmp_path: Path) -> None:
    one, two = (of(tmp_path, "a,b,y", plain(), target="y", seed=5) for _ in range(2))
    assert one.diversity == two.diversity and one.findings == two.findings


@pytest.mark.parametrize(
    ("file", "target", "expected"),
    [
        ("hardness/hv_comp_load.csv", "hardness", {"groups", "rare elements"}),
        (
            "obelix/train.csv", "Ionic conductivity (S cm-1)",
            {"censored", "decades", "groups", "id", "leak", "sources", "missing"},
        ),
        ("pv_lab/agnp.csv", "loss", {"groups", "noise"}),
        ("matbench_formula/steels_yield.csv", "target", {"diversity"}),
    ],
)  # fmt: skip
def test_recorded_tables(file: str, target: str, expected: set[str]) -> None:
    if not (DATA / file).is_file():
        pytest.skip(f"no {file} beside the project")
    assert expected <= kinds(audit(DATA / file, target=target))


@pytest.mark.slow
def test_castelli_cannot_be_told_by_its_formulas() -> None:
    path = DATA / "matbench_formula" / "castelli.csv"
    if not path.is_file():
        pytest.skip("no castelli.csv beside the project")
    found = audit(path, target="target")
    assert {"groups", "noise"} <= kinds(found)
    assert "93% of the variance" in found.of("noise")[0].what


@pytest.mark.filterwarnings("error")
def test_decimal_commas_are_found_and_the_numbers_looked_at(tmp_path: Path) -> None:
    rows = [f'{a},"{str(b).replace(".", ",")}",{y}' for a, b, y in (r.split(",") for r in plain())]
    found = of(tmp_path, "a,b,y", rows, target="y")
    (comma,) = found.of("decimal comma")
    assert comma.level == "blocks" and comma.columns == ("b",) and len(comma.lines) == 120
    assert "'b' has decimal commas" in comma.what and "point" in comma.answer
    assert found.kinds["b"] == "number" and found.inputs == ("a", "b")
    with pytest.raises(InputError, match="decimal comma"):
        TabularTrainer(table=tmp_path / "t.csv", predict="y").check([])
    found = of(tmp_path, "a,y,b", rows, target="y")
    assert found.of("decimal comma")[0].columns == ("y",) and found.task == "regression"
    assert not found.of("unreadable")
    assert not of(tmp_path, "a,b,y", rows, target="y", id="b").of("decimal comma")
