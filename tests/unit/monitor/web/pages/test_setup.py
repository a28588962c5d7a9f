"""The set-up of a kiosk as pages: who gets in, what is asked, what is written."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
import yaml

from db.hub.people import accounts
from monitor.settings.console_order import ConsoleOrder
from monitor.settings.sources import SettingsFile
from monitor.web.kiosk_console import Console
from monitor.web.services import EXTENSION

pytestmark = pytest.mark.usefixtures("cheap_passwords")

PAGE = {"Origin": "http://localhost"}
SHOWN = "a-secret-of-the-window"
LONG_ENOUGH = "four unrelated words here"


@pytest.fixture(autouse=True)
def one_camera(monkeypatch):
    monkeypatch.setattr(
        "monitor.web.pages.setup.sources", lambda: [("/dev/v4l/by-id/usb-cam", "HD Pro Webcam")]
    )


@pytest.fixture
def console(tmp_path):
    order = ConsoleOrder(
        database=tmp_path / "kiosk.db", settings_file=tmp_path / "kiosk.yaml", setup=SHOWN
    )
    return Console(order)


@pytest.fixture
def browser(app):
    client = app.test_client()
    sent = client.post("/setup", data={"secret": SHOWN}, headers=PAGE)
    assert sent.location == "/setup/camera"
    return client


def send(client, path, **fields):
    return client.post(f"/setup/{path}", data=fields, headers=PAGE)


def names_in(folder):
    return sorted(file.name for file in folder.glob("*")) if folder.exists() else []


def picture():
    noise = np.random.default_rng(1).integers(0, 255, (90, 160, 3), dtype=np.uint8)
    return cv2.imencode(".png", noise)[1].tobytes()


def test_without_the_secret_nothing_is_shown_or_taken(app, console):
    stranger = app.test_client()
    for path in ("camera", "ads", "notice", "place", "check", "done"):
        assert stranger.get(f"/setup/{path}").location == "/setup"
        assert send(stranger, path, site="x", source="none").location == "/setup"
    assert "HD Pro" not in stranger.get("/setup").text
    assert stranger.post("/setup", data={"secret": "guessed"}, headers=PAGE).status_code == 403
    assert console.draft.source is None
    foreign = {"Origin": "http://elsewhere.example"}
    assert stranger.post("/setup", data={"secret": SHOWN}, headers=foreign).status_code == 403


def test_guessing_is_limited(app):
    stranger = app.test_client()
    answers = [
        stranger.post("/setup", data={"secret": f"guess {n}"}, headers=PAGE).status_code
        for n in range(12)
    ]
    assert answers == [403] * 10 + [429] * 2


def test_another_browser_with_the_secret_puts_the_first_one_out(app, browser):
    assert browser.get("/setup/camera").status_code == 200
    other = app.test_client()
    other.post("/setup", data={"secret": SHOWN}, headers=PAGE)
    assert browser.get("/setup/camera").location == "/setup"
    assert other.get("/setup/camera").status_code == 200


def test_the_secret_opens_no_account_that_somebody_else_made(app, browser, console):
    account = {"site": "Shop", "password": LONG_ENOUGH, "again": LONG_ENOUGH}
    assert send(browser, "place", **account).location == "/setup/check"
    other = app.test_client()
    other.post("/setup", data={"secret": SHOWN}, headers=PAGE)
    assert send(other, "check").location == "/setup/done"
    assert console.is_done
    assert other.get_cookie("ad_monitor_hub") is None
    assert other.get("/settings").status_code == 401


def test_the_five_steps_write_the_file_and_make_the_account(app, browser, console, tmp_path):
    told = []
    console.restart = lambda: told.append("set up")
    assert "HD Pro Webcam" in browser.get("/setup/camera").text
    assert send(browser, "camera", source="/dev/v4l/by-id/usb-cam").location == "/setup/ads"
    files = [(io.BytesIO(picture()), name) for name in ("../summer.png", "winter ü.PNG")]
    assert send(browser, "ads", files=files).location == "/setup/ads"
    assert names_in(tmp_path / "ads") == ["summer.png", "winter ü.png"]
    assert "2 ads of your own" in browser.get("/setup/ads").text
    assert send(browser, "ads", remove="winter ü.png").location == "/setup/ads"
    assert send(browser, "ads", ads="own").location == "/setup/notice"
    assert "No images are stored." in browser.get("/setup/notice").text
    sent = send(browser, "notice", languages=["de", "en", "xx"], url="https://shop.example/p")
    assert sent.location == "/setup/place"
    assert "Where is this kiosk?" in browser.get("/setup/place").text
    place = {"site": " Shop   12 ", "time_zone": "Europe/Berlin", "shared": "yes"}
    sent = send(browser, "place", **place, password=LONG_ENOUGH, again=LONG_ENOUGH)
    assert sent.location == "/setup/check"
    page = browser.get("/setup/check").text
    for words in ("HD Pro Webcam", "1 ad of your own", "Deutsch, English", "Shop 12"):
        assert words in page
    sent = send(browser, "check")
    assert (sent.status_code, sent.location) == (303, "/setup/done")
    assert told == ["set up"]
    assert SettingsFile(tmp_path / "kiosk.yaml").values == {
        "camera.source": "/dev/v4l/by-id/usb-cam",
        "ads.playlist": str(tmp_path / "ads"),
        "notice.languages": ["de", "en"],
        "notice.url": "https://shop.example/p",
        "data.site": "Shop 12",
        "data.timezone": "Europe/Berlin",
        "console.enabled": True,
        "console.host": "0.0.0.0",  # noqa: S104
    }
    assert "The kiosk is set up" in browser.get("/setup/done").text
    assert browser.get("/screens").status_code == 200  # logged in
    with app.extensions[EXTENSION].engine.connect() as connection:
        [member] = accounts.members(connection)
    assert (member.account.name, member.account.role, member.account.has_password) == (
        "admin",
        "admin",
        True,
    )
    # The secret is void.
    again = app.test_client()
    assert again.post("/setup", data={"secret": SHOWN}, headers=PAGE).status_code == 403
    assert str(tmp_path) not in again.get("/setup/done").text


def test_mistakes_are_said_beside_their_field_and_nothing_is_made(app, browser, console):
    page = send(browser, "camera", source="address", address="ftp://camera").text
    assert "Expected an address that begins with http, https or rtsp." in page
    assert 'value="address" checked' in page
    assert 'value="ftp://camera"' in page
    typed = {"site": "", "time_zone": "Mars/Base", "password": "short", "again": "short"}
    page = send(browser, "place", **typed).text
    for words in (
        "Expected a name for the site",
        "xpected the name of a time zone such as Europe/Berlin",
        "The password has 5 characters",
    ):
        assert words in page
    page = send(browser, "place", site="a", time_zone="", password=LONG_ENOUGH, again="x").text
    assert "The two passwords differ" in page
    assert send(browser, "check").location == "/setup/place"
    assert not console.order.settings_file.exists()


def test_the_password_of_a_camera_is_kept_and_never_shown(browser, console):
    typed = "rtsp://admin:orchard@camera.local/stream"
    sent = send(browser, "camera", source="address", address=typed)
    assert sent.location == "/setup/ads"
    page = browser.get("/setup/camera").text
    hidden = "rtsp://admin:***@camera.local/stream"
    assert 'value="address" checked' in page
    assert f'value="{hidden}"' in page
    sent = send(browser, "camera", source="address", address=hidden)
    assert (sent.location, console.draft.source) == ("/setup/ads", typed)
    send(browser, "place", site="Shop 12", password=LONG_ENOUGH, again=LONG_ENOUGH)
    checked = browser.get("/setup/check").text
    assert hidden in checked
    assert "orchard" not in page + checked
    browser.set_cookie("ad_monitor_language", "de")
    assert ">Ändern<" in browser.get("/setup/check").text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("virus.exe", b"MZ"),
        ("picture.png", b"no picture at all"),
        ("clip.mp4", b"\0" * 2000),
        ("..", b"x"),
        (".hidden.png", b"x"),
    ],
)
def test_what_is_no_ad_is_refused_in_words_and_leaves_nothing(browser, tmp_path, name, content):
    page = send(browser, "ads", files=[(io.BytesIO(content), name)]).text
    assert "cannot be used" in page
    folder = tmp_path / "ads"
    assert names_in(folder) == []
    assert "There are no ads of your own yet" in send(browser, "ads", ads="own").text


def test_a_file_that_cannot_be_written_is_said_and_the_set_up_stays_open(
    browser, console, monkeypatch
):
    send(browser, "place", site="a", time_zone="", password=LONG_ENOUGH, again=LONG_ENOUGH)
    console.order.settings_file.write_text("data: [wrong\n")
    page = send(browser, "check").text
    assert "is not valid YAML" in page
    assert not console.is_done


def test_an_existing_file_keeps_its_comments_and_what_is_not_asked(browser, console):
    console.order.settings_file.write_text("# ours\nwindow:\n  volume: 0.5  # quiet\n")
    send(browser, "camera", source="none")
    send(browser, "place", site="a", time_zone="", password=LONG_ENOUGH, again=LONG_ENOUGH)
    assert send(browser, "check").location == "/setup/done"
    text = console.order.settings_file.read_text()
    assert text.startswith("# ours\nwindow:\n  volume: 0.5  # quiet\n")
    assert yaml.safe_load(text)["camera"] == {"enabled": False}
