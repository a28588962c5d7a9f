"""Both kinds of queue keep their books, keep the order, and wake whoever waits (monitor/sensor/capture.py)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.sensor.capture import FrameQueue

PATIENCE_S = 60.0
operations = st.lists(st.sampled_from(["put", "take"]), max_size=60)


def newest_wins() -> FrameQueue[int]:
    return FrameQueue(lossless=False)


def nothing_lost() -> FrameQueue[int]:
    return FrameQueue(lossless=True)


def both() -> Any:
    return pytest.mark.parametrize("make", [newest_wins, nothing_lost])


class Model:
    """Drives a link by single steps and keeps the books beside it."""

    def __init__(self, link: Any) -> None:
        self.link = link
        self.put: list[int] = []
        self.taken: list[int] = []

    def step(self, operation: str) -> None:
        if operation == "put":
            self.put.append(len(self.put))
            self.link.put(self.put[-1])
        elif (item := self.link.take(0)) is not None:
            self.taken.append(item)

    def pending(self) -> int:
        count = 0
        while self.link.take(0) is not None:
            count += 1
        return count


@settings(deadline=None)
@given(operations)
def test_the_slot_keeps_the_newest_and_counts_the_rest(steps: list[str]) -> None:
    model = Model(FrameQueue(lossless=False))
    for step in steps:
        model.step(step)
        if step == "take" and model.put:
            assert model.taken[-1] == model.put[-1]
    assert model.taken == sorted(set(model.taken))
    assert len(model.put) == len(model.taken) + model.link.dropped + model.pending()


@settings(deadline=None)
@given(operations)
def test_the_lossless_link_is_a_queue(steps: list[str]) -> None:
    model = Model(FrameQueue(lossless=True, capacity=100))
    for step in steps:
        model.step(step)
    assert model.taken == model.put[: len(model.taken)]
    assert len(model.put) == len(model.taken) + model.pending()
    assert model.link.dropped == 0


@both()
def test_a_full_round_between_two_threads(make: Callable[[], Any]) -> None:
    link, taken = make(), []

    def produce() -> None:
        for number in range(3000):
            link.put(number)
        link.close()

    producer = threading.Thread(target=produce, name="producer")
    producer.start()
    while (item := link.take(PATIENCE_S)) is not None:
        taken.append(item)
    producer.join(PATIENCE_S)
    assert taken == sorted(set(taken))
    assert taken[-1] == 2999
    assert len(taken) + link.dropped == 3000
    if make is nothing_lost:
        assert taken == list(range(3000))


def test_the_slot_never_waits() -> None:
    slot: FrameQueue[int] = FrameQueue(lossless=False)
    for number in range(100):
        slot.put(number)
    assert (slot.take(0), slot.dropped, slot.take(0)) == (99, 99, None)


def test_a_full_lossless_link_holds_the_producer_until_there_is_room() -> None:
    link: FrameQueue[int] = FrameQueue(lossless=True, capacity=2)
    done = threading.Event()

    def produce() -> None:
        for number in range(3):
            link.put(number)
        done.set()

    producer = threading.Thread(target=produce, name="producer")
    producer.start()
    assert not done.wait(0.1)
    assert link.take(PATIENCE_S) == 0
    assert done.wait(PATIENCE_S)
    assert [link.take(0), link.take(0), link.take(0)] == [1, 2, None]
    producer.join(PATIENCE_S)


def test_closing_frees_a_producer_that_waits_for_room() -> None:
    link: FrameQueue[int] = FrameQueue(lossless=True, capacity=1)
    link.put(0)
    producer = threading.Thread(target=link.put, args=(1,), name="producer")
    producer.start()
    link.close()
    producer.join(PATIENCE_S)
    assert not producer.is_alive()
    assert [link.take(0), link.take(0)] == [0, None]


@both()
def test_closing_wakes_a_consumer_that_waits(make: Callable[[], Any]) -> None:
    link, got = make(), []
    consumer = threading.Thread(target=lambda: got.append(link.take(PATIENCE_S)), name="consumer")
    consumer.start()
    time.sleep(0.05)
    start = time.monotonic()
    link.close()
    consumer.join(PATIENCE_S)
    assert got == [None]
    assert time.monotonic() - start < PATIENCE_S / 2


@both()
def test_what_waits_when_the_link_is_closed_can_still_be_taken(make: Callable[[], Any]) -> None:
    link = make()
    link.put(1)
    link.close()
    link.close()
    link.put(2)
    assert link.closed
    assert [link.take(0), link.take(0)] == [1, None]
    assert link.dropped == 0


@both()
def test_taking_from_an_empty_link_ends_after_the_limit(make: Callable[[], Any]) -> None:
    start = time.monotonic()
    assert make().take(0.1) is None
    assert 0.09 < time.monotonic() - start < PATIENCE_S
