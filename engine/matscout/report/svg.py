"""Small figures as inline SVG: axes, bands, lines and marks, coloured by the page's style sheet.

Written here and not by a plotting library because a figure must follow the page's light and dark
colours, say what a mark is when it is pointed at (without scripts), and come out the same bytes on
every machine, whatever fonts it has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matscout.report.markup import Markup, el, number, shortened, text

Array = NDArray[np.float64]

_LARGEST = 1e290
"""Beyond, and below its inverse, a float has no room left for a margin and ticks."""

LETTER = 6.6
"""About how wide a letter of a tick's label is, in units of the drawing."""

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Axis:
    """A line from `low` to `high` with labelled ticks."""

    low: float
    high: float
    label: str = ""
    log: bool = False
    ticks: tuple[tuple[float, str], ...] = ()

    @classmethod
    def over(
        cls,
        values: Sequence[float] | Array,
        label: str = "",
        *,
        log: bool = False,
        pad: float = 0.04,
    ) -> Axis:
        """An axis that shows every finite value of `values`, with round ticks."""
        known = np.asarray(values, dtype=float)
        known = np.clip(known[np.isfinite(known)], -_LARGEST, _LARGEST)
        known = np.where(np.abs(known) < 1.0 / _LARGEST, 0.0, known)
        if log:
            known = known[known > 0]
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
        if log and len(known):
            a, b = math.log10(low), math.log10(high)
            margin = pad * (b - a) or 0.5
            low, high = 10 ** (a - margin), 10 ** (b + margin)
            return cls(low, high, label, True, _log_ticks(low, high))
        margin = pad * (high / 2 - low / 2) * 2 or abs(high) * 0.05 or 0.5
        low, high = low - margin, high + margin
        return cls(low, high, label, False, _ticks(low, high))

    @classmethod
    def of_names(cls, names: Sequence[str], label: str = "") -> Axis:
        """Position i for the i-th name."""
        ticks = tuple((float(i), shortened(name, 12)) for i, name in enumerate(names))
        return cls(-0.5, len(names) - 0.5, label, False, ticks)

    def place(self, values: Sequence[float] | Array | float) -> Array:
        """Where values lie between the ends, in [0, 1]; what lies beyond is put at the end."""
        raw = np.asarray(values, dtype=float)
        if self.log:
            raw = np.log(np.maximum(raw, np.finfo(float).tiny))
            low, high = math.log(self.low), math.log(self.high)
        else:
            low, high = self.low, self.high
        return np.clip((raw / 2 - low / 2) / (high / 2 - low / 2), 0.0, 1.0)


class Canvas:
    """One plot. Marks are added in data units; later ones lie on top. Classes carry the colours."""

    def __init__(self, x: Axis, y: Axis, width: int = 420, height: int = 280) -> None:
        self.x, self.y, self.width, self.height = x, y, width, height
        longest = max((len(label) for _, label in y.ticks), default=3)
        self.left = min(16 + 7 * longest, width // 3)
        self.right, self.top, self.bottom = 20, 26, 40
        self._parts: list[Markup] = []

    def band(self, x: Array, low: Array, high: Array, class_: str) -> None:
        across = np.concatenate([self._across(x), self._across(x)[::-1]])
        up = np.concatenate([self._up(high), self._up(low)[::-1]])
        self._parts.append(el("polygon", points=_points(across, up), class_=class_))

    def line(self, x: Array, y: Array, class_: str) -> None:
        points = _points(self._across(x), self._up(y))
        self._parts.append(el("polyline", points=points, class_=f"line {class_}"))

    def steps(self, x: Array, y: Array, class_: str) -> None:
        """A line that holds each value until the next one."""
        self.line(np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1], class_)

    def dot(self, x: float, y: float, class_: str, title: str = "", r: float = 3.5) -> None:
        cx, cy = self._xy(x, y)
        self._parts.append(el("circle", *_title(title), cx=cx, cy=cy, r=r, class_=class_))

    def cross(self, x: float, y: float, class_: str, title: str = "", r: float = 4) -> None:
        cx, cy = map(float, self._xy(x, y))
        d = f"M{_n(cx - r)} {_n(cy - r)}l{2 * r} {2 * r}m0 {-2 * r}l{-2 * r} {2 * r}"
        self._parts.append(el("path", *_title(title), d=d, class_=f"line {class_}"))

    def diamond(self, x: float, y: float, class_: str, title: str = "", r: float = 5) -> None:
        cx, cy = map(float, self._xy(x, y))
        d = f"M{_n(cx)} {_n(cy - r)}l{r} {r}l{-r} {r}l{-r} {-r}z"
        self._parts.append(el("path", *_title(title), d=d, class_=class_))

    def specks(self, x: Array, y: Array, class_: str, size: float = 4.0) -> None:
        """Many small squares as one path: thousands of them stay light."""
        across, up = self._across(x) - size / 2, self._up(y) - size / 2
        square = f"h{size:g}v{size:g}h{-size:g}z"
        d = "".join(f"M{_n(a)} {_n(b)}{square}" for a, b in zip(across, up, strict=True))
        if d:
            self._parts.append(el("path", d=d, class_=class_))

    def level(self, y: float, class_: str) -> None:
        """A line across."""
        self.line(np.array([self.x.low, self.x.high]), np.array([y, y]), class_)

    def note(
        self, x: float, y: float, words: str, class_: str = "label", anchor: str = "start"
    ) -> None:
        cx, cy = self._xy(x, y)
        self._parts.append(el("text", words, x=cx, y=cy, class_=class_, text_anchor=anchor))

    def svg(self, key: str, title: str, description: str) -> Markup:
        """The whole. `key` must be the only one of its name on the page."""
        return el(
            "svg",
            el("title", title, id=f"{key}-title"),
            el("desc", description, id=f"{key}-desc"),
            self._frame(),
            el("g", self._parts),
            viewBox=f"0 0 {self.width} {self.height}",
            role="img",
            aria_labelledby=f"{key}-title {key}-desc",
            xmlns="http://www.w3.org/2000/svg",
        )

    def _frame(self) -> Markup:
        parts: list[Markup] = []
        bottom, right = self.height - self.bottom, self.width - self.right
        for value, label in self.y.ticks:
            up = self._up(np.array([value]))[0]
            parts.append(el("path", d=f"M{self.left} {_n(up)}H{right}", class_="grid"))
            parts.append(
                el("text", label, x=self.left - 6, y=_n(up + 4), class_="tick", text_anchor="end")
            )
        places = [float(self._across(np.array([value]))[0]) for value, _ in self.x.ticks]
        parts += [el("path", d=f"M{_n(at)} {bottom}v4", class_="axis") for at in places]
        named = [(at, label) for at, (_, label) in zip(places, self.x.ticks, strict=True)]
        for at, label in legible(named):
            parts.append(
                el("text", label, x=_n(at), y=bottom + 16, class_="tick", text_anchor="middle")
            )
        parts.append(el("path", d=f"M{self.left} {bottom}H{right}", class_="axis"))
        most = (self.width - 12) // 7
        above = shortened(self.y.label, most)
        parts.append(el("text", above, x=4, y=14, class_="label", text_anchor="start"))
        below = shortened(self.x.label, most)
        middle = (self.left + right) / 2
        parts.append(
            el("text", below, x=_n(middle), y=self.height - 6, class_="label", text_anchor="middle")
        )
        return el("g", parts, aria_hidden="true")

    def _xy(self, x: float, y: float) -> tuple[str, str]:
        return _n(self._across(np.array([x]))[0]), _n(self._up(np.array([y]))[0])

    def _across(self, x: Array) -> Array:
        return self.left + self.x.place(x) * (self.width - self.left - self.right)

    def _up(self, y: Array) -> Array:
        return self.top + (1.0 - self.y.place(y)) * (self.height - self.top - self.bottom)


def legible(labels: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Of labels centred at increasing places, those that do not run into the one before."""
    kept: list[tuple[float, str]] = []
    free = -math.inf
    for at, words in labels:
        half = LETTER * len(words) / 2
        if at - half >= free:
            kept.append((at, words))
            free = at + half + 4
    return kept


def _title(words: str) -> tuple[Markup, ...]:
    return (el("title", words),) if words else ()


def _points(across: Array, up: Array) -> str:
    return " ".join(f"{_n(a)},{_n(b)}" for a, b in zip(across, up, strict=True))


def _n(value: float) -> str:
    """A coordinate to a tenth of a unit."""
    return f"{float(value):.1f}".removesuffix(".0")


def _ticks(low: float, high: float, about: int = 5) -> tuple[tuple[float, str], ...]:
    """Round numbers inside [low, high]."""
    rough = (high / 2 - low / 2) * 2 / about
    if not rough > 0 or not math.isfinite(rough):
        return ((low, number(low)),)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in _STEPS if s * power >= rough * 0.999)
    first, last = math.ceil(low / step), math.floor(high / step)
    digits = max(4, math.ceil(math.log10(max(abs(low), abs(high)) / step)) + 1)
    return tuple((i * step, number(i * step, digits)) for i in range(first, last + 1))


def _log_ticks(low: float, high: float) -> tuple[tuple[float, str], ...]:
    """Powers of ten, thinned to six; 2 and 5 too where there are few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = max(1, math.ceil((last - first) / 6))
    factors = (1.0, 2.0, 5.0) if last - first <= 2 else (1.0,)
    values = [f * 10.0**p for p in range(first, last + 1, every) for f in factors]
    return tuple((v, number(v, 3)) for v in values if low <= v <= high)


def legend(entries: Sequence[tuple[str, str, str]]) -> Markup:
    """(shape, class, words) a line under a figure; shapes: dot, ring, diamond, cross, line, area."""
    shapes = {
        "dot": '<circle cx="7" cy="7" r="4" class="{}"/>',
        "ring": '<circle cx="7" cy="7" r="5" class="{}"/>',
        "diamond": '<path d="M7 2l5 5l-5 5l-5 -5z" class="{}"/>',
        "cross": '<path d="M3 3l8 8m0 -8l-8 8" class="line {}"/>',
        "line": '<path d="M0 7h14" class="line {}"/>',
        "area": '<rect y="3" width="14" height="8" class="{}"/>',
    }
    items = []
    for shape, class_, words in entries:
        mark = Markup(shapes[shape].format(text(class_)))
        icon = el("svg", mark, viewBox="0 0 14 14", width=14, height=14, aria_hidden="true")
        items.append(el("li", icon, " ", words))
    return el("ul", items, class_="legend")
