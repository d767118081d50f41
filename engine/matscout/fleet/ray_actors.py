"""Long-lived Ray actors, one for each slot. Ray is transport: it retries nothing, keeps nothing."""

from __future__ import annotations

import math
import signal
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RayError

from matscout.errors import InputError, RunFailed, one_line
from matscout.evaluate.process_tree import family, kill_family, send
from matscout.fleet.actor import AttemptActor
from matscout.fleet.base import EvaluatorFactory
from matscout.fleet.oom_kills import OomKills
from matscout.fleet.outbox import Outbox
from matscout.fleet.pinned import MARK, new_mark, pinned, python_path
from matscout.fleet.ray_death import NODE_DIED, cause_of
from matscout.fleet.ray_local import JoinedHead, connected, head_died, require_resources
from matscout.fleet.ray_places import Found, Places
from matscout.fleet.ray_slot import Room, Slot
from matscout.fleet.running import MadeUp, Running
from matscout.fleet.worker import assignment_to_json
from matscout.fleet.worker_log import size_of
from matscout.outcome import NEVER_BEGAN, Assignment, Kind, Outcome
from matscout.runfolder import RunFolder
from matscout.trial import Target

_LISTEN_AFTER_S = 0.02
"""Reports are asked for once an attempt is this old: a shorter one costs one round trip, no more."""

_LISTEN_S = 10.0
"""How long such a call may wait inside the actor for a report; then it is made again."""

_LAST_WORD_S = 5.0
"""How long an attempt's own call is waited for once another call to its actor has failed."""

_HEAD_LOOK_S = 1.0
_HEAD_SILENT_S = 40.0
"""After so long the head of a cluster that was joined is given up: in time to leave in order, since
Ray ends the driver 20 s later."""

_NODES_LOOK_S = 2.0
"""How often the head is asked which nodes will go, and where workers are that take long to come up."""

_LAST_LOOK_S = 1.0
"""How long an answer to that is waited for before Ray is left: not to leave in the middle of it."""

_GROUPS = {"reports": 1, "control": 1, "watch": 1}


class RayFleet:
    """Actors with `cpus`, a share of `gpus` and custom `resources` each, in one Ray cluster.

    Without an `address` a cluster of its own is started on this machine's loopback interface, with
    a token of its own, and shut down by `close`; it dies with the driver. With one, that cluster is
    joined, and RAY_AUTH_MODE and RAY_AUTH_TOKEN must be what it wants. If the process is connected
    to Ray already, that connection is used. The run folder must be the same on all nodes. `shared`
    goes to the actors by Ray's object store, which holds it once on each node (sharing.py).

    An attempt waits here until an actor is ready for it, whichever that is: a cluster that was joined
    may have room for fewer than `slots` of them, for a while or for good.

    Raises InputError if the cluster cannot have the slots or the factory cannot be sent; `poll`
    raises RunFailed if the head of the cluster died. To be made in a thread that lives as long
    as the fleet: a local cluster dies with its thread.
    """

    def __init__(
        self,
        factory: EvaluatorFactory,
        targets: tuple[Target, ...],
        folder: RunFolder,
        slots: int = 2,
        cpus: float = 1.0,
        gpus: float = 0.0,
        resources: Mapping[str, float] | None = None,
        address: str | None = None,
        threads: int = 1,
        grace_s: float = 5.0,
        shared: Any = None,
    ) -> None:
        if slots < 1:
            raise InputError("fleet.slots", f"must be at least 1, got {slots}")
        self.slots = slots
        self._folder = RunFolder(folder.root.absolute())
        self._outbox = Outbox(self._folder.outbox)
        self._grace_s = grace_s
        self._threads = threads
        self._gpu = gpus > 0
        self._share = {"num_cpus": cpus, "num_gpus": gpus, "resources": dict(resources or {})}
        self._closed = False
        self._look_at_head_s = self._look_at_nodes_s = 0.0
        self._refs: dict[Any, tuple[Slot, str]] = {}
        self._waiting: deque[Running] = deque()
        self._made_here: list[Outcome] = []
        self._made_up, self._oom_kills = MadeUp(self._outbox), OomKills()
        self._room, self._places, self._there = Room(slots), Places(self._share), Found()
        self._notes: list[str] = []
        self._folder.outbox.mkdir(0o700, parents=True, exist_ok=True)
        self._disconnect = connected(address, slots, self._share)
        # Through Ray's own client the head is asked by another process, which may see more.
        direct = address is not None and not address.startswith("ray://")
        self._joined = JoinedHead() if direct else None
        try:
            if address is None:
                require_resources(slots, self._share)
            # Once: whoever makes one when the head is gone waits for it.
            self._actor = ray.remote(
                **self._share, max_restarts=0, max_task_retries=0, concurrency_groups=_GROUPS
            )(AttemptActor)
            self._arguments = [_put(factory), ray.put(tuple(targets))]
            self._shared = None if shared is None else ray.put(shared)
            self._slots = [Slot.named(f"ray-{i}", self._folder) for i in range(slots)]
            for slot in self._slots:
                self._start(slot)
        except BaseException:
            self._disconnect()
            raise

    def submit(self, assignment: Assignment) -> None:
        busy = sum(slot.running is not None for slot in self._slots)
        if self._closed or busy + len(self._waiting) >= self.slots:
            raise RuntimeError("the fleet is closed" if self._closed else "no free slot")
        self._waiting.append(Running(assignment, self._grace_s, time.monotonic()))
        self._hand_over()

    def poll(self, timeout_s: float) -> list[Outcome]:
        until_s = time.monotonic() + timeout_s
        while not self._closed:
            self._oom_kills.look()
            self._require_head()
            self._look_for_room()
            # A driver may have stood still: workers are heard before the clock judges them.
            outcomes = self._heard(0.0, len(self._refs))
            self._enforce()
            outcomes, self._made_here = outcomes + self._made_here, []
            self._hand_over()
            outcomes += self._made_up.settled()
            wait_s = 0.0 if outcomes else min(until_s, self._listen()) - time.monotonic()
            outcomes += self._heard(wait_s, 1)
            self._hand_over()
            outcomes += self._made_up.settled()
            if outcomes or time.monotonic() >= until_s:
                return outcomes
        return []

    @property
    def queued(self) -> list[int]:
        return [running.assignment.trial for running in self._waiting]

    def notes(self) -> list[str]:
        told, self._notes = self._notes, []
        return told

    def cancel(self, trial: int) -> None:
        for job in [job for job in self._waiting if job.assignment.trial == trial]:
            self._waiting.remove(job)
            never = job.outcome(Kind.STOPPED, NEVER_BEGAN, time.monotonic(), "ray")
            self._made_here.append(never)
        for slot in self._slots:
            running = slot.running
            if running is None or running.assignment.trial != trial or running.asked_s is not None:
                continue
            running.asked_s = time.monotonic()
            control = slot.actor.stop.options(concurrency_group="control")
            control.remote(trial, running.assignment.attempt)

    def acknowledge(self, outcome: Outcome) -> None:
        self._outbox.acknowledge(outcome)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._waiting.clear()
        for slot in self._slots:
            if slot.actor is not None:
                self._kill(slot)
            if slot.running is not None:
                assignment, slot.running = slot.running.assignment, None
                self._outbox.locks.clear(assignment.trial, assignment.attempt)
        self._refs.clear()
        self._places.answer(_LAST_LOOK_S)
        self._disconnect()

    def pids(self) -> list[int]:
        """The worker processes that are known to be up, wherever they run."""
        return [slot.pid for slot in self._slots if slot.pid]

    def _heard(self, wait_s: float, enough: int) -> list[Outcome]:
        """What workers say within so many seconds, or until `enough` of them have spoken."""
        if not self._refs:
            time.sleep(max(wait_s, 0.0))
            return []
        refs, wait_s = list(self._refs), max(wait_s, 0.0)
        ready, _ = ray.wait(refs, num_returns=enough, timeout=wait_s, fetch_local=False)
        # What one says may take another with it.
        return [o for ref in ready if ref in self._refs for o in self._hear(ref)]

    def _hand_over(self) -> None:
        """Give what waits to actors that are ready; see to it that there will be actors for the rest."""
        for slot in self._slots:
            if slot.leaving and slot.running is None:
                self._kill(slot)
            if self._waiting and slot.idle:
                running = slot.running = self._waiting.popleft()
                running.began_s = time.monotonic()
                text = assignment_to_json(running.assignment)
                self._refs[slot.actor.run.remote(text)] = slot, "run"
        wanted = len(self._waiting) - sum(slot.coming for slot in self._slots)
        for slot in [s for s in self._slots if s.actor is None][: max(wanted, 0)]:
            self._start(slot)

    def _start(self, slot: Slot) -> None:
        slot.mark, slot.asked_s = new_mark(), time.monotonic()
        slot.log_start = size_of(slot.log)
        environment = {**pinned(self._threads), MARK: slot.mark, "PYTHONPATH": python_path()}
        slot.actor = self._actor.options(runtime_env={"env_vars": environment}).remote(
            *self._arguments,
            str(self._folder.root),
            slot.name,
            self._gpu,
            own_process=True,
            shared=self._shared,
        )
        self._refs[slot.actor.hello.remote()] = slot, "hello"
        self._refs[slot.actor.ready.remote()] = slot, "ready"
        # This call never returns; it fails when the actor dies, so that an idle death is noticed.
        watch = slot.actor.watch.options(concurrency_group="watch")
        self._refs[watch.remote()] = slot, "watch"

    def _require_head(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._look_at_head_s:
            self._look_at_head_s = now_s + _HEAD_LOOK_S
            if name := head_died():
                raise RunFailed(f"Ray's {name} died; nothing that was measured is lost: resume")
            silent_s = 0.0 if self._joined is None else self._joined.silent_s()
            if silent_s >= _HEAD_SILENT_S:
                what = f"the head of the Ray cluster has not answered for {_HEAD_SILENT_S:g} s"
                raise RunFailed(f"{what}; nothing that was measured is lost: resume")
            self._look_at_nodes(now_s, ask=not silent_s)

    def _look_at_nodes(self, now_s: float, ask: bool) -> None:
        """Find out which workers' nodes will go, and which workers hang, and do not wait for a place."""
        if (found := self._places.answer()) is not None:
            self._there, going = found, list[str]()
            for slot in [s for s in self._slots if s.actor is not None and s.mark in found.nodes]:
                slot.placed_s = now_s if slot.placed_s is None else slot.placed_s
                was, slot.leaving = slot.leaving, found.nodes[slot.mark] in found.leaving
                going += [slot.name] if slot.leaving and not was else []
            if going:
                said = f"the cluster is about to lose the place of {', '.join(going)}"
                self._notes.append(f"{said}: nothing more is begun there")
        if ask and now_s >= self._look_at_nodes_s:
            self._look_at_nodes_s = now_s + _NODES_LOOK_S
            there = [slot for slot in self._slots if slot.actor is not None]
            late = frozenset(slot.mark for slot in there if slot.waits_long(now_s))
            self._places.ask({slot.mark: slot.actor for slot in there}, late)

    def _look_for_room(self) -> None:
        """Note it if workers wait for a place."""
        now_s = time.monotonic()
        coming = [slot.asked_s for slot in self._slots if slot.waits]
        up, since_s = self.slots - len(coming), min(coming, default=now_s)
        if said := self._room.note(up, since_s, now_s, self._there.room):
            self._notes.append(said)

    def _listen(self) -> float:
        """Ask the busy for reports. Returns when to look again."""
        now_s = time.monotonic()
        look_again_s = math.inf
        listening = {id(slot) for slot, kind in self._refs.values() if kind == "reports"}
        for slot in self._slots:
            running = slot.running
            if running is None:
                look_again_s = min(look_again_s, slot.late_at_s)
                continue
            look_again_s = min(look_again_s, running.look_again_s)
            if slot.failure is not None:
                look_again_s = min(look_again_s, slot.failed_s + _LAST_WORD_S)
                continue
            if running.began_s is None or id(slot) in listening:
                continue
            if now_s < running.began_s + _LISTEN_AFTER_S:
                look_again_s = min(look_again_s, running.began_s + _LISTEN_AFTER_S)
                continue
            ask = slot.actor.reports.options(concurrency_group="reports")
            key = running.assignment.trial, running.assignment.attempt
            self._refs[ask.remote(*key, _LISTEN_S)] = slot, "reports"
        return look_again_s

    def _hear(self, ref: Any) -> list[Outcome]:
        slot, kind = self._refs.pop(ref)
        try:
            said = ray.get(ref)
        except RayError as error:
            # When an actor dies all its calls fail, and the one that runs may have ended well.
            if not any(s is slot and k == "run" for s, k in self._refs.values()):
                return self._bury(slot, error)
            if slot.failure is None:
                slot.failure, slot.failed_s = error, time.monotonic()
            return []
        if kind == "hello":
            (slot.pid, slot.host), slot.up_s = said, time.monotonic()
            return []
        if kind == "ready":
            slot.ready = True
            return []
        outcomes = [Outcome.from_json(text) for text in said]
        if kind == "run":
            outcomes = self._fetched_before(slot) + outcomes
            slot.running = None
        return outcomes

    def _fetched_before(self, slot: Slot) -> list[Outcome]:
        """Reports on their way here by a call that is older than the ending that just came."""
        found: list[Outcome] = []
        for ref in [r for r, (s, kind) in self._refs.items() if s is slot and kind == "reports"]:
            del self._refs[ref]
            with suppress(RayError):
                found += [Outcome.from_json(text) for text in ray.get(ref, timeout=_LISTEN_S)]
        return found

    def _bury(self, slot: Slot, error: Exception) -> list[Outcome]:
        """The reports that were on their way. The attempt's end is made up."""
        reports = self._fetched_before(slot)
        cause = cause_of(slot, error, self._oom_kills)
        running, slot.running = slot.running, None
        if running is None and not slot.ready and cause != NODE_DIED and self._waiting:
            # One that never comes up would else be begun anew for ever, and nobody would be told why.
            running = self._waiting.popleft()
        self._kill(slot)
        if running is None:
            return []
        now_s = time.monotonic()
        if running.terminated:
            outcome = running.ended_by_force(now_s, slot.name)
        else:
            outcome = running.outcome(Kind.CRASHED, f"the worker died: {cause}", now_s, slot.name)
        self._made_up.add(outcome)
        return reports

    def _enforce(self) -> None:
        """Climb the ladder of those who should have ended by now."""
        now_s = time.monotonic()
        for slot in self._slots:
            running = slot.running
            if slot.failure is not None and now_s >= slot.failed_s + _LAST_WORD_S:
                self._made_here += self._bury(slot, slot.failure)
            elif now_s >= slot.late_at_s:
                self._kill(slot)
                if self._waiting:
                    late = self._waiting.popleft().ended_by_force(now_s, slot.name)
                    self._made_up.add(late)
            elif running is None or now_s < running.look_again_s:
                continue
            elif now_s >= running.kill_at_s:
                self._kill(slot)
                slot.running = None
                self._made_up.add(running.ended_by_force(now_s, slot.name))
            else:
                running.terminated = True
                self._signal(slot, signal.SIGTERM)

    def _signal(self, slot: Slot, signum: int) -> Any:
        """Signal what the worker has started, not the worker: Ray answers SIGTERM in its own way."""
        if slot.is_here:
            send(family(slot.pid, slot.marked) - {slot.pid}, signum)
            return None
        return slot.actor.signal_family.options(concurrency_group="control").remote(signum)

    def _kill(self, slot: Slot) -> None:
        """End the slot's actor and everything it started; the next attempt gets a new one."""
        if slot.pid and not slot.is_here:
            with suppress(RayError):
                ray.get(self._signal(slot, signal.SIGKILL), timeout=1.0)
        else:
            # One that never told its pid may still be coming up here; its mark finds it.
            kill_family(slot.pid or -1, slot.marked)
        with suppress(RayError):
            ray.kill(slot.actor, no_restart=True)
        self._refs = {r: (s, kind) for r, (s, kind) in self._refs.items() if s is not slot}
        slot.empty()


def _put(factory: EvaluatorFactory) -> Any:
    """The factory in Ray's object store, once for all actors."""
    try:
        return ray.put(factory)
    except TypeError as error:
        what = one_line(f"the evaluator's factory cannot be sent: {error}")[:300]
        mend = "use a function of a module, or functools.partial of one"
        raise InputError("fleet", what, mend) from None
