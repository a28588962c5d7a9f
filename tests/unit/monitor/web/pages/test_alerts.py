"""The pages of alerts: what they show, who may change channels, and that no secret is shown."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from db.engine import writing
from db.hub.alerts.channels import add_channel, find_channel
from db.hub.alerts.raised import end_alert, raise_alert, raise_campaign_alert
from db.hub.shows.campaigns import CampaignPlan, add_campaign, find_campaign
from db.hub.tables.alerts import Channel, Delivery
from db.hub.tables.people import AuditEntry
from monitor.settings.models import HubSettings
from monitor.web.app import close_app
from monitor.web.hub_app import create_hub_app
from monitor.web.pages.alerts import PAGE_SIZE
from tests.helpers.hub_rows import add_screen
from tests.helpers.webhook_receiver import receiver

pytest.importorskip("argon2", reason="the extra `hub` is not installed")

PAGE = {"Origin": "http://localhost"}
ADDRESS = "https://198.51.100.7/hook/very-secret"


@pytest.fixture
def app(tmp_path):
    networks = ("127.0.0.0/8", "198.51.100.0/24")
    app = create_hub_app(HubSettings(database=str(tmp_path / "hub.db"), networks=networks))
    yield app
    close_app(app)


@pytest.fixture
def channel(engine):
    """A webhook that no request reaches."""
    with writing(engine) as connection:
        return add_channel(
            connection,
            datetime.now(UTC),
            name="night",
            kind="webhook",
            url=ADDRESS,
            secret="whsec_c2VjcmV0",  # noqa: S106 (a test's)
            alert_kinds=("disk",),
            quiet_hours=("22:00-07:00",),
            time_zone="Europe/Berlin",
        )


def shown(response):
    """The text of a page, without tags and repeated spaces."""
    text = re.sub(r"<[^>]+>", " ", response.get_data(as_text=True))
    return re.sub(r"\s+", " ", text)


def change(engine, function, *arguments):
    with writing(engine) as connection:
        return function(connection, *arguments)


def fields(**changes):
    known = {"name": "operators", "url": ADDRESS, "quiet_hours": "", "time_zone": "UTC"}
    return known | changes


def actions(engine):
    with engine.connect() as connection:
        query = select(AuditEntry.action, AuditEntry.actor, AuditEntry.target)
        return [tuple(row) for row in connection.execute(query.order_by(AuditEntry.id))]


def test_open_and_past_alerts_are_listed_with_their_screens(engine, as_):
    now = datetime.now(UTC)
    hall, till = add_screen(engine, "Hall"), add_screen(engine, "Till", site="Oslo")
    change(engine, raise_alert, hall, "disk", "It <b>is</b> full.", now - timedelta(hours=2))
    change(engine, raise_alert, till, "silent", "It is dark.", now - timedelta(hours=1))
    change(engine, end_alert, till, "silent", now - timedelta(minutes=30))
    viewer = as_("viewer")
    page = viewer.get("/alerts")
    text = shown(page)
    assert "1 open alert" in text
    assert "It &lt;b&gt;is&lt;/b&gt; full." in page.get_data(as_text=True)
    assert "30 min" in text
    assert "Alerts are not sent anywhere yet" in text
    only_oslo = shown(viewer.get("/alerts?site=Oslo"))
    assert "No open alerts" in only_oslo
    assert "It is dark." in only_oslo
    assert "It is dark." not in shown(viewer.get("/alerts?kind=disk"))
    assert "It is dark." not in shown(viewer.get("/alerts?group=South"))


def test_an_alert_about_a_campaign_leads_to_it(engine, as_):
    now = datetime.now(UTC)
    day = now.date()
    plan = CampaignPlan("Spring <b>", (), day, day, "plays", 100)
    with writing(engine) as connection:
        uid = add_campaign(connection, plan, "eva", now)
        row = find_campaign(connection, uid).id
        raise_campaign_alert(connection, row, "It has 3 of 100 plays.", now)
    page = as_("viewer").get("/alerts").get_data(as_text=True)
    assert f'href="/campaigns/{uid}">Spring &lt;b&gt;</a>' in page
    assert "Campaign behind" in page
    assert "It has 3 of 100 plays." in page
    home = as_("viewer").get("/").get_data(as_text=True)
    assert home.count(f"/campaigns/{uid}") == 1


def test_past_alerts_come_page_by_page(engine, as_):
    screen, now = add_screen(engine), datetime.now(UTC)
    with writing(engine) as connection:
        for number in range(PAGE_SIZE + 1):
            at = now - timedelta(hours=number + 1)
            raise_alert(connection, screen, "disk", f"Number {number}.", at)
            end_alert(connection, screen, "disk", at)
    viewer = as_("viewer")
    assert "Page 1 of 2" in shown(viewer.get("/alerts?kind=disk"))
    last = viewer.get("/alerts?kind=disk&page=2")
    assert f"Number {PAGE_SIZE}." in shown(last)
    assert "kind=disk" in last.get_data(as_text=True)
    assert viewer.get("/alerts?page=3").status_code == 404


def test_an_empty_hub_has_pages_too(as_):
    viewer = as_("viewer")
    for address, words in {
        "/alerts": "A screen that falls silent, loses its camera",
        "/alerts/channels": "no channels yet",
        "/alerts/deliveries": "Each alert that is sent to a channel appears here",
    }.items():
        page = viewer.get(address)
        assert page.status_code == 200
        assert words in shown(page)


def test_a_webhook_is_added_and_its_secret_shown_once(engine, operator):
    form = fields(quiet_hours="22:00-07:00", time_zone="Europe/Berlin", kind=["disk", "silent"])
    page = operator.post("/alerts/channels", data=form, headers=PAGE)
    assert page.status_code == 201
    with engine.connect() as connection:
        added = find_channel(connection, "operators")
    assert added.secret in page.get_data(as_text=True)
    assert (added.kind, added.alert_kinds) == ("webhook", ("disk", "silent"))
    assert (added.quiet_hours, added.time_zone) == (("22:00-07:00",), "Europe/Berlin")
    again = operator.get("/alerts/channels").get_data(as_text=True)
    assert added.secret not in again
    assert actions(engine)[-1] == ("channel.add", "the operator", "channel operators")


REFUSED = [
    ({"name": " "}, "Give the channel a name"),
    ({"name": "night"}, "already"),
    ({"url": ""}, "Give the channel a name, and the address"),
    ({"url": "https://10.1.2.3/hook"}, "--allow-network"),
    ({"url": "https://anna:geheim@example.org/"}, "not spelt right"),
    ({"quiet_hours": "at night"}, "08:00-12:00"),
    ({"quiet_hours": "00:00-24:00"}, "quiet hours that end"),
    ({"time_zone": "Berlin"}, "Europe/Berlin"),
    ({"kind": "bad luck"}, "no such kind of alert"),
]
"""What is wrong in a form, and what is said of it."""


def test_a_form_that_cannot_be_used_says_why(engine, operator, channel):
    for changes, expected in REFUSED:
        page = operator.post("/alerts/channels", data=fields(**changes), headers=PAGE)
        assert page.status_code == 400, changes
        assert expected in shown(page)
    with engine.connect() as connection:
        assert connection.scalars(select(Channel.name)).all() == [channel.name]


def test_no_page_and_no_log_shows_the_address_or_the_secret(engine, as_, channel):
    screen = add_screen(engine)
    change(engine, raise_alert, screen, "disk", "It is full.", datetime.now(UTC))
    admin = as_("admin")
    admin.post(f"/alerts/channels/{channel.id}/remove", headers=PAGE)
    admin.post("/alerts/channels", data=fields(), headers=PAGE)
    for address in ("/alerts", "/alerts/channels", "/alerts/deliveries"):
        page = admin.get(address).get_data(as_text=True)
        assert "very-secret" not in page
        assert "whsec_" not in page
    assert "https://198.51.100.7/…" in admin.get("/alerts/channels").get_data(as_text=True)
    with engine.connect() as connection:
        for before, after in connection.execute(select(AuditEntry.before, AuditEntry.after)):
            assert "secret" not in f"{before}{after}"


def test_a_channel_is_tested_disabled_enabled_and_removed(engine, operator):
    with receiver() as (url, received):
        operator.post("/alerts/channels", data=fields(url=url), headers=PAGE)
        with engine.connect() as connection:
            channel = find_channel(connection, "operators")
        address = f"/alerts/channels/{channel.id}"
        done = operator.post(f"{address}/test", headers=PAGE, follow_redirects=True)
    assert len(received) == 1
    assert "The test message was sent" in shown(done)
    assert "Test of alerts operators" in shown(operator.get("/alerts/deliveries"))
    for view, words in (
        ("disable", "disabled since"),
        ("enable", "in use"),
        ("remove", "no channels yet"),
    ):
        done = operator.post(f"{address}/{view}", headers=PAGE, follow_redirects=True)
        assert words in shown(done)
    assert operator.post(f"{address}/disable", headers=PAGE).status_code == 404
    assert [action for action, *_ in actions(engine)][-4:] == [
        *("channel.add", "channel.disable", "channel.enable", "channel.remove")
    ]


def test_a_test_that_does_not_arrive_says_why_and_is_logged(engine, operator):
    with receiver(503) as (url, _):
        operator.post("/alerts/channels", data=fields(url=url), headers=PAGE)
        with engine.connect() as connection:
            channel = find_channel(connection, "operators")
        page = operator.post(f"/alerts/channels/{channel.id}/test", headers=PAGE)
    assert "status 503" in shown(page)
    log = shown(operator.get("/alerts/deliveries?channel=operators"))
    assert "Not delivered: the server answered with status 503" in log


@pytest.mark.usefixtures("channel")
def test_the_log_tells_what_waits_and_what_was_given_up(engine, as_):
    screen = add_screen(engine)
    change(engine, raise_alert, screen, "disk", "It is full.", datetime.now(UTC))
    viewer = as_("viewer")
    assert "Disk almost full: Entrance (Berlin)" in shown(viewer.get("/alerts/deliveries"))
    assert "waits" in shown(viewer.get("/alerts/deliveries"))
    with writing(engine) as connection:
        values = {"next_at": None, "error": "It is down. Given up after three days."}
        connection.execute(Delivery.__table__.update().values(**values))
    assert "Given up after three days" in shown(viewer.get("/alerts/deliveries"))
    assert "Nothing was sent" in shown(viewer.get("/alerts/deliveries?channel=other"))


def test_only_operators_and_administrators_may_change_channels(as_, channel):
    address = f"/alerts/channels/{channel.id}"
    views = ("/alerts/channels", *(f"{address}/{view}" for view in ("test", "disable", "remove")))
    for role in ("viewer", "editor", "approver", "agency"):
        browser = as_(role)
        for view in views:
            assert browser.post(view, data=fields(), headers=PAGE).status_code == 403
        if role != "agency":
            page = browser.get("/alerts/channels").get_data(as_text=True)
            assert "night" in page
            assert "<button" not in page.partition("<main")[2].partition("</main>")[0]


def test_another_page_cannot_change_channels_in_somebodys_name(engine, operator, channel):
    answer = operator.post(
        f"/alerts/channels/{channel.id}/remove", headers={"Origin": "https://evil.example"}
    )
    assert answer.status_code == 403
    with engine.connect() as connection:
        assert find_channel(connection, "night")
