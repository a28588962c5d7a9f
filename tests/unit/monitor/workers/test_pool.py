"""Processes that die in the middle of their work. Also tests `monitor/workers/__init__.py`."""

from __future__ import annotations

import os
import time
from itertools import count, islice
from pathlib import Path

import pytest

from monitor.errors import SetupError, WorkersLostError
from monitor.workers import open_workers
from monitor.workers.pool import ProcessPool
from tests.helpers.worker_tasks import deadly, refused, squared, squared_unless_first


def test_one_job_is_this_process():
    with open_workers(1) as workers:
        assert list(workers(squared, [3, 4])) == [(9, os.getpid()), (16, os.getpid())]


def test_results_come_in_the_order_of_the_items_and_items_are_taken_as_needed():
    with ProcessPool(2) as pool:
        # There is no end of these items.
        results = list(islice(pool.map(squared, count()), 20))
    assert [square for square, _ in results] == [number * number for number in range(20)]
    assert os.getpid() not in {worker for _, worker in results}


def test_a_killed_worker_changes_nothing(tmp_path):
    flag = str(tmp_path / "dead")
    with ProcessPool(2) as pool:
        squares = list(pool.map(squared_unless_first, [(number, flag) for number in range(6)]))
    assert Path(flag).exists()
    assert squares == [0, 1, 4, 9, 16, 25]


def test_workers_that_always_die_end_the_work():
    with ProcessPool(2) as pool, pytest.raises(WorkersLostError, match=r"--jobs died 4 times"):
        list(pool.map(deadly, [1, 2]))


def test_an_error_of_a_task_is_raised_here():
    with ProcessPool(2) as pool, pytest.raises(SetupError, match=r"^Number 7 is wrong\.$"):
        list(pool.map(refused, [7]))


def test_leaving_ends_work_that_is_not_done():
    began = time.monotonic()
    with ProcessPool(1) as pool:
        results = pool.map(time.sleep, [0, 600])
        next(results)
    assert time.monotonic() - began < 300
