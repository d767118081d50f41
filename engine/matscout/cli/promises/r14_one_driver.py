"""R14: one run has one driver. A dead one is taken over, and one that was taken over cannot write."""

from __future__ import annotations

import random
import socket
import time
from collections import Counter
from dataclasses import dataclass, field

from matscout.cli.promises.fleets import new_folder
from matscout.cli.promises.laboratory import drop_schema, journals_of
from matscout.cli.promises.promise import SQLITE, Figure, Promise, Setting
from matscout.cli.promises.rival import Rival
from matscout.cli.promises.tally import Tally
from matscout.errors import InputError
from matscout.journal import Journal, driver_of, evict
from matscout.runfolder import RunFolder

_RIVALS = 8
_TAKEOVER_S = 5.0

_FATES = ("died", "was stopped", "was stopped and died", "left")
_ROBBED = "was stopped and its lock removed"


class Broken(Exception):
    """What broke, in words."""


def keep(setting: Setting) -> Figure:
    tally, done = Tally(), Counter[str]()
    with journals_of(setting):
        folder = new_folder(setting)
        Journal.create(folder).close()
        race = _Race(folder, setting.journal == SQLITE, tally)
        try:
            for number in range(setting.rounds):
                draw = random.Random(f"{setting.seed} {number}")
                try:
                    done[race.round(draw, number)] += 1
                    tally.round(number)
                except Broken as broken:
                    tally.round(number, str(broken))
                    race.start_anew()
        finally:
            race.end()
            drop_schema(folder)
    told = ", ".join(f"the owner {what} {count} times" for what, count in sorted(done.items()))
    return tally.figure(f"{_RIVALS} drivers at once, {setting.rounds} times; then {told}")


@dataclass
class _Race:
    """Eight processes after one run. `written`: what they were told is safe."""

    folder: RunFolder
    file: bool
    tally: Tally
    rivals: list[Rival] = field(default_factory=list)
    written: list[str] = field(default_factory=list)

    def round(self, draw: random.Random, number: int) -> str:
        """Returns what became of the owner; Broken says what it should not have come to."""
        while len(self.rivals) < _RIVALS:
            self.rivals.append(Rival(self.folder))
        draw.shuffle(self.rivals)
        owner = self._race()
        self._writes(owner, f"{number} first")
        self._seen_by_readers(owner)
        fate = draw.choice([*_FATES, _ROBBED] if self.file else _FATES)
        if fate == "was stopped" and self.file:
            self._stands_still(owner, draw, number)
        elif fate in ("was stopped", _ROBBED):
            self._fenced_off(owner, draw, number)
        else:
            if fate == "was stopped and died":
                owner.stop()
                self._refused(self._other(owner, draw), owner)
            heir = self._heir(owner, fate, draw)
            self._writes(heir, f"{number} heir")
            self._expect(heir.ask("close"), "closed", "closing")
        self._recorded()
        return fate

    def start_anew(self) -> None:
        self.end()
        self.written = self._notes()

    def end(self) -> None:
        for rival in self.rivals:
            rival.bury()
        self.rivals.clear()

    def _race(self) -> Rival:
        for rival in self.rivals:
            rival.tell("open")
        answers = [(rival, rival.answer()) for rival in self.rivals]
        owners = [rival for rival, answer in answers if answer == "owner"]
        if len(owners) != 1:
            raise Broken(f"{len(owners)} drivers at once: {[answer for _, answer in answers]}")
        for rival, answer in answers:
            if rival is not owners[0]:
                self._is_refusal(answer, owners[0])
        return owners[0]

    def _stands_still(self, owner: Rival, draw: random.Random, number: int) -> None:
        """It stands still, and wakes: a file is its own all the time."""
        owner.stop()
        self._refused(self._other(owner, draw), owner)
        try:
            evict(self.folder)
            raise Broken("a file was taken from a living process")
        except InputError:
            pass
        owner.wake()
        self._writes(owner, f"{number} woken")
        self._expect(owner.ask("close"), "closed", "closing")

    def _fenced_off(self, owner: Rival, draw: random.Random, number: int) -> None:
        """It stands still, loses the run (to `evict`; a file, to somebody who removes its lock), and
        wakes."""
        owner.stop()
        other = self._other(owner, draw)
        self._refused(other, owner)
        start_s = time.monotonic()
        if self.file:
            self.folder.lock.unlink()
        else:
            evict(self.folder)
        self._takes_over(other, start_s)
        self._writes(other, f"{number} usurper")
        owner.wake()
        # On a server it may first be told only that its session is gone: it would try again.
        first = ("JournalTaken",) if self.file else ("JournalTaken", "JournalUnavailable")
        for again, refusals in enumerate((first, ("JournalTaken",))):
            answer = owner.ask(f"append {number} ghost {again}")
            if not answer.startswith(refusals):
                raise Broken(f"a driver that was taken over was told: {answer}")
        self._writes(other, f"{number} usurper again")
        self._expect(other.ask("close"), "closed", "closing")
        self._expect(owner.ask("close"), "closed", "closing")

    def _heir(self, owner: Rival, fate: str, draw: random.Random) -> Rival:
        heir = self._other(owner, draw)
        if fate == "left":
            self._expect(owner.ask("close"), "closed", "closing")
        start_s = time.monotonic()
        if fate != "left":
            owner.kill()
        self._takes_over(heir, start_s)
        if fate != "left":
            owner.bury()
            self.rivals.remove(owner)
        return heir

    def _takes_over(self, heir: Rival, start_s: float) -> None:
        """A dying owner holds its lock for some milliseconds more: as a person would, try again."""
        answer = ""
        while answer != "owner" and time.monotonic() < start_s + _TAKEOVER_S:
            answer = heir.ask("open")
        took_s = time.monotonic() - start_s
        self.tally.slowest("slowest takeover, s", took_s)
        if answer != "owner" or took_s > _TAKEOVER_S:
            raise Broken(f"no takeover in {took_s:.1f} s: {answer}")

    def _refused(self, rival: Rival, owner: Rival) -> None:
        self._is_refusal(rival.ask("open"), owner)

    def _is_refusal(self, answer: str, owner: Rival) -> None:
        if f"host {socket.gethostname()}, process {owner.pid}" not in answer:
            raise Broken(f"refused by other words than the owner's host and pid: {answer}")

    def _writes(self, rival: Rival, text: str) -> None:
        self._expect(rival.ask(f"append {text}"), "written", "the owner's write")
        self.written.append(text)

    def _seen_by_readers(self, owner: Rival) -> None:
        self._recorded()
        if f"process {owner.pid}" not in driver_of(self.folder):
            raise Broken(f"readers are told of {driver_of(self.folder)!r}")

    def _recorded(self) -> None:
        notes = self._notes()
        if notes != self.written:
            raise Broken(f"{len(self.written)} events were acknowledged, {len(notes)} are there")

    def _notes(self) -> list[str]:
        with Journal.read_only(self.folder) as journal:
            journal.verify()
            return [str(event.body["note"]) for event in journal.read()]

    def _other(self, owner: Rival, draw: random.Random) -> Rival:
        return draw.choice([rival for rival in self.rivals if rival is not owner])

    def _expect(self, answer: str, wanted: str, what: str) -> None:
        if answer != wanted:
            raise Broken(f"{what}: {answer}")


PROMISE = Promise(
    id="R14",
    said="Two drivers, one run: the second is refused with the owner's host and pid; a dead owner is "
    "taken over in 5 s, and one that was taken over cannot write",
    test="eight processes open one run at once; its owner is then killed, stopped and woken, stopped "
    "and evicted (from a file: its lock is removed) and woken, stopped and killed, or leaves",
    small=6,
    full=100,
    keep=keep,
)
