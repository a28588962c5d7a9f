"""Plays are counted by the venue's date."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

from monitor.session.plays_today import PlaysToday


def test_counting_begins_anew_at_midnight_and_the_others_hear_of_each_play():
    now = datetime(2026, 3, 1, 23, 59, tzinfo=ZoneInfo("Europe/Berlin"))
    heard = []
    then = SimpleNamespace(play_started=heard.append, play_ended=heard.append)
    plays = PlaysToday(lambda: now, then)
    plays.seed(40)
    plays.play_started("play")
    plays.play_ended("end")
    assert (plays.count, heard) == (41, ["play", "end"])
    now += timedelta(minutes=1)
    assert plays.count == 0
    plays.play_started("play")
    assert plays.count == 1
