"""A card's text is text, whatever the table holds."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from matscout.report.card import Card, Rows, Section, as_html, as_markdown


def card(word: str) -> Card:
    rows = Rows(word, (word, "n"), ((word, "1"), (word, "2")), (1,))
    return Card(word, word, ((word, word),), (Section("What", (word, rows)),), "today")


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)


@given(st.text(max_size=30))
def test_no_cell_becomes_markup(word: str) -> None:
    def tags(text: str) -> list[str]:
        seen = Seen()
        seen.feed(as_html(card(text)))
        return seen.tags

    assert tags(word) == tags("plain")
    assert len(as_markdown(card(word)).splitlines()) == len(as_markdown(card("plain")).splitlines())


def test_markdown_has_tables_that_render() -> None:
    text = as_markdown(card("a|b"))
    assert "| a\\|b | n |\n| --- | --: |\n| a\\|b | 1 |" in text
