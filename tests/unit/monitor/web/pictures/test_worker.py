"""The one thread that has pictures read: full, slow, broken, ended."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

from detector.errors import PictureDecodeError
from monitor.web.pictures.reader import PictureReader
from monitor.web.pictures.worker import PictureWorker
from monitor.web.request.problems import ProblemError
from tests.unit.monitor.web.pages.conftest import FakeClassifier, face, picture

CONTENT = picture(10, 10)


def reading(classifier):
    """Make a reader with this classifier."""
    return lambda: PictureReader(classifier)


class SlowClassifier(FakeClassifier):
    """Looks at a picture until it is let go."""

    def __init__(self) -> None:
        super().__init__([face()])
        self.looking = threading.Event()
        self.go_on = threading.Event()
        self.threads: set[str] = set()

    def faces_and_crops(self, image):
        self.threads.add(threading.current_thread().name)
        self.looking.set()
        assert self.go_on.wait(60)
        return super().faces_and_crops(image)


def in_thread(call):
    """Start a call; returns its thread and where its result or problem will be."""
    results: list[object] = []

    def run() -> None:
        try:
            results.append(call())
        except ProblemError as problem:
            results.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, results


def test_faces_come_back_from_one_thread_that_made_and_closes_what_looks():
    made_on: list[str] = []
    classifier = FakeClassifier([face()])

    def make():
        made_on.append(threading.current_thread().name)
        return PictureReader(classifier)

    worker = PictureWorker(make)
    result = worker.read(CONTENT)
    assert [found.label for found in result.faces] == ["happy"]
    assert result.crops.shape == (1, 48, 48)
    assert worker.state == "ready"
    worker.close()
    assert made_on == ["web-classifier"]
    assert classifier.closed
    with pytest.raises(ProblemError, match="is stopping"):
        worker.read(CONTENT)


def test_whoever_comes_when_the_queue_is_full_is_told_at_once():
    classifier = SlowClassifier()
    worker = PictureWorker(reading(classifier), waiting=1)
    first, first_result = in_thread(lambda: worker.read(CONTENT))
    assert classifier.looking.wait(60)
    second, second_result = in_thread(lambda: worker.read(CONTENT))
    while worker._jobs.empty():
        threading.Event().wait(0.01)
    with pytest.raises(ProblemError) as told:
        worker.read(CONTENT)
    assert (told.value.status, told.value.code) == (503, "busy")
    assert told.value.headers() == {"Retry-After": "3"}
    classifier.go_on.set()
    for thread in (first, second):
        thread.join(60)
    assert len(first_result[0].faces) == len(second_result[0].faces) == 1
    worker.close()
    assert classifier.threads == {"web-classifier"}


def test_nobody_waits_longer_than_the_limit_and_what_was_given_up_is_left_out():
    classifier = SlowClassifier()
    worker = PictureWorker(reading(classifier), limit_s=0.05)
    thread, result = in_thread(lambda: worker.read(CONTENT))
    assert classifier.looking.wait(60)
    with pytest.raises(ProblemError) as told:
        worker.read(CONTENT)
    assert told.value.code == "too_slow"
    thread.join(60)
    assert result[0].code == "too_slow"
    classifier.go_on.set()
    worker.close()
    assert len(classifier.shapes) == 1


def test_those_who_wait_at_the_end_are_told_so():
    classifier = SlowClassifier()
    worker = PictureWorker(reading(classifier))
    first, first_result = in_thread(lambda: worker.read(CONTENT))
    assert classifier.looking.wait(60)
    second, second_result = in_thread(lambda: worker.read(CONTENT))
    while worker._jobs.empty():
        threading.Event().wait(0.01)
    closing, _ = in_thread(worker.close)
    second.join(60)
    assert second_result[0].code == "closing"
    classifier.go_on.set()
    first.join(60)
    closing.join(60)
    assert len(first_result[0].faces) == 1
    assert classifier.closed


def test_a_network_that_cannot_be_loaded_is_told_to_everybody():
    def fail():
        raise OSError("the file is broken")

    worker = PictureWorker(fail)
    for _ in range(2):
        with pytest.raises(ProblemError, match="the file is broken") as told:
            worker.read(CONTENT)
        assert (told.value.status, told.value.code) == (503, "model_unusable")
    assert worker.state == "broken"
    worker.close()


def test_a_mistake_is_raised_where_it_was_asked_for_and_does_not_end_the_thread():
    class Mistaken(FakeClassifier):
        def faces_and_crops(self, image):
            if image.shape[0] == 1:
                raise ZeroDivisionError
            return super().faces_and_crops(image)

    worker = PictureWorker(reading(Mistaken([])))
    with pytest.raises(ZeroDivisionError):
        worker.read(picture(10, 1))
    assert worker.read(CONTENT).faces == ()
    worker.close()


def test_a_picture_is_forgotten_with_its_answer():
    class Content(bytearray):
        """Bytes that can be watched."""

    class Refusing:
        def __init__(self):
            self.go_on = threading.Event()

        def read(self, content):
            assert self.go_on.wait(60)
            raise PictureDecodeError("no picture", "damaged")

        def interrupt(self):
            pass

        def close(self):
            pass

    def ask(worker, expected):
        content = Content(b"picture")
        watched.append(weakref.ref(content))
        with pytest.raises(expected):
            worker.read(content)

    watched, reader = [], Refusing()
    gc.disable()
    try:
        worker = PictureWorker(lambda: reader, limit_s=0.05)
        ask(worker, ProblemError)
        ask(worker, ProblemError)
        assert watched[1]() is None  # though it still waits
        reader.go_on.set()
        worker._limit_s = 10
        ask(worker, PictureDecodeError)
        worker.close()
        assert [content() for content in watched] == [None] * 3
    finally:
        gc.enable()


def test_visitors_take_turns():
    class Noting(SlowClassifier):
        def faces_and_crops(self, image):
            found = super().faces_and_crops(image)
            order.append(image.shape[1])
            return found

    order, threads, classifier = [], [], Noting()
    worker = PictureWorker(reading(classifier))
    for width, visitor in ((10, "one"), (11, "one"), (12, "one"), (13, "other")):
        content = picture(width, 10)
        threads.append(in_thread(lambda c=content, v=visitor: worker.read(c, v))[0])
        assert classifier.looking.wait(60)
        while worker._jobs.qsize() < len(threads) - 1:
            threading.Event().wait(0.01)
    classifier.go_on.set()
    for thread in threads:
        thread.join(60)
    worker.close()
    assert order == [10, 11, 13, 12]
