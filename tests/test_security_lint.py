"""What no source of the package may do, over the syntax tree: run text as code, unpickle, build SQL."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "engine" / "matscout"

MODULES = {"pickle", "cloudpickle", "dill", "shelve", "marshal", "joblib", "jsonpickle", "code"}

CALLS = {
    "eval", "exec", "compile", "__import__",
    "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "pty.spawn",
    "torch.load", "pd.read_pickle", "pandas.read_pickle",
    "yaml.load", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all",
    "tempfile.mktemp",
}  # fmt: skip

METHODS = {"to_pickle", "read_pickle", "executescript", "exec_driver_sql"}

SQL_CALLS = {"execute", "executemany", "text", "literal_column", "mogrify"}
SQL_WORDS = (
    "select ", "insert ", "update ", "delete ", "create ", "drop ", "alter ", "pragma ", "grant ",
    "truncate ", "attach ", "set local ",
)  # fmt: skip

DAMAGES_ON_PURPOSE = {"cli/promises/r07_rows.py"}
"""Rewrites a journal of its own on a server, to see that it is noticed; its words are constants."""

IMPORTS_BY_NAME = {
    "__init__.py",  # two names of its own
    "evaluate/function.py",  # module:function of the user's own config
    "cli/registry.py", "cli/assemble.py",  # a table in the source
    "cli/bench/utilisation.py", "cli/bench/peers/serve.py",
    "cli/promises/named.py", "cli/promises/driver.py", "cli/promises/r01_places.py",
}  # fmt: skip
"""Who may import what a variable names; no other reader of files can be talked into it."""


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def dotted(func: ast.expr) -> str:
    """`a.b.c` of what is called; empty where it is no name."""
    if isinstance(func, ast.Name):
        return func.id
    if isinstance(func, ast.Attribute):
        return f"{dotted(func.value)}.{func.attr}"
    return ""


def violations(module: ast.AST) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (f"imports {a.name}" for a in node.names if a.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            yield f"imports {node.module}"
        elif isinstance(node, ast.Call):
            yield from called(node)
        elif isinstance(node, ast.JoinedStr) and sql_is_built(node):
            yield "SQL in an f-string"


def called(call: ast.Call) -> Iterator[str]:
    name = dotted(call.func)
    last = name.rpartition(".")[2]
    if name in CALLS or last in METHODS:
        yield f"calls {name}"
    for keyword in call.keywords:
        value = keyword.value
        off = isinstance(value, ast.Constant) and value.value is False
        if keyword.arg in ("shell", "allow_pickle") and not off:
            yield f"{keyword.arg} is not False"
        if keyword.arg == "weights_only" and off:
            yield "weights_only is False"
    if (
        last in SQL_CALLS
        and call.args
        and isinstance(call.func, ast.Attribute)
        and glued(call.args[0])
    ):
        yield f"{name} of text that was put together"


def glued(text: ast.expr) -> bool:
    """Whether an argument is text made of pieces, rather than a constant or an expression of SQLAlchemy."""
    if isinstance(text, ast.JoinedStr):
        return True
    if isinstance(text, ast.BinOp) and isinstance(text.op, (ast.Add, ast.Mod)):
        return any(isinstance(n, ast.Constant) and isinstance(n.value, str) for n in ast.walk(text))
    formats = isinstance(text, ast.Call) and dotted(text.func).endswith((".format", ".join"))
    return formats or (isinstance(text, ast.Call) and any(glued(a) for a in text.args))


def sql_is_built(text: ast.JoinedStr) -> bool:
    first = text.values[0] if text.values else None
    start = str(first.value).lstrip() if isinstance(first, ast.Constant) else ""
    # In a sentence the word may well be there, but not in capitals.
    return start.lower().startswith(SQL_WORDS) and start.split()[0].isupper()


def test_nothing_runs_text_as_code() -> None:
    found = [(str(p.relative_to(PACKAGE)), v) for p in sources() for v in violations(tree(p))]
    assert [(part, what) for part, what in found if part not in DAMAGES_ON_PURPOSE] == []


def test_modules_are_imported_by_name_in_few_places() -> None:
    found = {
        str(path.relative_to(PACKAGE))
        for path in sources()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and dotted(node.func).endswith("import_module")
    }
    assert found <= IMPORTS_BY_NAME


def test_what_is_html_already_is_said_in_few_places() -> None:
    """Elsewhere text becomes HTML through `el`, which escapes it."""
    for path in sources():
        if path.name in ("markup.py", "svg.py"):
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and dotted(node.func) == "Markup":
                (made,) = node.args
                assert ast.unparse(made) in ("''", "STYLE"), f"{path}:{node.lineno}"


def test_whoever_writes_csv_quotes_its_cells() -> None:
    only_numbers = {"report/backtest_table.py", "data/halide_table.py", "cli/learning_curve.py"}
    for path in sources():
        part = str(path.relative_to(PACKAGE))
        if part in only_numbers or part.startswith("cli/promises/"):
            continue
        names = {dotted(n.func) for n in ast.walk(tree(path)) if isinstance(n, ast.Call)}
        if names & {"csv.writer", "csv.DictWriter"}:
            assert "safe" in names, path


PLANTED = [
    "import pickle", "from pickle import loads", "import joblib", "eval(x)", "exec(x)", "__import__(x)",
    "os.system(x)", "os.popen(x)", "subprocess.run(x, shell=True)", "subprocess.run(x, shell=y)",
    "yaml.load(x)", "torch.load(x)", "np.load(x, allow_pickle=True)", "pd.read_pickle(x)",
    "load(x, weights_only=False)", "frame.to_pickle(x)",
    'c.execute(f"SELECT {x}")', 'c.execute("SELECT " + x)', 'c.execute("SELECT %s" % x)',
    'c.execute("SELECT {}".format(x))', 'c.execute(sa.text(f"DROP TABLE {x}"))',
    'sa.text("DROP TABLE " + x)', 'query = f"SELECT * FROM {x}"', "c.executescript(x)",
]  # fmt: skip


@pytest.mark.parametrize("source", PLANTED)
def test_what_is_planted_is_found(source: str) -> None:
    assert list(violations(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "subprocess.run([x])", "subprocess.run([x], shell=False)", "yaml.safe_load(x)",
        'c.execute("SELECT 1 WHERE x = %s", (x,))', "c.execute(sa.select(t).where(t.c.x == x))",
        'print(f"select {x}, or another")', 'c.execute("SELECT a, " "b")', "np.load(x)",
    ],
)  # fmt: skip
def test_what_is_harmless_is_not(source: str) -> None:
    assert not list(violations(ast.parse(source)))
