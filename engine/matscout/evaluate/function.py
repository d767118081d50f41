"""A Python function as an evaluator: a callable, or its name as `module:attr`."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from matscout.errors import InputError, did_you_mean, one_line
from matscout.evaluate.base import Context
from matscout.trial import Params

_WHERE = "evaluator.target"


class FunctionEvaluator:
    """Calls `target(params)`, or `target(params, context)` if it takes two.

    It may return a number, a mapping of numbers by target name, or a Measurement; or be a generator
    that yields Reports and last a Measurement. ExperimentFailed says that the experiment did not
    work. `module:attr` is imported with `folder` (the current directory, unless told) first on the
    path: it must come from the user's own config or command line, for it runs what it names.

    Raises InputError if the name leads nowhere or to something that cannot be called with params.
    """

    def __init__(
        self,
        target: str | Callable[..., Any],
        costly: bool = False,
        folder: Path | None = None,
    ) -> None:
        self.costly = costly
        found: Any = target
        if isinstance(target, str):
            found = load_attribute(target, Path(os.getcwd()) if folder is None else folder)
        self._function = found
        self._with_context = _takes_context(found, _name_of(target))

    def evaluate(self, params: Params, context: Context) -> Iterator[Any]:
        arguments = (dict(params), context) if self._with_context else (dict(params),)
        said = self._function(*arguments)
        if isinstance(said, Iterator):
            yield from said
        else:
            yield said


def load_attribute(name: str, folder: Path) -> Any:
    """What `module:attr` names, looked for in `folder` first; InputError names what is near."""
    module_name, colon, attribute = name.partition(":")
    if not colon or not all(
        part.isidentifier() for part in f"{module_name}.{attribute}".split(".")
    ):
        raise InputError(_WHERE, f"{name!r} names no function", "write module:function")
    found: Any = _import(module_name, str(folder.absolute()))
    for part in attribute.split("."):
        if not hasattr(found, part):
            known = [n for n in dir(found) if not n.startswith("_")]
            owner = getattr(found, "__name__", module_name)
            raise InputError(_WHERE, f"{owner} has no {part!r}", did_you_mean(part, known))
        found = getattr(found, part)
    return found


def _import(name: str, folder: str) -> Any:
    # It stays on the path: the module may import its neighbours later, inside the function.
    if folder not in sys.path:
        sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise InputError(
                _WHERE, f"{name} needs {error.name!r}, which is not installed"
            ) from None
        raise InputError(_WHERE, f"no module {error.name!r}", _near(error.name, folder)) from None
    except SyntaxError as error:
        place = f"{Path(error.filename or name).name}:{error.lineno}"
        raise InputError(_WHERE, f"{place} is not Python: {error.msg}", "mend that line") from None
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}:{last.lineno}"
        what = one_line(f"importing {name} raised {type(error).__name__}: {error} ({place})")
        raise InputError(_WHERE, what, "mend the module") from None


def _near(missing: str, folder: str) -> str:
    """The nearest module beside the one that is missing, or where we looked."""
    parent, _, last = missing.rpartition(".")
    places = list(getattr(sys.modules.get(parent), "__path__", [])) if parent else [folder]
    known = [module.name for module in pkgutil.iter_modules(places)]
    if not known:
        return f"looked in {folder} and on PYTHONPATH"
    return did_you_mean(last, known)


def _takes_context(function: Any, name: str) -> bool:
    """Whether it takes (params, context) and not just (params)."""
    if not callable(function):
        raise InputError(_WHERE, f"{name} is a {type(function).__name__}, not a function")
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return False  # a builtin that does not tell
    kinds = inspect.Parameter
    places = [
        p for p in parameters if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)
    ]
    starred = any(p.kind is kinds.VAR_POSITIONAL for p in parameters)
    needed = [p for p in places if p.default is kinds.empty]
    keywords = [p.name for p in parameters if p.kind is kinds.KEYWORD_ONLY and p.default is p.empty]
    if len(needed) > 2 or keywords or not (places or starred):
        shape = f"{name}{inspect.signature(function)}"
        raise InputError(_WHERE, f"cannot call {shape}", "take (params) or (params, context)")
    return len(needed) == 2 or (len(places) > 1 and places[1].name == "context")


def _name_of(target: Any) -> str:
    return target if isinstance(target, str) else getattr(target, "__qualname__", repr(target))
