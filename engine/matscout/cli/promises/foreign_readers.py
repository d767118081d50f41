"""Every reader of a file that a person hands to matscout, and a sound file for each."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

from matscout.errors import InputError, MatscoutError

Call = Callable[[Path], None]

SPACE = """[parameters]
t = { type = "int", low = 20, high = 120, step = 10 }
f = { type = "float", low = 0.01, high = 1.0, log = true, when = { s = ["DMF"] } }
s = { type = "categorical", choices = ["none", "DMF", true, 3] }
o = { type = "ordinal", values = [1, 2.5, 4] }
u = { type = "float", low = 0.0, high = 1.0 }
v = { type = "float", low = 0.0, high = 1.0 }
[[constraints]]
type = "linear"
coefficients = { u = 1.0, v = -2.0 }
op = "<="
bound = 1.5
"""

_TARGET = """[[targets]]
name = "y"
direction = "max"
unit = "S/cm"
"""

FILES = {
    "space.toml": SPACE,
    "parameters.toml": 'kind = "campaign"\nname = "new"\nseed = 3\n'
    + SPACE.replace("[parameters]", "[space.parameters]").replace("[[constr", "[[space.constr")
    + _TARGET
    + '[[targets]]\nname = "z"\ndirection = "min"\n'
    + '[prior]\nenqueue = [{ t = 20, s = "none", o = 1, u = 0.5, v = 0.5 }]\n'
    + '[proposer]\ntype = "sobol"\n[run]\ntrials = 20\nworkers = 2\nlease_s = 60.0\n',
    "by_file.toml": 'kind = "campaign"\nname = "new"\n[space]\nfile = "space.toml"\n' + _TARGET,
    "pool.toml": 'kind = "campaign"\nname = "new"\n[space]\npool = { file = "pool.csv", id = "id",'
    ' features = ["x", "k", "f"], kinds = { k = "category", f = "formula" } }\n'
    + _TARGET
    + '[goal]\nkind = "top"\ntop = 0.1\n[stop]\nplateau = { experiments = 8 }\n'
    '[evaluator]\ntype = "table"\npath = "recorded.csv"\nid = "id"\ntargets = ["y"]\n',
    "pool.csv": "id,x,k,f\na,1,red,NaCl\nb,2.5,blue,Fe2O3\nc,-3e2,red,(NH4)2SO4\nd,4,green,Li0.5CoO2\n",
    "recorded.csv": "id,x,y\na,1,1\nb,2.5,2.5\nc,-3e2,0.5\nd,4,4\n",
    "queued.toml": 'kind = "campaign"\nname = "new"\n[space]\nfile = "space.toml"\n'
    + _TARGET
    + '[prior]\nenqueue = "points.csv"\n',
    "points.csv": "t,f,s,o,u,v\n20,,none,1,0.5,0.5\n30,0.5,DMF,2.5,0.1,0.9\n",
    "listed.toml": 'kind = "campaign"\nname = "new"\n[space]\nfile = "space.toml"\n'
    + _TARGET
    + '[prior]\nenqueue = "points.toml"\n',
    "points.toml": '[[points]]\nt = 20\ns = "none"\no = 1\nu = 0.5\nv = 0.5\n'
    '[[points]]\nt = 30\ns = "DMF"\nf = 0.5\no = 2.5\nu = 0.1\nv = 0.9\n',
    "results.csv": "id,y,y_sem,status,reason\na,1.5,0.1,,\nb,,,failed,cracked\nc,2,,,\n",
    "table.csv": "name,x,kind,y\n"
    + "".join(f"n{i},{i * 0.7:.2f},{'ab'[i % 2]},{i % 5 + 0.5}\n" for i in range(24)),
    "table.json": '{"columns": ["name", "x", "kind", "y"], "index": [0], "data": ['
    + ", ".join(f'["n{i}", {i * 0.7:.2f}, "k{i % 2}", {i % 5 + 0.5}]' for i in range(24))
    + "]}",
    "table.jsonl": "".join(
        f'{{"name": "n{i}", "x": {i * 0.7:.2f}, "kind": "k{i % 2}", "y": {i % 5 + 0.5}}}\n'
        for i in range(24)
    ),
    "new.csv": "id,x,kind,y\n=1+1,0.3,a,\nq,9.5,b,2.5\nr,40,c,\n",
    "faults.json": '{"figures": {"R9 sqlite process": {"promise": "Jumps of the clock do nothing",'
    ' "test": "It jumps", "tried": 3, "kept": 3, "lost": 0, "doubled": 0, "said": "",'
    ' "numbers": {"s": 1.5}, "holds": true, "rounds": 3, "full": 8, "seed": 0, "seconds": 1.5,'
    ' "command": "matscout"}}, "broken": [], "cores": 2,'
    ' "kernel": "6.1", "versions": {"python": "3.12.1"}}',
    "seal.json": '{"schema": 1, "table": "ab", "rows": 24, "kind": "kfold", "parts": 5, "seed": 0}',
    "crystal.cif": "data_x\n_cell_length_a 4\n_cell_length_b 4\n_cell_length_c 4\n_cell_angle_alpha 90\n"
    "_cell_angle_beta 90\n_cell_angle_gamma 90\n_symmetry_space_group_name_H-M 'P 1'\nloop_\n"
    "_atom_site_label\n_atom_site_type_symbol\n_atom_site_fract_x\n_atom_site_fract_y\n"
    "_atom_site_fract_z\nCs1 Cs 0 0 0\nCl1 Cl 0.5 0.5 0.5\n",
    "POSCAR": "CsCl\n1.0\n4 0 0\n0 4 0\n0 0 4\nCs Cl\n1 1\ndirect\n0 0 0\n0.5 0.5 0.5\n",
    "crystal.json": '{"lattice": {"matrix": [[4, 0, 0], [0, 4, 0], [0, 0, 4]]}, "sites": ['
    '{"species": [{"element": "Cs", "occu": 1}], "abc": [0, 0, 0]},'
    ' {"species": [{"element": "Cl", "occu": 1}], "abc": [0.5, 0.5, 0.5]}]}',
    "address.json": '{"url": "postgresql://lab@/matscout?host=/nonexistent", "schema": "matscout_x"}',
}


@dataclass(frozen=True)
class Reader:
    """`file` is what is damaged, below the workplace; `call` reads it as a command would, and raises
    MatscoutError (or SystemExit, from the command line itself) where it is refused."""

    name: str
    file: str
    call: Call


def _command(*words: str) -> Call:
    """The command line, in the workplace: `@` in front stands for it."""

    def call(place: Path) -> None:
        from matscout.cli import app

        here = [str(place / word[1:]) if word.startswith("@") else word for word in words]
        whole, app.app = app.app, _built()
        try:
            app.main(here)
        finally:
            app.app = whole

    return call


@cache
def _built() -> Any:
    """The parser, put together once: made anew for every call it takes longer than the rest."""
    from typer.main import get_command

    from matscout.cli.app import app

    return get_command(app)


def _new(config: str) -> Call:
    return _command("campaign", "new", f"@{config}", "--runs", "@runs")


def _of_run(verb: str, run: str, *more: str) -> Call:
    first = verb.split()
    return _command(*first, run, *more, "--runs", "@runs")


def _checkpoint(place: Path) -> None:
    from matscout.checkpoint import CheckpointStore

    CheckpointStore(place / "checkpoints").load([])


def _outbox(place: Path) -> None:
    from matscout.fleet.outbox import Outbox

    Outbox(place / "outbox").sweep([])


def _seal(place: Path) -> None:
    from matscout.data.sealed import read_seal

    read_seal(place / "seal.json")


def _structure(name: str, kind: str) -> Call:
    """What runs inside the bounded child (data/structure_child.py), without the child."""

    def call(place: Path) -> None:
        from matscout.data.structure_text import parsed_structure

        try:
            text = (place / name).read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            raise InputError(name, "is not UTF-8") from None
        parsed_structure(kind, text, name)

    return call


def _parquet(place: Path) -> None:
    """What runs inside the bounded child (data/parquet_child.py), without the child."""
    from matscout.data.bounded_child import Refused
    from matscout.data.parquet_child import answer

    said = answer([str(place / "table.parquet"), 2**20, 2**24])
    if isinstance(said, Refused):
        raise InputError("table.parquet", said.what, said.mend)


def _new_rows(place: Path) -> None:
    """What `predict` reads; it fits nothing before."""
    from matscout.evaluate.predicting import shown_to
    from matscout.evaluate.predicting_rows import read_new_rows
    from matscout.evaluate.trainer_tabular import TabularTrainer

    trainer = TabularTrainer(
        table=place / "table.csv", predict="y", inputs=("x", "kind"), model="ridge"
    )
    read_new_rows(place / "new.csv", trainer, shown_to(trainer, []))


def _tune_search() -> Any:
    from matscout.tune_bridge import MatscoutSearch

    return MatscoutSearch("random", space=tomllib.loads(SPACE), metric="y", mode="max", max_t=1.0)


def _tune(place: Path) -> None:
    _tune_search().restore_from_dir(str(place / "tune"))


_PLAYED = ("--target", "y", "--ignore", "name", "--strategy", "random", "--seeds", "1",
           "--budget", "4", "--jobs", "1")  # fmt: skip
_RENDERED = ("--render", "@faults.json")

READERS: tuple[Reader, ...] = (
    Reader("config of parameters", "parameters.toml", _new("parameters.toml")),
    Reader("config of a pool", "pool.toml", _new("pool.toml")),
    Reader("space", "space.toml", _new("by_file.toml")),
    Reader("pool", "pool.csv", _new("pool.toml")),
    Reader("recorded experiments", "recorded.csv", _new("pool.toml")),
    Reader("points to ask first, CSV", "points.csv", _new("queued.toml")),
    Reader("points to ask first, TOML", "points.toml", _new("listed.toml")),
    Reader("results", "results.csv", _of_run("campaign add", "films", "@results.csv")),
    Reader("table", "table.csv", _command("audit", "@table.csv", "--target", "y")),
    Reader("table as JSON", "table.json", _command("audit", "@table.json", "--target", "y")),
    Reader(
        "table as JSON lines", "table.jsonl", _command("audit", "@table.jsonl", "--target", "y")
    ),
    Reader("table as Parquet", "table.parquet", _parquet),
    Reader("table to play", "table.csv", _command("backtest", "@table.csv", *_PLAYED)),
    Reader("new rows", "new.csv", _new_rows),
    Reader("result of a benchmark", "faults.json", _command("bench", "faults", *_RENDERED)),
    Reader("Tune's state of a search", "tune/searcher-state-1.json", _tune),
    Reader("Tune's list of trials", "tune/experiment_state-1.json", _tune),
    Reader("journal", "runs/films/journal.db", _of_run("verify", "films")),
    Reader("journal, for its status", "runs/films/journal.db", _of_run("status", "films")),
    Reader("journal's head", "runs/films/journal.head", _of_run("verify", "films")),
    Reader("journal's address", "runs/far/journal.json", _of_run("status", "far")),
    Reader("pool of a run", "runs/films/pool.json", _of_run("status", "films")),
    Reader("earlier run", "runs/before/journal.db", _new("after.toml")),
    Reader("checkpoint", "checkpoints/step-00000002/state.json", _checkpoint),
    Reader("checkpoint's arrays", "checkpoints/step-00000002/arrays.safetensors", _checkpoint),
    Reader("outbox", "outbox/trial-000001-01.json", _outbox),
    Reader("sealed test set", "seal.json", _seal),
    Reader("CIF", "crystal.cif", _structure("crystal.cif", "cif")),
    Reader("POSCAR", "POSCAR", _structure("POSCAR", "poscar")),
    Reader("crystal as JSON", "crystal.json", _structure("crystal.json", "json")),
)


def furnish(place: Path) -> None:
    """A workplace in which every reader finds a sound file."""
    import numpy as np

    from matscout.checkpoint import Checkpoint, CheckpointStore
    from matscout.fleet.outbox import Outbox
    from matscout.outcome import Kind, Outcome

    for name, text in FILES.items():
        (place / name).write_text(text)
    pool = FILES["pool.toml"].replace('"new"', '"films"').partition("[evaluator]")[0]
    (place / "films.toml").write_text(pool)
    space = FILES["by_file.toml"].replace('"new"', '"before"')
    (place / "before.toml").write_text(space)
    (place / "first.csv").write_text(
        "t,f,s,o,u,v,y\n20,,none,1,0.5,0.5,1\n30,0.5,DMF,4,0,0.5,2\n40,,true,4,0,1,3\n"
    )
    after = FILES["by_file.toml"].replace("[space]", '[prior]\nruns = ["runs/before"]\n[space]')
    (place / "after.toml").write_text(after + '[proposer]\ntype = "transfer"\n')
    for words in (
        ("campaign", "new", "@films.toml"),
        ("campaign", "new", "@before.toml"),
        ("campaign", "add", "before", "@first.csv"),
    ):
        code, said = ran(_command(*words, "--runs", "@runs"), place)
        if code:
            raise RuntimeError(f"the workplace cannot be furnished: {words}: {said}")
    (place / "runs" / "far").mkdir(0o700)
    (place / "address.json").rename(place / "runs" / "far" / "journal.json")
    store = CheckpointStore(place / "checkpoints")
    for step in (1, 2):
        store.save(Checkpoint(step, {"w": np.arange(6.0).reshape(2, 3)}, {"seed": step}))
    _furnish_tune(place / "tune")
    _furnish_parquet(place / "table.parquet")
    (place / "outbox").mkdir()
    measured = Outcome(1, 1, Kind.MEASURED, values={"y": 1.0})
    Outbox(place / "outbox").write(measured)


def _furnish_tune(folder: Path) -> None:
    """As Tune and its searcher leave them, of two trials."""
    import json

    search = _tune_search()
    configs = {name: search.suggest(name) for name in ("a", "b")}
    search.on_trial_complete("a", {"y": 1.0, "training_iteration": 1, "done": True})
    folder.mkdir()
    search.save_to_dir(str(folder), "1")
    known: tuple[tuple[str, str, dict[str, float]], ...] = (
        ("a", "TERMINATED", {"y": 1.0}),
        ("b", "RUNNING", {}),
    )
    rows = [
        [json.dumps({"trial_id": name, "status": status, "config": configs[name]}),
         json.dumps({"last_result": last})]
        for name, status, last in known
    ]  # fmt: skip
    (folder / "experiment_state-1.json").write_text(json.dumps({"trial_data": rows}))


def _furnish_parquet(path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    columns = {"x": [0.5, 1.5, None], "kind": ["a", "b", "a"], "y": [1, 2, 3]}
    parquet.write_table(pyarrow.table(columns), path)


def ran(call: Call, place: Path) -> tuple[int, str]:
    """(exit code, stderr) of a call; a mistake that is raised counts as one that is printed."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err), _quiet():
        try:
            call(place)
        except SystemExit as end:
            return int(end.code or 0), err.getvalue()
        except MatscoutError as error:
            return error.exit_code, f"{error}\n"
    return 0, err.getvalue()


@contextmanager
def _quiet() -> Iterator[None]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
