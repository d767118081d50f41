"""R5: the same seed and order of completion give the same suggestions, however often killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from matscout import failpoint
from matscout.cli.promises.driver import PATIENCE_S
from matscout.cli.promises.laboratory import drop_schema, journals_of
from matscout.cli.promises.promise import Figure, Promise, Setting
from matscout.cli.promises.scripted import Scripted, driven, made
from matscout.cli.promises.tally import Tally
from matscout.event import EventKind
from matscout.fleet.members import threads_here, with_threads
from matscout.journal import Journal
from matscout.parameter import Categorical, Float, Int
from matscout.propose.base import Proposer
from matscout.propose.gp import GpProposer
from matscout.propose.random import RandomProposer
from matscout.propose.sobol import SobolProposer
from matscout.propose.tpe import TpeProposer
from matscout.runfolder import RunFolder
from matscout.space import Space

PROPOSERS: dict[str, Callable[[], Proposer]] = {
    "random": RandomProposer,
    "sobol": SobolProposer,
    "tpe": TpeProposer,
    "gp": GpProposer,
}
_SPACE = Space(
    (Float("x", 0.0, 1.0), Float("z", 1e-4, 1.0, log=True), Int("n", 1, 64),
     Categorical("base", ("a", "b", "c")))
)  # fmt: skip
_SLOTS, _MODEL_FROM = 4, 14
"""TPE and the GP ask their model once ten trials have come to their end."""

_PLACES = ("loop.before_asked:{}:kill", "loop.after_asked:{}:kill", "loop.before_submit:{}:kill",
           "journal.before_commit:{}:kill", "journal.after_commit:{}:kill")  # fmt: skip


def keep(setting: Setting) -> Figure:
    """`rounds` kills of each proposer's run, spread over all of its asks."""
    tally = Tally()
    with journals_of(setting):
        for name in PROPOSERS:
            _compared(setting, name, tally)
    return tally.figure(
        f"kills at asks of {', '.join(PROPOSERS)}: suggestions compared as JSON text"
    )


def suggestions(folder: RunFolder) -> list[str]:
    """Everything that was asked for, as it stands in the journal; not how long it took to say so."""
    with Journal.read_only(folder) as journal:
        return [
            json.dumps({k: v for k, v in e.body.items() if k != "ask_s"}, sort_keys=True)
            for e in journal.read()
            if e.kind is EventKind.ASKED
        ]


def _compared(setting: Setting, name: str, tally: Tally) -> None:
    seed, trials = setting.seed, max(setting.rounds + 1, _MODEL_FROM + _SLOTS)
    home = setting.folder / name
    whole = made(RunFolder(home / "whole"), _SPACE, trials, _SLOTS, seed)
    driven(whole, PROPOSERS[name](), Scripted(_SLOTS))
    broken = made(RunFolder(home / "broken"), _SPACE, trials, _SLOTS, seed)
    expected, kills = suggestions(whole), 0
    draw = random.Random(f"{seed} {name}")
    asks = sorted(draw.sample(range(1, trials), min(setting.rounds, trials - 1)))
    for ask in asks:
        kills += _killed(broken, name, ask, draw.choice(_PLACES), setting.environment)
    driven(broken, PROPOSERS[name](), Scripted(_SLOTS))
    found = suggestions(broken)
    differ = [i for i, (a, b) in enumerate(zip(expected, found, strict=False)) if a != b]
    problem = ""
    if differ or len(found) != len(expected):
        problem = f"{len(differ)} of {len(expected)} suggestions differ, the first is {differ[:1]}"
    elif kills != len(asks):
        problem = f"{kills} of {len(asks)} kills struck"
    for ask in asks:
        tally.round(f"{name}, ask {ask}", problem)
    drop_schema(whole)
    drop_schema(broken)
    if not problem:
        shutil.rmtree(home)


def _killed(
    folder: RunFolder, name: str, ask: int, place: str, environment: Mapping[str, str]
) -> bool:
    """Drive on to the ask, in a process that ends there by SIGKILL. Asks that were made count.

    It is a fork of a server that has the imports behind it and has computed nothing: a fork of this
    process, whose torch may have threads by now, could wait for ever for one that it does not have.
    """
    left = max(1, ask + 1 - len(suggestions(folder)))
    arguments = (folder.root, PROPOSERS[name], place.format(left), threads_here(), environment)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_drive, args=arguments, daemon=True)
    process.start()
    process.join(PATIENCE_S)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise AssertionError(f"{name}, ask {ask}: no end after {PATIENCE_S:g} s")
    return process.exitcode == -9


def _drive(
    root: Path,
    proposer: Callable[[], Proposer],
    place: str,
    threads: int,
    environment: Mapping[str, str],
) -> None:
    os.environ.update(environment)
    failpoint.arm(place)
    with_threads(
        threads, lambda made: driven(RunFolder(root), made(), Scripted(_SLOTS)), [proposer]
    )


PROMISE = Promise(
    id="R5",
    said="Same seed and same completion order give the same suggestions, however often killed",
    test="a run unbroken, and one whose driver ends by SIGKILL at each of 50 asks, of four proposers: "
    "each alone in one thread, with outcomes in a fixed order; suggestions and reasons must be the "
    "same bytes (the GP's on one machine and one thread)",
    small=3,
    full=50,
    keep=keep,
)
