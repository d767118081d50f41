"""Checkpoints: safetensors + JSON, atomic, hashed, the last few kept (promise R15)."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matscout.durable_file import sync_folder, write_durably
from matscout.failpoint import failpoint
from matscout.process_id import exists

if TYPE_CHECKING:
    import numpy as np

Arrays = Mapping[str, "np.ndarray"]

_STEP = re.compile(r"step-(?P<step>\d{8,30})(?P<old>-old)?", re.ASCII)


@dataclass(frozen=True)
class Checkpoint:
    """A state that a trainer can go on from: arrays by name, and everything else as JSON.

    `step` is the last step that the state includes.
    """

    step: int
    arrays: Arrays
    state: Mapping[str, Any]


@dataclass(frozen=True)
class CheckpointStore:
    """The checkpoints of one trial, newest last, in a folder of their own.

    A checkpoint is a folder `step-00000012/` with arrays.safetensors and state.json; the latter
    carries the SHA-256 of the former and of itself. It is written under a temporary name, flushed,
    and renamed, so that a reader sees the whole of it or nothing.
    """

    folder: Path
    keep: int = 2

    def save(self, checkpoint: Checkpoint) -> None:
        """Store it durably, then forget all but the newest `keep`."""
        from safetensors.numpy import save

        arrays = save({name: array.copy(order="C") for name, array in checkpoint.arrays.items()})
        body = {"step": checkpoint.step, "state": dict(checkpoint.state), "arrays": _sha256(arrays)}
        text = json.dumps(body, sort_keys=True)
        record = json.dumps({"sha256": _sha256(text.encode()), "body": body}, sort_keys=True)

        final = self.folder / f"step-{checkpoint.step:08d}"
        draft = self.folder / f".draft-{os.getpid()}-{checkpoint.step:08d}"
        shutil.rmtree(draft, ignore_errors=True)
        try:
            draft.mkdir(parents=True)
            write_durably(draft / "arrays.safetensors", arrays)
            failpoint("checkpoint.between_files")
            write_durably(draft / "state.json", record.encode())
            sync_folder(draft)
            failpoint("checkpoint.before_rename")
            # An older one of the same step stays readable, under a name that sorts before its own,
            # until the new one stands.
            aside = self.folder / f"step-{checkpoint.step:08d}-old"
            if final.exists():
                shutil.rmtree(aside, ignore_errors=True)
                os.replace(final, aside)
                failpoint("checkpoint.between_renames")
            os.replace(draft, final)
        except BaseException:  # a full disk would be filled up further
            shutil.rmtree(draft, ignore_errors=True)
            raise
        sync_folder(self.folder)
        failpoint("checkpoint.after_rename")
        self._forget_all_but(final)
        self._drop_drafts()

    def load(self, warn: list[str] | None = None) -> Checkpoint | None:
        """The newest sound checkpoint, or None. What was found broken is told in `warn`."""
        for folder in reversed(self._folders()):
            try:
                return _read(folder)
            except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
                if warn is not None:
                    warn.append(f"{folder}: broken checkpoint ({error}); trying the one before")
        return None

    def _forget_all_but(self, newest: Path) -> None:
        """Keep `newest`, whatever its step, and the `keep` - 1 before it."""
        others = [f for f in self._folders() if f != newest]
        for folder in others[: max(len(others) - (self.keep - 1), 0)]:
            shutil.rmtree(folder, ignore_errors=True)

    def _drop_drafts(self) -> None:
        """Those of processes that were killed. One that lives, stopped past its lease, may go on with
        its own."""
        for draft in self.folder.glob(".draft-*-*"):
            pid = draft.name.split("-")[1]
            if pid.isdecimal() and (int(pid) == os.getpid() or not exists(int(pid))):
                shutil.rmtree(draft, ignore_errors=True)

    def _folders(self) -> list[Path]:
        """Oldest first. A folder set aside comes before the one that took its place."""
        found = self.folder.glob("step-*") if self.folder.is_dir() else ()
        steps = {folder: match for folder in found if (match := _STEP.fullmatch(folder.name))}
        return sorted(steps, key=lambda f: (int(steps[f]["step"]), steps[f]["old"] is None))


def _read(folder: Path) -> Checkpoint:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    record = json.loads((folder / "state.json").read_text())
    body = record["body"]
    if _sha256(json.dumps(body, sort_keys=True).encode()) != record["sha256"]:
        raise ValueError("state.json does not match its hash")
    data = (folder / "arrays.safetensors").read_bytes()
    if _sha256(data) != body["arrays"]:
        raise ValueError("arrays.safetensors does not match its hash")
    try:
        return Checkpoint(step=body["step"], arrays=load(data), state=body["state"])
    except SafetensorError as error:
        raise ValueError(str(error)) from None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
