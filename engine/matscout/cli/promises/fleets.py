"""The fleet that a promise is asked on, in this process."""

from __future__ import annotations

from matscout.cli.promises.promise import RAY, Setting
from matscout.fleet.base import EvaluatorFactory, Fleet
from matscout.fleet.process import ProcessFleet
from matscout.runfolder import RunFolder
from matscout.trial import Target

TARGETS = (Target("y"),)

_CPUS = 0.1
"""An actor's share: what these promises have done does not work, it hangs and dies."""


def new_folder(setting: Setting, name: str = "run") -> RunFolder:
    """The empty folder of a run, as `create` leaves it before the journal."""
    folder = RunFolder(setting.folder / name)
    folder.root.mkdir(0o700, parents=True)
    folder.outbox.mkdir(0o700)
    return folder


def new_fleet(setting: Setting, factory: EvaluatorFactory, folder: RunFolder, slots: int) -> Fleet:
    """Workers for target `y`; a Ray cluster of its own where Ray is asked for, gone with `close`."""
    if setting.fleet == RAY:
        from matscout.fleet.ray_actors import RayFleet

        return RayFleet(factory, TARGETS, folder, slots=slots, cpus=_CPUS)
    return ProcessFleet(factory, TARGETS, folder, slots=slots)
