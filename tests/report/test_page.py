from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

from matscout.cli.assemble import proposer_of_run
from matscout.cli.judge import forecaster, stop_rules
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.parameter import Float
from matscout.pool import Pool
from matscout.propose.random import RandomProposer
from matscout.report.outlook import Outlook, outlook
from matscout.report.page import View, page
from matscout.report.record import Record, read_record
from matscout.runfolder import RunFolder
from matscout.space import Space
from matscout.trial import Proposal

VIEW = View("2026-01-02 03:04 UTC")
Campaign = Callable[..., RunFolder]


def looked(record: Record, count: int = 4) -> Outlook:
    proposer = proposer_of_run(record.spec)
    says = forecaster(record.spec, proposer)
    rules = stop_rules(record.spec, proposer)
    return outlook(record.spec, record.history, proposer, says, rules, count)


def page_of(folder: RunFolder, view: View = VIEW, count: int = 4) -> str:
    record = read_record(folder)
    return page(record, looked(record, count), view)


class Checked(HTMLParser):
    """Every tag closed in order; ids, figures, links and rows collected."""

    VOID = ("meta", "br", "hr")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.tags: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for key, value in attrs:
            assert not key.startswith("on"), (tag, key)
            if key == "id":
                self.ids.append(value or "")
            if key in ("src", "href", "xlink:href", "action"):
                assert (value or "").startswith("#"), value
                self.targets.append((value or "")[1:])
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def assert_sound(text: str) -> Checked:
    """Well formed, self-contained, and with text for whoever sees no pictures."""
    checked = Checked(text)
    assert len(set(checked.ids)) == len(checked.ids)
    assert set(checked.targets) <= set(checked.ids)
    assert not {"script", "link", "img", "iframe", "object"} & set(checked.tags)
    assert "url(" not in text and "@import" not in text
    assert all(n not in text for n in (">nan<", ">inf<", "NaN", "Infinity"))
    for drawing in re.findall(r"<svg viewBox.*?</svg>", text):
        root = ET.fromstring(drawing)
        if root.get("aria-hidden") == "true":
            continue
        spoken = [e.text for e in root if e.tag.endswith(("title", "desc"))]
        assert root.get("role") == "img" and len(spoken) == 2 and all(spoken)
    return checked


def test_a_campaign_has_every_section(campaign: Campaign, nasty: str) -> None:
    text = page_of(campaign(20))
    checked = assert_sound(text)
    sections = "progress found next candidates calibration stopping trouble costs origin".split()
    assert set(sections) <= set(checked.ids)
    assert {"progress-title", "map-title", "surprise-title", "reliability-title"} <= set(
        checked.ids
    )
    assert nasty not in text and "&lt;script&gt;" in text
    assert "the &lt;b&gt;melt&lt;/b&gt; cracked" in text and "withdrawn by Q &amp; A" in text
    assert "worker died" in text and "no data" in text
    assert "The best 10 of 20 measured" in text and "What the run would ask for next" in text
    assert "± 0.05" in text  # a standard error
    assert "<code>" in text and "matscout 0" in text
    assert "2026-01-02 03:04 UTC" in text and "Content-Security-Policy" in text


def test_the_page_is_a_function_of_run_and_date(campaign: Campaign) -> None:
    folder = campaign(12)
    first = page_of(folder)
    assert page_of(folder) == first
    other = page_of(folder, View("2030-01-01"))
    assert other != first and other.replace("2030-01-01", VIEW.made) == first


@pytest.mark.parametrize("n", [0, 1, 2, 3])
@pytest.mark.parametrize("whole", [True, False])
def test_a_run_that_has_hardly_begun(campaign: Campaign, n: int, whole: bool) -> None:
    text = page_of(campaign(n, whole=whole))
    assert_sound(text)
    assert ("Nothing has been measured yet." in text) is (n == 0)
    assert "too few to judge" in text


@pytest.mark.parametrize("n", [0, 1, 2, 24])
def test_a_sweep(sweep: Callable[[int], RunFolder], nasty: str, n: int) -> None:
    text = page_of(sweep(n))
    checked = assert_sound(text)
    assert nasty not in text
    if n > 6:
        assert {"parameter-0-title", "parameter-1-title", "parameter-2-title"} <= set(checked.ids)
        assert "1 trial was stopped early" in text and "1 bad values lie beyond the axis" in text
        assert "nothing_better" not in text  # that needs a pool


def test_a_sweep_is_explained(sweep: Callable[[int], RunFolder]) -> None:
    folder = sweep(24)
    text = page_of(folder)
    checked = assert_sound(text)
    assert {"importance-title", "parallel-title"} <= set(checked.ids)
    assert "What the trials took, by how they ended" in text
    assert "folds" not in checked.ids, "nobody said that reports are folds"
    assert page_of(folder) == text, "the forest is seeded"


def test_a_sweep_over_folds(fold_sweep: Callable[[int], RunFolder], nasty: str) -> None:
    text = page_of(fold_sweep(50))
    checked = assert_sound(text)
    assert {"importance-title", "parallel-title", "folds-title"} <= set(checked.ids)
    assert nasty not in text and "and so not rate." in text
    assert "Stopping 7 trials early saved about 7.0 s" in text


def test_a_young_sweep_says_what_is_missing(sweep: Callable[[int], RunFolder]) -> None:
    text = page_of(sweep(7))
    assert "6 complete trials are too few to tell which parameters matter" in text
    assert "importance-title" not in assert_sound(text).ids


def test_a_campaign_has_no_page_of_a_sweep(campaign: Campaign) -> None:
    checked = assert_sound(page_of(campaign(25)))
    assert not {"importance", "parallel", "folds"} & set(checked.ids)


def test_a_good_calibration_is_not_called_bad(campaign: Campaign) -> None:
    text = page_of(campaign(40))
    assert "too narrow:" not in text and "rounds" not in text
    assert "Calibration round by round" in text


def test_narrow_intervals_are_called_narrow(make_run: Callable[..., Any]) -> None:
    space = Space(pool=_line(40))
    maker = make_run(space)
    assert space.pool is not None
    for i, candidate in enumerate(space.pool.ids[:30]):
        why = {"mean": 0.0, "sd": 0.1}
        trial = maker.ask(candidate, space.pool.params(candidate), why)
        maker.measured(trial, 1.0 if i % 2 else 0.01)
    text = page_of(maker.save())
    assert_sound(text)
    assert "Intervals are too narrow: 50 % instead of 90 %" in text


def test_the_map_uses_the_columns_that_were_picked(campaign: Campaign) -> None:
    text = page_of(campaign(8), View("now", "a", "c"))
    assert "The axes are a and c." in text and "principal components" not in text
    assert "principal components" in page_of(campaign(8, name="again"))


def test_a_large_pool_is_thinned_and_says_so(campaign: Campaign) -> None:
    text = page_of(campaign(6, size=7000), count=1)
    assert_sound(text)
    assert "5000 of the" in text and len(text) < 600_000


def test_goals_with_a_limit_show_what_was_found(campaign: Campaign) -> None:
    goal = {"kind": "threshold", "threshold": 5.9, "top": 0.05}
    folder = campaign(15, goal=goal)
    record = read_record(folder)
    proposer = RandomProposer()
    says, rules = forecaster(record.spec, proposer), stop_rules(record.spec, proposer)
    text = page(record, outlook(record.spec, record.history, proposer, says, rules, 2), VIEW)
    assert "finds-title" in assert_sound(text).ids
    assert "measured candidates pass the limit" in text


class Broken:
    name = "broken"

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        raise ValueError("no <model> today")

    def forecast(self, space: Space, history: History) -> None:
        raise RuntimeError("singular & sad")


def test_a_model_that_fails_costs_its_part_of_the_page_alone(campaign: Campaign) -> None:
    record = read_record(campaign(9))
    rules = stop_rules(record.spec, Broken())
    found = outlook(record.spec, record.history, Broken(), Broken(), rules, 3)
    text = page(record, found, VIEW)
    assert_sound(text)
    assert "no &lt;model&gt; today" in text and "singular &amp; sad" in text
    assert "The best 9 of 9 measured" in text


def _line(size: int) -> Pool:
    return Pool.from_rows([{"id": f"c{i}", "x": i / size, "z": (i * 7) % 5} for i in range(size)])


def test_what_ended_with_its_driver_is_told_and_what_was_retried_is_not(
    make_run: Callable[..., Any],
) -> None:
    """Trial 0 is begun again as its driver died, trial 1 because its first attempt crashed."""
    maker = make_run(Space((Float("x", 0.0, 1.0),)), "again", "sweep", proposer={"type": "random"})
    for trial in range(3):
        assert maker.ask(None, {"x": 0.1 + trial / 10}, {}) == trial
    maker.events.append(Event(EventKind.CRASHED, 1, 1, {"reason": "the worker died"}))
    for trial in range(2):
        maker.events.append(Event(EventKind.DISPATCHED, trial, 2))
        body = {"values": {"y": 1.0}, "sem": {}, "cost_s": 1.0}
        maker.events.append(Event(EventKind.MEASURED, trial, 2, body))
    told = page_of(maker.save())
    assert "1 attempt was begun again by another driver" in told
    assert "Sweep over 1 parameter: maximise y." in told
