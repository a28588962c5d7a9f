"""Places for work that takes long; the rest of the services is tested with the pages."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager

import pytest
from flask import Flask

from monitor.web.request.problems import ProblemError
from monitor.web.services import Places

APP = Flask(__name__)


@contextmanager
def taken(places: Places, visitor: str = "192.0.2.1"):
    with APP.test_request_context(environ_base={"REMOTE_ADDR": visitor}), places.taken():
        yield


def test_some_work_some_wait_and_the_others_are_refused():
    places = Places(1, waiting=1, limit_s=10)
    working = threading.Event()

    def wait_for_place():
        with taken(places, "192.0.2.2"):
            working.set()

    waiting = threading.Thread(target=wait_for_place)
    with taken(places):
        waiting.start()
        while places._present.total() < 2:
            threading.Event().wait(0.01)
        with pytest.raises(ProblemError, match="Others have asked") as told, taken(places):
            pass
        assert (told.value.status, told.value.code) == (503, "busy")
        assert not working.is_set()
    assert working.wait(60)
    waiting.join(60)
    with taken(places):
        pass
    assert not places._present


def test_nobody_waits_longer_than_the_limit():
    places = Places(1, waiting=1, limit_s=0.05)
    with (
        taken(places),
        pytest.raises(ProblemError, match="Try again in a few seconds"),
        taken(places),
    ):
        pass
    with pytest.raises(ZeroDivisionError), taken(places):
        raise ZeroDivisionError
    with taken(places):
        pass


def test_one_visitor_cannot_take_all():
    places = Places(3, each=2)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(taken(places))
        with pytest.raises(ProblemError, match="Your address has 2 requests"), taken(places):
            pass
        with taken(places, "192.0.2.2"):
            pass
