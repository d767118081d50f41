"""HTML that cannot be forgotten to be escaped: text is text until `el` makes it an element."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape

from matscout.errors import one_line


class Markup(str):
    """Text that is HTML already. Made here and in svg.py, from escaped parts only."""

    __slots__ = ()


Part = Markup | str | Iterable["Part"]

_LONG = 24
"""Characters from which a cell gets room of its own: else a phone breaks it after every word."""

_VOID = frozenset({"meta", "br", "hr"})


def text(raw: object) -> Markup:
    """Any value, escaped, without control characters: a candidate may be named `<script>`."""
    if isinstance(raw, Markup):
        return raw
    return Markup(escape("".join(c if c.isprintable() else " " for c in str(raw)), quote=True))


def el(name: str, /, *parts: Part, **attributes: object) -> Markup:
    """One element. Strings inside are escaped; `class_` and `data_x` stand for class and data-x.

    >>> el("td", "<b>", class_="num")
    '<td class="num">&lt;b&gt;</td>'
    """
    words = [name]
    for key, value in attributes.items():
        if value is not None and value is not False:
            words.append(f'{key.rstrip("_").replace("_", "-")}="{text(value)}"')
    head = f"<{' '.join(words)}>"
    return Markup(head if name in _VOID else f"{head}{join(parts)}</{name}>")


def join(parts: Iterable[Part]) -> Markup:
    return Markup("".join(text(p) if isinstance(p, str) else join(p) for p in parts))


def table(
    caption: str, header: Iterable[str], rows: Iterable[Iterable[Part]], numeric: Iterable[int] = ()
) -> Markup:
    """A table that scrolls by itself where the screen is narrow; `numeric` columns are set right."""
    right = set(numeric)

    def cells(kind: str, row: Iterable[Part]) -> list[Markup]:
        scope = "col" if kind == "th" else None
        return [
            el(kind, part, class_=_cell(part, i in right), scope=scope)
            for i, part in enumerate(row)
        ]

    body = [el("tr", cells("td", row)) for row in rows]
    whole = el(
        "table",
        el("caption", caption),
        el("thead", el("tr", cells("th", header))),
        el("tbody", body),
    )
    return el("div", whole, class_="scroll", role="region", tabindex="0", aria_label=caption)


def _cell(part: Part, numeric: bool) -> str | None:
    if numeric:
        return "num"
    return "long" if isinstance(part, str) and len(part) > _LONG else None


def figure(drawing: Markup, caption: Part, *, beside: bool = False) -> Markup:
    """A drawing with its words, on a wide screen `beside` it."""
    return el("figure", drawing, el("figcaption", caption), class_="beside" if beside else None)


def shortened(words: object, most: int) -> str:
    line = one_line(str(words))
    return line if len(line) <= most else line[: most - 1] + "…"


def number(value: float | None, digits: int = 4) -> str:
    """A number for people; a dash for none. The minus is a minus."""
    if value is None or math.isnan(value):
        return "–"
    mantissa, e, power = f"{value:.{digits}g}".partition("e")
    return (f"{mantissa}e{int(power)}" if e else mantissa).replace("-", "−")


def counted(n: int, one: str, more: str) -> str:
    """`1 parameter`, `2 parameters`."""
    return f"{n} {one if n == 1 else more}"
