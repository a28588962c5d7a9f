"""Agencies: figures of their own ads, and nothing of anybody else's, by any route."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import MetaData, select, text, update
from werkzeug.routing import AnyConverter

from db.engine import writing
from db.hub import reports
from db.hub.alerts.channels import add_channel
from db.hub.alerts.raised import raise_alert
from db.hub.audit import note
from db.hub.library import folders
from db.hub.library.contents import EVERYTHING
from db.hub.people import accounts, api_keys, logins
from db.hub.screens import registry
from db.hub.shows import campaigns, playlists
from db.hub.tables.library import CreativeVersion, MediaFile
from db.hub.tables.people import User
from db.schema import Play
from monitor.settings.models import HubSettings
from monitor.settings.time_zone import local_zone
from monitor.web.app import close_app
from monitor.web.hub.changes import now
from monitor.web.hub_app import create_hub_app
from tests.helpers.library import add_creative

from .conftest import write_session

pytest.importorskip("argon2", reason="the extra `hub` is not installed")

PAGE = {"Origin": "http://localhost"}
MARK = "Zeta"
"""Is in each name that the agency must not see."""


@pytest.fixture
def app(tmp_path):
    """A hub that lets one visitor ask and send as often as this test does."""
    database = str(tmp_path / "hub.db")
    app = create_hub_app(HubSettings(database=database, rate_limit="100000 per minute"))
    yield app
    close_app(app)


@pytest.fixture
def agency(as_, engine):
    """The browser of an agency whose folder is `Mine`, with one ad."""
    browser = as_("agency")
    with writing(engine) as connection:
        uid = add_creative(connection, "summer", now(), "Mine")
        mine = folders.list_folders(connection, EVERYTHING)[0]
        which = update(User).where(User.role == "agency")
        connection.execute(which.values(folder_id=mine.id))
    browser.uid = uid
    return browser


@pytest.fixture
def others(engine):
    """What others have on this hub: ids by the blueprint and the name of the variable."""
    with writing(engine) as connection:
        at = now()
        uid = add_creative(connection, f"{MARK} ad", at, f"{MARK} folder", by=f"{MARK} person")
        folder = next(
            one for one in folders.list_folders(connection, EVERYTHING) if MARK in one.name
        )
        place = registry.Place(f"{MARK} screen", site=f"{MARK} site", group=f"{MARK} group")
        screen = registry.create_screen(connection, place, at)
        raise_alert(connection, screen.id, "camera", f"{MARK} detail", at)
        channel = add_channel(
            connection,
            at,
            name=f"{MARK} channel",
            kind="webhook",
            url="https://example.org/zeta",
            secret="whsec_x",  # noqa: S106 (of this test only)
        )
        _, rival = accounts.invite(
            connection, f"{MARK} rival", "agency", at, folder_id=folder.id, email="zeta@example.com"
        )
        api_keys.make_key(connection, rival.id, f"{MARK} key", at, scopes=["read"], expires_at=None)
        accounts.begin_login(connection, rival, at, agent=f"{MARK} browser")
        login = logins.open_logins(connection, at, user_id=rival.id)[0]
        key = api_keys.keys_of(connection, rival.id)[0]
        playlist = playlists.create_playlist(connection, f"{MARK} playlist", "x", at)
        plan = campaigns.CampaignPlan(
            f"{MARK} campaign", (uid,), date(2026, 1, 1), date(2026, 12, 31), "plays", 1000.0
        )
        campaign = campaigns.add_campaign(connection, plan, f"{MARK} person", at)
        report = reports.save_report(connection, rival.id, f"{MARK} report", {}, None, [], None, at)
        note(connection, f"{MARK} person", "zeta.act", f"{MARK} target", at)
    return {
        "uid": {
            "library": uid,
            "library_media": uid,
            "library_uploads": uid,
            "screens": screen.uid,
            "playlists": playlist.uid,
            "calendar": campaign,
            "builder": report,
        },
        "creative": uid,
        "folder": folder,
        "user_id": rival.id,
        "channel_id": channel.id,
        "login_id": login.id,
        "key_id": key.id,
    }


def addresses(app, others):
    """Yield endpoint, method and an address with the ids of others, for each route."""
    for rule in app.url_map.iter_rules():
        blueprint = rule.endpoint.partition(".")[0]
        uid = others["uid"].get(blueprint, others["creative"])
        uids = {uid}
        if "folder" in rule.rule:
            uids.add(others["folder"].uid)
        for one in uids:
            values = dict.fromkeys(rule.arguments, "1") | {"ending": "csv", "token": "x" * 43}
            values |= {"uid": one, "user_id": others["user_id"], "folder": others["folder"].uid}
            values |= {name: others[name] for name in ("channel_id", "login_id", "key_id")}
            values |= {"filename": "page.css", "rest": "x"}
            for name, converter in rule._converters.items():
                if isinstance(converter, AnyConverter):
                    values[name] = sorted(converter.items)[0]
            address = re.sub(r"<(?:[^<>]*:)?(\w+)>", r"{\1}", rule.rule).format(**values)
            for method in rule.methods - {"HEAD", "OPTIONS"}:
                yield rule.endpoint, method, address


def stored(engine):
    """Return all rows that the test's agency must not change, as text."""
    meta = MetaData()
    meta.reflect(engine)
    left_out = {"user_tokens", "audit_entries", "failed_attempts", "hub_secrets", "leases"}
    with engine.connect() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(select(table)).tuples()))
            for table in meta.sorted_tables
            if table.name not in left_out
        }


def test_no_route_tells_an_agency_of_others_or_lets_it_change_them(app, agency, others, engine):
    before = stored(engine)
    form = {
        "folder": others["folder"].uid,
        "creative": others["creative"],
        "name": "a.png",
        "size": "5",
        "role": "admin",
        "period": "month",
        "old": "not the password",
        "first_day": "",
        "last_day": "2030-12-31",
        "user_id": str(others["user_id"]),
    }
    query = {"folder": others["folder"].uid, "search": MARK, "site": f"{MARK} site", "text": MARK}
    told, wrong = [], []
    for endpoint, method, address in addresses(app, others):
        if endpoint in {"logout", "live.events"} or address.startswith("/hub/v1/"):
            continue  # Ends the login, or needs the key of a kiosk.
        for headers in (PAGE, PAGE | {"Accept": "text/html"}):
            sent = form if method == "POST" else None
            arguments = query if method == "GET" else None
            with agency.open(
                address, method=method, data=sent, query_string=arguments, headers=headers
            ) as answer:
                body = re.sub(r"(value=\"|\b(?:search|site|text)=)[^\"&]*", "", answer.text)
                if MARK in body or "zeta" in body or f"{MARK}" in str(answer.headers):
                    told.append(f"{method} {address}")
                if others["creative"] in address and answer.status_code not in {400, 403, 404, 405}:
                    wrong.append(f"{method} {address}: {answer.status_code}")
    assert agency.get("/my-ads").status_code == 200, "still logged in"
    assert not told
    assert not wrong
    after = stored(engine)
    changed = {name for name in before if before[name] != after.get(name)}
    assert changed <= {"users", "api_keys"}, "only its own account"
    assert [row for row in after["users"] if MARK in row] == [
        row for row in before["users"] if MARK in row
    ]


@pytest.fixture
def last_week(engine, tmp_path):
    """Twice the ad `summer`, in the whole week before this one, and who was there."""

    def write(viewers):
        zone = local_zone()
        today = datetime.now(UTC).astimezone(zone)
        monday = today.replace(hour=12, minute=0) - timedelta(days=today.weekday() + 7)
        write_session(str(tmp_path / "hub.db"), f"{MARK} site", monday.astimezone(UTC), viewers)
        with writing(engine) as connection:
            connection.execute(
                update(MediaFile)
                .where(
                    MediaFile.id.in_(
                        select(CreativeVersion.media_file_id).where(CreativeVersion.id == 1)
                    )
                )
                .values(sha256="ab" * 32)
            )
            assert connection.scalar(select(Play.id).limit(1)) is not None

    return write


def row_of(page, name):
    found = re.search(rf">{name}</a></th>(.*?)</tr>", page, re.DOTALL)
    return re.findall(r'<td class="n">(.*?)</td>', found[1])


def test_figures_of_ones_own_ads_and_of_no_screen(agency, last_week):
    last_week(viewers=6)
    page = agency.get("/my-ads").text
    plays, attention = row_of(page, "summer")
    assert plays == "1"
    assert attention not in {"0 s", "fewer than 5 viewers"}
    assert MARK not in page
    assert "winter" not in page
    assert agency.get("/").location == "/my-ads"


def test_attention_of_few_viewers_is_withheld(agency, last_week):
    last_week(viewers=4)
    assert row_of(agency.get("/my-ads").text, "summer") == ["1", "fewer than 5 viewers"]


def test_another_file_under_the_same_id_is_not_ones_own_ad(agency, last_week, engine):
    last_week(viewers=6)
    with writing(engine) as connection:
        connection.execute(text("UPDATE media_files SET sha256 = :other"), {"other": "cd" * 32})
    assert row_of(agency.get("/my-ads").text, "summer")[0] == "0"
    assert row_of(agency.get("/my-ads?period=month").text, "summer")[0] == "0"


def test_an_agency_without_a_folder_sees_no_figures(as_, engine):
    with writing(engine) as connection:
        add_creative(connection, f"{MARK} ad", now(), "Theirs")
    page = as_("agency").get("/my-ads").text
    assert MARK not in page
    assert "no ads in your folder" in page
