"""The promises by name, in order. A module is loaded when its promise is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module

from matscout.cli.promises.in_order import kept_in_order
from matscout.cli.promises.promise import Promise
from matscout.errors import InputError, did_you_mean

MODULES: dict[str, str] = {
    "R1": "r01_kill",
    "R2": "r02_outbox",
    "R3": "r03_once",
    "R4": "r04_late",
    "R5": "r05_same",
    "R6": "r06_new",
    "R7": "r07_damage",
    "R8": "r08_disk",
    "R9": "r09_clock",
    "R10": "r10_malformed",
    "R11": "r11_hanging",
    "R12": "r12_crashes",
    "R13": "r13_large",
    "R14": "r14_one_driver",
    "R15": "r15_checkpoint",
    "R16": "r16_interrupt",
    "R17": "r17_foreign_files",
    "R18": "r18_versions",
    "R19": "r19_simulator",
    "R20": "r20_nodes",
    "R21": "survive",
}
"""Where each is: a module of this folder that exports PROMISE."""


def promise(name: str) -> Promise:
    """The promise called `name` ("R7"), which leaves nothing behind when it is interrupted; InputError
    with the nearest name where there is none."""
    if name not in MODULES:
        raise InputError("--only", f"no promise {name!r}", did_you_mean(name, MODULES))
    found: Promise = import_module(f"matscout.cli.promises.{MODULES[name]}").PROMISE
    return replace(found, keep=partial(kept_in_order, found.keep))


def promises(only: Sequence[str] = ()) -> tuple[Promise, ...]:
    """All promises, or those named in `only`, in order."""
    for name in only:
        promise(name)
    names = sorted(MODULES, key=lambda name: int(name[1:]))
    return tuple(promise(name) for name in names if not only or name in only)
