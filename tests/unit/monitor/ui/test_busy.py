"""What moves while something takes long; the work in a thread is also tested by the wizard."""

from __future__ import annotations

import threading

from PyQt5.QtWidgets import QVBoxLayout, QWidget

from monitor.ui.busy import BusyBar, Work


def test_the_result_and_what_was_said_arrive_in_the_windows_thread(qtbot):
    threads, said, results = set(), [], []

    def do(work):
        threads.add(threading.current_thread())
        work.told.emit("half")
        return "whole"

    work = Work(do)
    work.told.connect(lambda what: (said.append(what), threads.add(threading.current_thread())))
    work.ended.connect(results.append)
    work.start()
    qtbot.waitUntil(lambda: results == ["whole"], timeout=300_000)
    assert said == ["half"]
    assert threading.current_thread() in threads
    assert len(threads) == 2
    assert work.stop()


def test_an_error_is_a_result(qtbot):
    results = []

    def do(_work):
        raise OSError("no disk")

    work = Work(do)
    work.ended.connect(results.append)
    work.start()
    qtbot.waitUntil(lambda: bool(results), timeout=300_000)
    assert str(results[0]) == "no disk"


def test_work_that_does_not_end_is_left_behind(qapp):
    goes_on = threading.Event()
    work = Work(lambda _work: goes_on.wait())
    work.start()
    try:
        assert not work.stop(0.01)
        assert work.stopping.is_set()
    finally:
        goes_on.set()
    assert work.stop(300)


def test_the_room_of_a_bar_stays_while_it_is_hidden(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    bar, below = BusyBar(1.0, window), QWidget(window)
    layout = QVBoxLayout(window)
    layout.addWidget(bar)
    layout.addWidget(below, 1)
    window.resize(200, 100)
    window.show()
    qtbot.waitExposed(window)
    before = below.geometry()
    bar.show_share(0.5)
    qtbot.waitUntil(bar.isVisible, timeout=300_000)
    assert below.geometry() == before
