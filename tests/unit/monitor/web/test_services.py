"""Places for work that takes long; the rest of the services is tested with the pages."""

from __future__ import annotations

import threading

import pytest

from monitor.web.problems import ProblemError
from monitor.web.services import Places


def test_some_work_some_wait_and_the_others_are_refused():
    places = Places(1, waiting=1, limit_s=10)
    working = threading.Event()

    def wait_for_place():
        with places.taken():
            working.set()

    waiting = threading.Thread(target=wait_for_place)
    with places.taken():
        waiting.start()
        while places._present._value:
            threading.Event().wait(0.01)
        with pytest.raises(ProblemError) as told, places.taken():
            pass
        assert (told.value.status, told.value.code) == (503, "busy")
        assert not working.is_set()
    assert working.wait(5)
    waiting.join(5)
    with places.taken():
        pass


def test_nobody_waits_longer_than_the_limit():
    places = Places(1, waiting=1, limit_s=0.05)
    with (
        places.taken(),
        pytest.raises(ProblemError, match="Try again in a few seconds"),
        places.taken(),
    ):
        pass
    with pytest.raises(ZeroDivisionError), places.taken():
        raise ZeroDivisionError
    with places.taken():
        pass
