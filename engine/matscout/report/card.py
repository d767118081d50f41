"""A model card as Markdown and as one HTML page, from the same sections: M. Mitchell et al., "Model
cards for model reporting", FAT* 2019, section 4 (what it is, how it was judged, where it fails, what
it is not for)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matscout.report.markup import Markup, el, join, table
from matscout.report.style import STYLE

GENERATOR = "matscout sweep"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_SPECIAL = "\\`*_{}[]<>|#"


@dataclass(frozen=True)
class Rows:
    """A table; the columns `numeric` are set right."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[int, ...] = ()


@dataclass(frozen=True)
class Section:
    """Paragraphs (text) and tables in their order."""

    heading: str
    parts: tuple[str | Rows, ...]


@dataclass(frozen=True)
class Card:
    """`tiles` are the few figures that everything is about, each with its words."""

    title: str
    about: str
    tiles: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    made: str


def as_markdown(card: Card) -> str:
    """Text from the table is escaped: no cell of it becomes markup."""
    out = [f"# {_text(card.title)}", "", _text(card.about), ""]
    out += [f"- **{_text(big)}** {_text(small)}" for big, small in card.tiles]
    for section in card.sections:
        out += ["", f"## {_text(section.heading)}"]
        for part in section.parts:
            out.append("")
            out += [_text(part)] if isinstance(part, str) else _rows(part)
    return "\n".join([*out, "", f"Made by {GENERATOR} on {_text(card.made)}.", ""])


def as_html(card: Card) -> str:
    """No scripts, nothing remote, everything escaped. The same card gives the same bytes."""
    keys = [section.heading.lower().replace(" ", "-") for section in card.sections]
    links = [
        el("li", el("a", section.heading, href=f"#{key}"))
        for key, section in zip(keys, card.sections, strict=True)
    ]
    tiles = [el("li", el("b", big), el("span", small)) for big, small in card.tiles]
    body = [
        el(
            "header",
            el("h1", card.title),
            el("p", card.about, class_="soft"),
            el("ul", tiles, class_="tiles"),
            el("nav", el("ul", links), aria_label="Sections"),
        ),
        el(
            "main",
            [
                el("section", el("h2", section.heading, id=key), join(map(_part, section.parts)))
                for key, section in zip(keys, card.sections, strict=True)
            ],
        ),
        el("footer", f"Made by {GENERATOR} on {card.made}. Nothing is loaded from elsewhere."),
    ]
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="generator", content=GENERATOR),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", card.title),
        el("style", Markup(STYLE)),
    )
    return f"<!DOCTYPE html>\n{el('html', head, el('body', body), lang='en')}\n"


def _part(part: str | Rows) -> Markup:
    if isinstance(part, str):
        return el("p", part)
    return table(part.caption, part.header, part.rows, numeric=part.numeric)


def _rows(part: Rows) -> list[str]:
    rule = ["--:" if place in part.numeric else "---" for place in range(len(part.header))]
    lines: list[Sequence[str]] = [
        tuple(map(_text, part.header)),
        rule,
        *(tuple(map(_text, row)) for row in part.rows),
    ]
    return [_text(part.caption), "", *("| " + " | ".join(line) + " |" for line in lines)]


def _text(raw: str) -> str:
    plain = "".join(c if c.isprintable() else " " for c in raw)
    return "".join(f"\\{c}" if c in _SPECIAL else c for c in plain)
