"""R20: a Ray node that dies costs no result, and its trials go on elsewhere from their checkpoints."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass, replace

from matscout.cli.promises import ledger
from matscout.cli.promises.alive import eventually
from matscout.cli.promises.driver import PATIENCE_S, Driver, driving, last_words
from matscout.cli.promises.laboratory import Laboratory, drop_schema, journals_of
from matscout.cli.promises.promise import RAY, Figure, Promise, Setting
from matscout.cli.promises.ray_nodes import Node, RayNodes
from matscout.cli.promises.tally import Tally

_NODES, _SLOTS = 3, 2
"""One node more than experiments at a time: somewhere to go on."""

_KILLS = 5
"""At most so many in one run."""

_STEPS, _STEP_S = 6, 0.25

# A trainer: it saves after each step, and goes on from what it finds. The parent of its process is
# the raylet of its node.
ORACLE = """
from matscout.checkpoint import Checkpoint
from matscout.trial import Measurement, Report

def measure(params, context):
    found = context.checkpoints.load([])
    done = found.step if found else 0
    note("begun", context.trial, context.attempt, os.getppid(), done)
    for step in range(1, {steps} + 1):
        if step > done:
            if context.should_stop():
                return
            time.sleep({step_s})
            context.checkpoints.save(Checkpoint(step=step, arrays={{}}, state={{}}))
            note("saved", context.trial, context.attempt, step)
        yield Report(step, {{"y": 1.0 / step}}, checkpoint=True)
    y = value(params, context)
    note("done", context.trial, context.attempt, repr(y))
    yield Measurement({{"y": y}})
"""


def keep(setting: Setting) -> Figure:
    tally = Tally()
    setting = replace(setting, fleet=RAY)
    with journals_of(setting), RayNodes() as cluster:
        cluster.start(_NODES)
        campaign = went_on = 0
        while tally.tried < setting.rounds:
            kills = min(_KILLS, setting.rounds - tally.tried)
            went_on += _campaign(setting, campaign, kills, cluster, tally)
            campaign += 1
    done = f"{tally.tried} nodes of {_NODES + 1} killed at work in {campaign} sweeps"
    return tally.figure(f"{done}; {went_on} trials went on from a checkpoint elsewhere")


def _campaign(setting: Setting, number: int, kills: int, cluster: RayNodes, tally: Tally) -> int:
    """One sweep, whose nodes are killed so many times. Returns how many trials went on elsewhere."""
    draw = random.Random(f"{setting.seed} {number}")
    trials = 6 + 4 * kills
    lab = Laboratory.make(
        setting.folder / f"{number:03d}", setting, trials=trials, workers=_SLOTS, seed=number,
        oracle=ORACLE.format(steps=_STEPS, step_s=_STEP_S), run=f'address = "{cluster.address}"',
    )  # fmt: skip
    struck: list[int] = []
    with driving(lab) as driver:
        while len(struck) < kills and (node := _at_work(lab, driver, cluster, draw)) is not None:
            struck.append(node.raylet or 0)
            if draw.random() < 0.5:
                node.kill_raylet()
            else:
                node.kill()
        code = driver.ended()
    found = ledger.check(lab, trials)
    problem = f"the sweep ended with {code}: {last_words(lab)}" if code else found.first
    story = _Story.of(lab)
    problem = problem or story.wrong(struck) or ("" if struck else "no node was killed")
    for kill in range(max(len(struck), 1)):
        last = kill + 1 >= len(struck)
        tally.round(
            f"campaign {number}", problem if last else "",
            lost=found.lost if last else 0, doubled=found.doubled if last else 0,
        )  # fmt: skip
    drop_schema(lab.folder)
    if not problem:
        shutil.rmtree(lab.home)
    return len(story.resumed)


def _at_work(
    lab: Laboratory, driver: Driver, cluster: RayNodes, draw: random.Random
) -> Node | None:
    """A node on which an attempt has saved a checkpoint and is not done; None if the sweep is over."""
    found: list[Node] = []

    def seen() -> bool:
        if driver.process.exitcode is not None or driver.ended(0.05) is not None:
            return True
        raylets = {node.raylet: node for node in cluster.keep(_NODES)}
        found[:] = [raylets[r] for r in _Story.of(lab).working() if r in raylets]
        return len(raylets) > _SLOTS and bool(found)

    eventually(seen, PATIENCE_S)
    driver.ended(draw.uniform(0.0, _STEP_S))
    return draw.choice(found) if found and driver.process.exitcode is None else None


@dataclass
class _Story:
    """What the oracle noted. begun: by attempt the raylet above it and the step it went on from."""

    begun: dict[tuple[int, int], tuple[int, int]]
    saved: dict[tuple[int, int], int]
    done: set[tuple[int, int]]

    @classmethod
    def of(cls, lab: Laboratory) -> _Story:
        story = cls({}, {}, set())
        for word, trial, attempt, *rest in lab.notes():
            key = int(trial), int(attempt)
            if word == "begun":
                story.begun[key] = int(rest[0]), int(rest[1])
            elif word == "saved":
                story.saved[key] = int(rest[0])
            else:
                story.done.add(key)
        return story

    def working(self) -> list[int]:
        """The raylets above attempts that have saved something and are the last of their trial."""
        last = {trial: attempt for trial, attempt in sorted(self.begun)}
        keys = [key for key in self.saved if key not in self.done and last[key[0]] == key[1]]
        return [self.begun[key][0] for key in keys]

    @property
    def resumed(self) -> list[tuple[int, int]]:
        """Attempts that went on from a step that another attempt had saved."""
        return [key for key, (_, step) in self.begun.items() if step and key[1] > 1]

    def wrong(self, struck: list[int]) -> str:
        """What is wrong with how trials went on after those raylets died; empty if nothing is."""
        for (trial, attempt), (raylet, step) in self.begun.items():
            before = [(t, a) for t, a in self.begun if t == trial and a < attempt]
            known = max((self.saved.get(key, 0) for key in before), default=0)
            if step < known:
                return f"trial {trial} went on from step {step}, and step {known} was saved"
            died_there = [key for key in before if self.begun[key][0] == raylet]
            if died_there and raylet in struck:
                return f"trial {trial} was begun again on the node that had died"
        return ""


PROMISE = Promise(
    id="R20",
    said="A Ray node that dies mid-run costs no result, and its trials go on elsewhere from their "
    "checkpoints",
    test="a head and three nodes made by `ray start`; SIGKILL to a raylet, or to all of its node, while "
    "trials that save checkpoints are at work there; another node takes its place",
    small=1,
    full=50,
    keep=keep,
    fleets=(RAY,),
)
