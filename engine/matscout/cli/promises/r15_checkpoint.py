"""R15: a checkpoint is whole or not there, and a broken newest one falls back and says so."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from matscout.checkpoint import Checkpoint, CheckpointStore
from matscout.cli.promises.promise import SQLITE, Figure, Promise, Setting
from matscout.cli.promises.tally import Tally
from matscout.failpoint import NAMES
from matscout.fleet.pinned import python_path

KEEP = 3
_PLACES = tuple(name for name in NAMES if name.startswith("checkpoint."))
_STEPS = 400
_PATIENCE_S = 60.0
_LONGEST_S = 0.15

# Saves step after step, each third one twice, and says of each that it is safe once `save` has returned.
_SAVER = """
import os, sys
from pathlib import Path
from matscout.cli.promises.r15_checkpoint import KEEP, checkpoint
from matscout.checkpoint import CheckpointStore
store = CheckpointStore(Path(sys.argv[1]), KEEP)
for step in range(1, int(sys.argv[2])):
    for _ in range(1 + (step % 3 == 0)):
        store.save(checkpoint(step))
    os.write(1, b"%d\\n" % step)
"""


def checkpoint(step: int) -> Checkpoint:
    """What a trainer would save: some thousand weights, and the state of a generator."""
    rng = np.random.default_rng(step)
    arrays = {"weight": rng.standard_normal((40, 25)), "steps": np.array(step)}
    return Checkpoint(step, arrays, {"epoch": step, "generator": rng.bit_generator.state})


def keep(setting: Setting) -> Figure:
    tally = Tally()
    broken = {"truncated": 0, "flipped": 0, "file gone": 0}
    for number in range(setting.rounds):
        draw = random.Random(f"{setting.seed} {number}")
        folder = setting.folder / f"{number:04d}"
        acknowledged = _saved_and_killed(folder, draw)
        problem = "nobody was killed" if acknowledged < 0 else _after_kill(folder, acknowledged)
        if not problem:
            how = draw.choice(sorted(broken))
            broken[how] += 1
            problem = _after_damage(folder, how, draw)
        tally.round(number, problem)
    done = f"killed while saving {tally.tried} times, then the newest " + ", ".join(
        f"{how} {count} times" for how, count in broken.items()
    )
    return tally.figure(done)


def same(one: Checkpoint | None, other: Checkpoint) -> bool:
    return (
        one is not None
        and one.step == other.step
        and dict(one.state) == dict(other.state)
        and one.arrays.keys() == other.arrays.keys()
        and all(np.array_equal(one.arrays[k], other.arrays[k]) for k in other.arrays)
    )


def _saved_and_killed(folder: Path, draw: random.Random) -> int:
    """The last step that a process said was safe before it was killed, at some moment or place; -1 where
    it came to its end before."""
    place = draw.choice([*_PLACES, "", "", ""])
    armed = f"{place}:{draw.randint(2, 40)}:kill" if place else ""
    environment = {**os.environ, "PYTHONPATH": python_path(), "MATSCOUT_FAILPOINT": armed}
    with subprocess.Popen(
        [sys.executable, "-c", _SAVER, str(folder), str(_STEPS)],
        env=environment,
        stdout=subprocess.PIPE,
    ) as saver:
        assert saver.stdout is not None
        try:
            select.select([saver.stdout], [], [], _PATIENCE_S)  # until it is well under way
            if not place:
                select.select([], [], [], draw.uniform(0.0, _LONGEST_S))
                saver.send_signal(signal.SIGKILL)
            said = saver.stdout.read()
        finally:
            saver.kill()
    if saver.returncode != -signal.SIGKILL:
        return -1
    return int(said.split()[-1]) if said.split() else 0


def _after_kill(folder: Path, acknowledged: int) -> str:
    """What is wrong with what stands there; empty if nothing is."""
    warned: list[str] = []
    found = CheckpointStore(folder, KEEP).load(warned)
    if warned:
        return f"half a checkpoint was seen ({warned[0]})"
    if found is None or found.step < acknowledged:
        return f"step {acknowledged} was saved, {found and found.step} was found"
    if not same(found, checkpoint(found.step)):
        return f"step {found.step} is not what was saved"
    return ""


def _after_damage(folder: Path, how: str, draw: random.Random) -> str:
    """What is wrong after the newest was damaged: the one before is to be found, and that told."""
    store = CheckpointStore(folder, KEEP)
    whole = store.load()
    assert whole is not None
    later = checkpoint(whole.step + 1)
    store.save(later)  # so that there is one before, however early the kill came
    newest = folder / f"step-{later.step:08d}"
    path = newest / draw.choice(["arrays.safetensors", "state.json"])
    _damage(path, how, draw)
    warned: list[str] = []
    found = store.load(warned)
    if not warned:
        return "" if same(found, later) else f"{how}: read as another state, without a word"
    if not same(found, whole):
        return f"{how}: the one before was not found"
    return "" if newest.name in warned[0] else f"{how}: {warned[0]!r} does not name it"


def _damage(path: Path, how: str, draw: random.Random) -> None:
    data = path.read_bytes()
    if how == "file gone":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(data[: draw.randrange(len(data))])
    else:
        place = draw.randrange(len(data))
        flipped = bytes([data[place] ^ (1 << draw.randrange(8))])
        path.write_bytes(data[:place] + flipped + data[place + 1 :])


PROMISE = Promise(
    id="R15",
    said="Checkpoints are atomic and hashed, the last few are kept; a broken newest falls back to the "
    "one before, and says so",
    test="SIGKILL while saving, at named places and at random; then the newest is truncated, a bit of "
    "it flipped, or a file of it removed",
    small=3,
    full=200,
    keep=keep,
    journals=(SQLITE,),
)
