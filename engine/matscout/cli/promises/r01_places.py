"""R1 at named places: a scenario in which each failpoint is passed, killed there, and gone on with."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np

from matscout.cli.promises import ledger
from matscout.cli.promises.driver import last_words, sitting
from matscout.cli.promises.laboratory import NAME, Laboratory
from matscout.cli.promises.promise import RAY, Setting
from matscout.failpoint import NAMES

_KILLED = -9

# Saves after every step, each third one twice, and says all that it had said when it is taken up again.
# Each trial is worse than those before it, and stopped at once; so the first of them are found too good
# for that in the end, and thawed. Before its value it listens for a while, so that a trial that is to be
# stopped there is.
_TRAINER = """
from matscout.checkpoint import Checkpoint
from matscout.trial import Measurement, Report

STEPS = 9

def measure(params, context):
    note("begun", context.trial, context.attempt, os.getpid())
    found = context.checkpoints.load([])
    done = found.step if found else 0
    for step in range(1, STEPS + 1):
        if step > done:
            if context.should_stop():
                return
            time.sleep(0.002)
            for _ in range(2 if step % 3 == 0 else 1):
                context.checkpoints.save(Checkpoint(step=step, arrays={}, state={}))
        y = 0.1 * context.trial + 0.3 / step
        yield Report(step, {"y": y}, checkpoint=True)
    for _ in range(100):
        if context.should_stop():
            return
        time.sleep(0.01)
    y = value(params, context)
    note("done", context.trial, context.attempt, repr(y))
    yield Measurement({"y": y})
"""

_DIVIDED = """
name = "{name}"
seed = {seed}
[space.parameters]
alpha = {{ type = "float", low = 0.01, high = 1e4, log = true }}
[[targets]]
name = "mae"
direction = "min"
[evaluator]
type = "tabular"
table = "t.csv"
predict = "y"
model = "ridge"
folds = 3
[proposer]
type = "random"
[run]
trials = 5
workers = 1
fleet = "{fleet}"
fold_jobs = true
"""


@dataclass(frozen=True)
class Scene:
    """How a place comes to be passed. `passes`: the number of the pass is drawn from these."""

    play: Callable[[Setting, Path, str, int], list[str]]
    passes: tuple[int, int] = (2, 9)


def struck(setting: Setting, home: Path, place: str, draw: random.Random) -> list[str]:
    """Kill whoever passes `place`, go on to the end; what broke, in words."""
    scene = SCENES[place]
    nth = draw.randint(*scene.passes)
    said = scene.play(setting, home, f"{place}:{nth}:kill", draw.randrange(1000))
    return [f"{place}, pass {nth}: {text}" for text in said]


def swept(
    setting: Setting, home: Path, armed: str, seed: int, trials: int = 24, run: str = ""
) -> list[str]:
    """A sweep with these lines under [run], killed where `armed` says."""
    lab = Laboratory.make(home, setting, trials=trials, seed=seed, work_s=0.002, run=run)
    return _killed_and_checked(lab, armed, trials)


def _queued(setting: Setting, home: Path, armed: str, seed: int) -> list[str]:
    return swept(setting, home, armed, seed, run="ahead = 2")


def _thinking(setting: Setting, home: Path, armed: str, seed: int) -> list[str]:
    return swept(setting, home, armed, seed, run="ahead = 2\noverlap = true")


def _swept_again(setting: Setting, home: Path, armed: str, seed: int) -> list[str]:
    """What only a second sitting passes."""
    lab = Laboratory.make(home, setting, trials=24, seed=seed, work_s=0.002)
    if sitting(lab, place="loop.before_acknowledge:5:kill") != _KILLED:
        return ["the first driver was not killed"]
    return _killed_and_checked(lab, armed, 24)


def _stopped_early(setting: Setting, home: Path, armed: str, seed: int) -> list[str]:
    lab = Laboratory.make(
        home, setting, trials=14, workers=1, seed=seed, oracle=_TRAINER, proposer="random",
        extra='[early_stopping]\ntype = "asha"\nthaw = true',
    )  # fmt: skip
    return _killed_and_checked(lab, armed, 14, stops_early=True)


def _killed_and_checked(
    lab: Laboratory, armed: str, trials: int, stops_early: bool = False
) -> list[str]:
    code = sitting(lab, place=armed)
    pids = {words[3] for words in lab.notes() if words[0] == "begun"}
    if code != _KILLED and len(pids) <= 2:
        return [f"nobody was killed there ({code}: {last_words(lab)})"]
    code = sitting(lab) if code == _KILLED else code
    if code:
        return [f"resume ended with {code}: {last_words(lab)}"]
    return ledger.check(lab, trials, stops_early=stops_early).problems


def _divided(setting: Setting, home: Path, armed: str, seed: int) -> list[str]:
    import_module("matscout.evaluate.trainer_tabular")  # once, not in every driver
    home.mkdir(parents=True)
    fleet = RAY if setting.fleet == RAY else "inline"
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(40, 2))
    y = x @ [2.0, -1.0] + rng.normal(size=40)
    rows = [f"{float(a)!r},{float(b)!r},{float(c)!r}" for (a, b), c in zip(x, y, strict=True)]
    (home / "t.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    (home / "c.toml").write_text(_DIVIDED.format(name=NAME, seed=seed, fleet=fleet))
    lab = Laboratory(home, fresh=fleet == RAY)
    if sitting(lab, ("make",)) or sitting(lab, ("drive",), place=armed) != _KILLED:
        return [f"nobody was killed there ({last_words(lab)})"]
    if sitting(lab, ("drive",)):
        return [f"resume failed: {last_words(lab)}"]
    return ledger.check_journal(lab, 5).problems


def _by_person(setting: Setting, home: Path, armed: str, seed: int) -> list[str]:
    """Recommendations to a person, and results that a person brings."""
    lab = Laboratory.make(home, setting, trials=4, seed=seed)
    sheet = home / "next.csv"
    if sitting(lab, ("campaign", "new", "c.toml")):
        return [last_words(lab)]
    ask = ("campaign", "recommend", NAME, "-n", "4", "-o", sheet.name)
    adds = armed.startswith("campaign.after_added")
    code = sitting(lab, ask, place="" if adds else armed)
    if not adds:
        if code != _KILLED:
            return [f"nobody was killed there ({code}: {last_words(lab)})"]
        if sheet.exists():
            return ["half a sheet was left"]
        code = sitting(lab, ("campaign", "recommend", NAME, "--open", "-o", sheet.name))
    if code:
        return [last_words(lab)]
    brought = _fill_in(sheet)
    add = ("campaign", "add", NAME, sheet.name)
    if adds and sitting(lab, add, place=armed) != _KILLED:
        return [f"nobody was killed there ({last_words(lab)})"]
    if sitting(lab, add) or sitting(lab, add):
        return [f"add failed: {last_words(lab)}"]
    found = ledger.check_journal(lab, 4)
    values = sorted(e.body["values"]["y"] for e in ledger.events_of(lab) if e.kind == "measured")
    return found.problems if values == brought else [*found.problems, f"{values}, not {brought}"]


def _fill_in(sheet: Path) -> list[float]:
    with open(sheet, newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        row["y"] = repr(number + 0.5)
    with open(sheet, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return [number + 0.5 for number in range(len(rows))]


_ONCE = (1, 1)
SCENES = {
    **{name: Scene(swept) for name in NAMES},
    **dict.fromkeys(("run.swept", "run.recovered"), Scene(_swept_again, _ONCE)),
    "run.before_settle": Scene(swept, _ONCE),
    **dict.fromkeys(("file.before_fsync", "file.after_fsync"), Scene(swept, (1, 5))),
    **dict.fromkeys(
        ("outbox.before_write", "outbox.before_rename", "outbox.after_rename", "worker.before_report"),
        Scene(swept, (3, 7)),
    ),
    "loop.after_queued": Scene(_queued, (2, 6)),
    "loop.thinking": Scene(_thinking, (2, 6)),
    "loop.after_thawed": Scene(_stopped_early, _ONCE),
    **{name: Scene(_stopped_early, (6, 9)) for name in NAMES if name.startswith("checkpoint.")},
    "checkpoint.between_renames": Scene(_stopped_early, (1, 3)),
    **{name: Scene(_divided, (1, 3)) for name in NAMES if name.startswith("divided.")},
    "file.after_rename": Scene(_divided, (1, 3)),
    **dict.fromkeys(
        ("campaign.after_asked", "campaign.after_added", "file.before_rename"),
        Scene(_by_person, _ONCE),
    ),
}  # fmt: skip
"""Every failpoint, and where it is passed."""
