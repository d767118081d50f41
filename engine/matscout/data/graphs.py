"""Arrays by key in a folder, written once and read in any order: neighbour lists of crystals.

A pack is one safetensors file with many records end to end; it is never changed, so that readers
map it into memory and several writers need no lock (a record that two of them made is there twice,
and equal). A pack whose hash does not fit is left aside, and its records are made again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import struct
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from matscout.json_text import parsed_json

log = logging.getLogger(__name__)

Record = Mapping[str, np.ndarray]
"""Arrays by name, all of the same length (E, …); names and dtypes are the same for a whole store."""

_TYPES = {
    "U8": np.uint8, "I8": np.int8, "I16": np.int16, "I32": np.int32, "I64": np.int64,
    "F32": np.float32, "F64": np.float64,
}  # fmt: skip
_KEY_BYTES = 32
_MAX_HEADER = 1 << 20


class GraphStore:
    """Records under SHA-256 keys (64 hexadecimal digits) in `folder`, which is made when needed."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._place: dict[bytes, tuple[_Pack, int]] = {}
        self._seen: set[str] = set()
        self.refresh()

    def __len__(self) -> int:
        return len(self._place)

    def refresh(self) -> None:
        """Find packs that others have written since."""
        for path in sorted(self.folder.glob("*.pack")):
            if path.name in self._seen:
                continue
            self._seen.add(path.name)
            try:
                pack = _Pack(path)
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                log.warning("%s is damaged (%.80s): its graphs are made again", path, error)
                continue
            for row, key in enumerate(pack.keys):
                self._place.setdefault(key, (pack, row))

    def get(self, key: str) -> dict[str, np.ndarray] | None:
        """Views into the mapped file, not to be written to; None for an unknown key."""
        found = self._place.get(bytes.fromhex(key))
        return None if found is None else found[0].record(found[1])

    def add(self, records: Mapping[str, Record]) -> None:
        """One new pack, by rename: after a crash it is there whole or not at all."""
        new = {key: r for key, r in records.items() if bytes.fromhex(key) not in self._place}
        if not new:
            return
        keys = np.frombuffer(b"".join(bytes.fromhex(key) for key in new), dtype=np.uint8)
        parts = list(new.values())
        lengths = [len(next(iter(part.values()))) for part in parts]
        arrays = {
            "keys": keys.reshape(-1, _KEY_BYTES),
            "ends": np.cumsum(lengths, dtype=np.int64),
        } | {f"field/{n}": np.concatenate([part[n] for part in parts]) for n in parts[0]}
        body = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        digest = _digest(body)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{digest}.pack"
        draft = path.with_name(f".{digest}.{os.getpid()}.{threading.get_ident()}")
        draft.write_bytes(save(body))
        os.replace(draft, path)
        self._seen.discard(path.name)  # a damaged one may have stood there
        self.refresh()


class _Pack:
    """One file, mapped. Raises ValueError where it is not what its name says."""

    def __init__(self, path: Path) -> None:
        arrays = _mapped(path)
        if _digest(arrays) != path.stem:
            raise ValueError("its hash does not fit")
        self.keys = [row.tobytes() for row in arrays["keys"]]
        ends = arrays["ends"].tolist()
        self._bounds = list(zip([0, *ends[:-1]], ends, strict=True))
        self._fields = {
            name.removeprefix("field/"): array
            for name, array in arrays.items()
            if name.startswith("field/")
        }
        sizes = {len(array) for array in self._fields.values()}
        if len(self.keys) != len(ends) or sizes != {ends[-1]}:
            raise ValueError("its arrays do not fit each other")

    def record(self, row: int) -> dict[str, np.ndarray]:
        start, end = self._bounds[row]
        return {name: array[start:end] for name, array in self._fields.items()}


def _mapped(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file as views of one memory map (its layout is public: eight
    bytes with the length of a JSON header, the header, the data)."""
    raw = np.memmap(path, dtype=np.uint8, mode="r")
    if len(raw) < 8:
        raise ValueError("no header")
    (length,) = struct.unpack("<Q", raw[:8].tobytes())
    if length > _MAX_HEADER or 8 + length > len(raw):
        raise ValueError("no header")
    header = parsed_json(raw[8 : 8 + length].tobytes())
    data = np.asarray(raw)[8 + length :]
    found = {}
    for name, about in header.items():
        if name == "__metadata__":
            continue
        start, end = about["data_offsets"]
        found[name] = data[start:end].view(_TYPES[about["dtype"]]).reshape(about["shape"])
    return found


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape};".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()
