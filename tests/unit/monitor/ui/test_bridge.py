from __future__ import annotations

import threading

import pytest

from monitor.ui.bridge import LiveBridge


@pytest.fixture
def bridge(qtbot):
    bridge = LiveBridge()
    yield bridge
    bridge.close()


def in_a_thread(work):
    thread = threading.Thread(target=work, name="publisher")
    thread.start()
    thread.join(60)
    assert not thread.is_alive()


def test_many_views_make_one_wake_up_and_the_newest_wins(bridge, qtbot, make_view):
    views = [make_view(at_ns=n) for n in range(500)]
    woken, taken = [], []
    bridge.view_changed.connect(lambda: woken.append(threading.current_thread()))
    bridge.view_changed.connect(lambda: taken.append(bridge.take()))

    in_a_thread(lambda: [bridge.publish(view) for view in views])
    assert woken == []  # delivered by the loop of the GUI thread, and by nobody else

    qtbot.waitUntil(lambda: bool(taken), timeout=300_000)
    qtbot.wait(30)
    assert woken == [threading.main_thread()]
    assert taken == [views[-1]]
    assert bridge.take() is None


def test_after_a_take_the_next_view_wakes_again(bridge, qtbot, make_view):
    taken = []
    bridge.view_changed.connect(lambda: taken.append(bridge.take()))
    for n in range(3):
        view = make_view(at_ns=n)
        in_a_thread(lambda view=view: bridge.publish(view))
        qtbot.waitUntil(lambda n=n: len(taken) == n + 1, timeout=300_000)
        assert taken[-1] is view


def test_nobody_taking_means_no_further_wake_up(bridge, qtbot, make_view):
    woken = []
    bridge.view_changed.connect(lambda: woken.append(1))
    for n in range(5):
        bridge.publish(make_view(at_ns=n))
        qtbot.wait(5)
    assert woken == [1]
    assert bridge.take().frame.captured_ns == 4


def test_publishing_in_the_gui_thread_does_not_block(bridge, qtbot, make_view):
    taken = []
    bridge.view_changed.connect(lambda: taken.append(bridge.take()))
    bridge.publish(make_view())
    assert taken == []
    qtbot.waitUntil(lambda: len(taken) == 1, timeout=300_000)


def test_nothing_arrives_after_close(bridge, qtbot, make_view):
    woken = []
    bridge.view_changed.connect(lambda: woken.append(1))
    bridge.publish(make_view())
    bridge.close()
    bridge.close()
    bridge.publish(make_view())
    qtbot.wait(20)
    assert woken == []
    assert bridge.take() is None


def test_two_threads_and_a_busy_reader_lose_nothing_but_old_views(bridge, qtbot, make_view):
    taken = []
    bridge.view_changed.connect(lambda: taken.append(bridge.take()))
    done = threading.Event()

    def publish():
        for n in range(2000):
            bridge.publish(make_view(at_ns=n))
        done.set()

    thread = threading.Thread(target=publish, name="publisher")
    thread.start()
    qtbot.waitUntil(done.is_set, timeout=300_000)
    thread.join(60)
    qtbot.waitUntil(
        lambda: bool(taken) and taken[-1] is not None and taken[-1].frame.captured_ns == 1999,
        timeout=300_000,
    )
    times = [view.frame.captured_ns for view in taken if view is not None]
    assert times == sorted(set(times))
