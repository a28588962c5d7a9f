"""What a kiosk says about itself, while a test drives its sensor and its player."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from detector.types import AnalysedFrame
from monitor.errors import SessionFailedError
from monitor.health import KioskHealth
from monitor.sensor.client import SensorDied
from monitor.sensor.live import SensorHealth
from monitor.sensor.messages import Ended, FrameRead, HealthReport, SourceLost
from monitor.session import runtime as kiosk_module
from monitor.session.runtime import KioskRuntime
from monitor.version import VERSION
from tests.helpers.scripted_kiosk import FakeSensor


def say(kiosk, *readings):
    """Let the sensor report that it runs, and a frame."""
    kiosk._router.on_message(HealthReport(SensorHealth("running", fps=12.34)))
    frame = AnalysedFrame(1, time.monotonic_ns(), 640, 360, readings)
    kiosk._router.on_message(FrameRead(frame))


def test_a_kiosk_that_runs(kiosk, tmp_path):
    kiosk.measure()
    say(kiosk)
    health = kiosk.health(1)
    assert (health.state, health.measuring, health.session, health.session_kind) == (
        "running",
        True,
        1,
        "demo",
    )
    assert (health.program_version, health.fps, health.notice_shown) == (VERSION, 12.3, None)
    assert health.model_name
    assert (health.viewers, health.attentive, health.shares, health.valence) == (
        0,
        None,
        None,
        None,
    )
    assert (health.camera.state, health.camera.detail) == ("ok", "")
    assert (health.waiting_records >= 0, health.lost_records) == (True, 0)
    assert abs(health.at - datetime.now(UTC)) < timedelta(minutes=5)
    assert 0 < health.disk_free_bytes <= health.disk_total_bytes
    assert health.memory_rss_bytes > 10_000_000
    assert 0 <= health.uptime_s < 60


def test_it_is_the_same_after_its_way_through_json(kiosk):
    health = kiosk.health(5)
    text = health.model_dump_json()
    assert KioskHealth.model_validate_json(text) == health
    assert KioskHealth.model_validate_json(text[:-1] + ',"of_the_future":1}') == health
    with pytest.raises(ValidationError):
        health.viewers = 3


def test_before_the_session_there_is_no_health(make_settings):
    with pytest.raises(SessionFailedError, match="start"):
        KioskRuntime(make_settings(source="demo"), lambda _view: None).health(1)


def test_the_ad_on_air_and_the_plays_of_the_day(kiosk):
    assert (kiosk.health(1).ad, kiosk.health(1).plays_today) == (None, 0)
    deadline_s = time.monotonic() + 300
    while kiosk.player.current is None and time.monotonic() < deadline_s:
        kiosk.player.advance()
        time.sleep(0.01)
    health = kiosk.health(1)
    assert (health.ad.id, health.ad.name, health.plays_today) == ("ad", "ad", 1)


def test_plays_before_a_restart_count(monkeypatch, make_settings):
    monkeypatch.setattr(kiosk_module, "SupervisedSensor", FakeSensor)
    for expected in (0, 1):
        made = KioskRuntime(make_settings(source="demo"), lambda _view: None)
        assert made.start(lambda: True)
        try:
            assert made.health(1).plays_today == expected
            deadline_s = time.monotonic() + 300
            while made.player.current is None and time.monotonic() < deadline_s:
                made.player.advance()
                time.sleep(0.01)
        finally:
            made.stop("finished")


def test_figures_of_few_viewers_are_withheld(kiosk, reading):
    kiosk.measure()
    say(kiosk, reading(1, emotion="happy"), replace(reading(2, emotion="happy"), attentive=False))
    withheld, shown = kiosk.health(3), kiosk.health(2)
    assert (withheld.viewers, withheld.attentive) == (2, None)
    assert (withheld.shares, withheld.valence) == (None, None)
    assert (shown.viewers, shown.attentive) == (2, 1)
    assert sum(shown.shares.values()) == pytest.approx(1, abs=0.01)
    assert shown.shares["happy"] > 0.5
    assert shown.valence > 0.2


def test_what_is_not_measured_has_no_figures(kiosk, reading):
    say(kiosk, reading(1))
    before = kiosk.health(1)
    kiosk.measure()
    say(kiosk, reading(1))
    during = kiosk.health(1)
    kiosk.pause_measuring("notice", "the notice was not on the screen")
    paused = kiosk.health(1)
    assert [one.state for one in (before, during, paused)] == ["paused", "running", "paused"]
    assert [one.measuring for one in (before, during, paused)] == [False, True, False]
    assert [one.viewers for one in (before, during, paused)] == [None, 1, None]


def test_a_paused_show(kiosk):
    kiosk.measure()
    kiosk.player.pause()
    assert kiosk.health(1).state == "paused"
    kiosk.player.resume()
    assert kiosk.health(1).state == "running"


def test_outside_the_hours(monkeypatch, make_settings):
    monkeypatch.setattr(kiosk_module, "SupervisedSensor", FakeSensor)
    now = datetime.now(UTC)
    begin, end = now + timedelta(hours=5), now + timedelta(hours=6)
    hours = f"{begin:%H:%M}-{end:%H:%M}"
    made = KioskRuntime(
        make_settings(source="demo", measure_hours=[hours], timezone="UTC"), lambda _view: None
    )
    assert made.start(lambda: True)
    try:
        made.measure()
        say(made)
        assert (made.health(1).state, made.health(1).measuring) == ("outside_hours", False)
    finally:
        made.stop("finished")


def test_only_ads(make_settings):
    made = KioskRuntime(make_settings(no_camera="started with --no-camera"), lambda _view: None)
    assert made.start(lambda: True)
    try:
        made.measure()
        health = made.health(1)
        assert (health.state, health.measuring, health.model_name) == ("ads_only", False, None)
        assert (health.camera.state, health.camera.detail) == ("off", "started with --no-camera")
        assert health.fps is None
    finally:
        made.stop("finished")


def test_a_lost_camera_says_since_when_and_why_without_passwords(kiosk):
    kiosk.measure()
    say(kiosk)
    found = kiosk.health(1)
    kiosk._router.on_message(
        SourceLost(time.monotonic_ns(), "rtsp://shop:s3cret@cam is away", "camera_lost")
    )
    lost = kiosk.health(1)
    time.sleep(0.05)
    kiosk._router.on_died(SensorDied(time.monotonic_ns(), "signal 9", "sensor_died"))
    still = kiosk.health(1)
    assert (lost.camera.state, lost.camera.detail) == ("lost", "rtsp://shop:***@cam is away")
    assert (lost.measuring, lost.viewers, lost.fps) == (False, None, None)
    assert still.camera.since == lost.camera.since > found.camera.since
    say(kiosk)
    assert kiosk.health(1).camera.state == "ok"
    kiosk._router.on_message(Ended(time.monotonic_ns(), 10))
    over = kiosk.health(1)
    assert (over.camera.state, over.camera.detail) == ("off", "the recording is over")


def test_only_what_happens_to_the_kiosk_is_a_change(kiosk, reading):
    kiosk.measure()
    say(kiosk)
    before = kiosk.health(1)
    say(kiosk, reading(1))
    same = kiosk.health(1)
    kiosk.notice_shown = False
    notice = kiosk.health(1)
    kiosk._router.on_message(SourceLost(time.monotonic_ns(), "away", "camera_lost"))
    lost = kiosk.health(1)
    assert before.has_changed(None)
    assert not same.has_changed(before)
    assert notice.has_changed(same)
    assert lost.has_changed(notice)
