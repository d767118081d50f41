"""Thinking in a thread, and on a virtual clock."""

from __future__ import annotations

import threading

import pytest

from matscout.clock import VirtualClock
from matscout.drive.thought import InThread, OnClock


def test_what_a_thread_thinks_is_there_once_it_is_done() -> None:
    go = threading.Event()

    def work() -> str:
        go.wait()
        return threading.current_thread().name

    thought = InThread(work)
    assert not thought.done(0.0)
    go.set()
    assert thought.done(60.0) and thought.result() == "matscout-thought"
    thought.drop(1.0)  # too late, and harmless
    assert thought.result() == "matscout-thought"


def test_what_it_raises_is_raised_where_it_is_wanted() -> None:
    def work() -> None:
        raise ValueError("no")

    thought = InThread(work)
    assert thought.done(60.0)
    with pytest.raises(ValueError, match="no"):
        thought.result()


def test_a_thought_that_is_dropped_ends_even_if_it_swallows_the_first_word() -> None:
    words: list[int] = []

    def work() -> None:
        while True:
            try:
                while True:
                    pass
            except SystemExit:
                words.append(1)
                if len(words) == 2:
                    raise

    thought = InThread(work)
    thought.drop(60.0)
    assert thought.done(0.0) and len(words) == 2


def test_on_a_virtual_clock_it_takes_its_time_and_no_more() -> None:
    clock = VirtualClock(100.0)
    thought = OnClock(lambda: "here", clock, lambda said: 1.0 * len(said))
    assert not thought.done(0.0) and clock.now_s == 100.0
    assert not thought.done(3.0) and clock.now_s == 103.0
    assert thought.done(3.0) and clock.now_s == 104.0 and thought.result() == "here"
    clock.advance(10.0)
    assert thought.done(3.0) and clock.now_s == 114.0
