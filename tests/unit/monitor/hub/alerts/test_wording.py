"""What people read of an alert, and when a channel is quiet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.hub.alerts.wording import kind_words, one_message, quiet_until, storm_message
from monitor.languages import speaking
from tests.helpers.german import english_in

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def document(event="raised", kind="disk", name="Entrance", site="Berlin"):
    return {
        "id": f"{'0' * 32}.{event}",
        "event": event,
        "alert": "0" * 32,
        "kind": kind,
        "screen": {
            "id": "ab" * 16,
            "name": name,
            "site": site,
            "group": "",
            "time_zone": "Europe/Berlin",
        },
        "raised_at": "2026-03-02T12:00:00Z",
        "ended_at": None if event == "raised" else "2026-03-02T12:30:00Z",
        "detail": "The disk is full.",
    }


def test_an_alert_reads_as_a_sentence_with_the_time_of_the_place():
    message = one_message(document())
    assert message.title == "Disk almost full: Entrance (Berlin)"
    assert message.text == (
        "The disk is full.\nSince 2 March 2026, 13:00 Europe/Berlin (UTC+01:00)."
    )


def test_the_end_of_an_alert_says_how_long_it_was():
    message = one_message(document("ended", site=""))
    assert message.title == "Over: Disk almost full: Entrance"
    assert "13:30" in message.text


def test_a_test_message_and_a_kind_of_a_newer_version_can_be_read():
    test = {"id": "1.test", "event": "test", "detail": "This is a test."}
    assert one_message(test).text == "This is a test."
    assert kind_words("too_hot") == "too_hot"


def about_campaign(event="raised"):
    campaign = {"id": "cd" * 16, "name": "Spring drinks"}
    about = {"screen": None, "campaign": campaign, "detail": "It has 3 of 100 plays."}
    return document(event, "campaign_behind") | about


def test_an_alert_about_a_campaign_names_it_and_leads_to_it(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    message = one_message(about_campaign())
    assert message.title == "Campaign behind: Spring drinks"
    assert message.text.startswith("It has 3 of 100 plays.\nSince 2 March 2026, 13:00")
    assert message.page == f"/campaigns/{'cd' * 16}"
    assert one_message(about_campaign("ended")).title == "Over: Campaign behind: Spring drinks"
    storm = storm_message([about_campaign(), document()])
    assert "Campaign behind, 1 campaign: Spring drinks" in storm.text


def test_a_storm_names_the_screens_of_each_kind():
    documents = [document(kind="silent", name=f"S{number}") for number in range(12)]
    message = storm_message([*documents, document("ended")])
    assert message.title == "12 alerts raised, 1 over"
    assert message.text.splitlines() == [
        "Silent, 12 screens: S0, S1, S2, S3, S4, S5, S6, S7, S8, S9 and 2 more",
        "Over: Disk almost full, 1 screen: Entrance",
    ]


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        ([], None),
        (["22:00-07:00"], None),
        (["12:00-14:00"], "2026-03-02T14:00:00+00:00"),
        (["12:00-14:00", "14:00-15:30"], "2026-03-02T15:30:00+00:00"),
        (["11:00-03:00"], "2026-03-03T03:00:00+00:00"),
    ],
)
def test_quiet_hours_end(hours, expected):
    until = quiet_until(hours, "UTC", NOON + timedelta(seconds=30))
    assert (until and until.isoformat()) == expected


def test_quiet_hours_are_those_of_the_channels_zone():
    until = quiet_until(["20:00-22:00"], "Asia/Tokyo", NOON)
    assert until == datetime(2026, 3, 2, 22, 0, tzinfo=ZoneInfo("Asia/Tokyo"))


def test_hours_that_never_end_are_refused():
    with pytest.raises(ValueError, match="quiet hours that end"):
        quiet_until(["00:00-12:00", "12:00-24:00"], "UTC", NOON)


@given(st.integers(0, 365 * 24 * 3600))
def test_the_end_of_quiet_hours_is_not_quiet_and_less_than_their_length_away(seconds):
    at = NOON + timedelta(seconds=seconds)
    until = quiet_until(["22:00-07:00"], "Europe/Berlin", at)
    if until is not None:
        assert quiet_until(["22:00-07:00"], "Europe/Berlin", until) is None
        # One hour more when the clocks are set back.
        assert timedelta(0) < until - at <= timedelta(hours=10)


def test_messages_are_in_the_language_of_the_moment():
    detail = {
        "detail": "Nobody is measured (no usable picture comes): check the camera and its cable."
    }
    with speaking("de"):
        raised = one_message(document() | detail)
        ended = one_message(document("ended") | detail)
        storm = storm_message([document() | detail, document("ended"), about_campaign()])
        test = one_message({"id": "1.test", "event": "test",
                            "detail": "This is a test of the channel Shop; nothing is wrong."})  # fmt: skip
    assert raised.title == "Festplatte fast voll: Entrance (Berlin)"
    assert "Seit 2. März 2026, 13:00 Europe/Berlin (UTC+01:00)." in raised.text
    assert raised.document["detail"] == detail["detail"]
    texts = [raised, ended, storm, test]
    shown = " ".join(f"{one.title} {one.text}" for one in texts)
    for name in ("Entrance", "Spring drinks", "Shop", "The disk is full."):
        shown = shown.replace(name, "")
    assert english_in(shown.replace("It has 3 of 100 plays.", "")) == set()
