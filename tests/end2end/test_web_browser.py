"""The web page in a real browser, with a real server and a session that is written meanwhile."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime, timedelta

import pytest

from db.engine import open_database
from db.write.records import (
    AdRecord,
    ModelRecord,
    PlayEnded,
    PlayStarted,
    ReadingRecord,
    SessionEnded,
    SessionRecord,
)
from db.write.session_writer import SessionWriter
from detector.emotion.labels import valence
from detector.emotion.model_card import read_card
from detector.emotion.model_store import shipped_default
from detector.emotion.prevalence import corrected_valence, group_scores, shares
from detector.types import Box, FaceReading, HeadPose
from monitor.reports.formatting import percent, signed
from tests.helpers.http_pictures import served

from .browsing import IN_A_BROWSER, browser, visit
from .serving import photo, serve

__all__ = ["browser", "photo", "serve", "visit"]

pytestmark = IN_A_BROWSER

PROBABILITIES = (0.05, 0.05, 0.05, 0.6, 0.05, 0.1, 0.1)


@pytest.fixture
def picture_server(photo):
    """Serves the photo at `/face.jpg`, and something else elsewhere."""
    with served(
        lambda path: photo if path == "/face.jpg" else b"<html>no picture</html>"
    ) as address:
        yield address


def reading(at, viewer, play, position_ms, probabilities=PROBABILITIES):
    face = FaceReading(
        viewer=viewer,
        captured_ns=0,
        box=Box(0.1, 0.1, 0.2, 0.2),
        probabilities=probabilities,
        valence=float(valence(probabilities)),
        expressiveness=0.9,
        uncertain=False,
        pose=HeadPose(0.0, 0.0, 0.0),
        attentive=True,
        quality=0.9,
    )
    return ReadingRecord(at, face, play, position_ms)


def shipped_model():
    card = read_card(shipped_default())
    return ModelRecord(card.name, card.sha256, card.model_dump(mode="json"))


def write_past_session(database: str) -> None:
    """Twelve plays of two ads, before four viewers each; most smile at one of them."""
    engine = open_database(database)
    start = datetime.now(UTC) - timedelta(days=1)
    session = SessionRecord("run", "Foyer", "0", start, "0.1.0", model=shipped_model())
    with SessionWriter(engine, session) as writer:
        for ad in ("summer", "winter"):
            writer.submit(AdRecord(ad, ad.title(), f"{ad}.mp4", "ab" * 32, "video", 4000))
        for number in range(1, 25):
            ad = "summer" if number % 2 else "winter"
            began = start + timedelta(seconds=5 * number)
            writer.submit(PlayStarted(number, ad, began, "next", 1.0))
            for step in range(8):
                for viewer in range(4):
                    at = began + timedelta(seconds=step / 2)
                    smiles = (ad == "summer") == ((number + viewer) % 5 > 0)
                    p = PROBABILITIES if smiles else (0.02,) * 6 + (0.88,)
                    writer.submit(reading(at, 10 * number + viewer, number, step * 500.0, p))
            writer.submit(PlayEnded(number, began + timedelta(seconds=4), "finished", 4000.0))
        writer.close(
            SessionEnded(
                start + timedelta(seconds=130), "finished", frames=600, dropped=0, fps=30.0
            )
        )
    engine.dispose()


DROP = """([text, name, kind]) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, {type: kind}));
  for (const type of ["dragenter", "dragover", "drop"])
    document.body.dispatchEvent(new DragEvent(type, {dataTransfer: data, bubbles: true, cancelable: true}));
}"""

PASTE = """([text]) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], "pasted.jpg", {type: "image/jpeg"}));
  document.body.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}));
}"""


def test_a_picture_by_address_by_file_by_drop_and_by_paste(
    serve, visit, picture_server, photo, tmp_path
):
    seen = visit(serve("--allow-network", "127.0.0.0/8"))
    tab = seen.go("/")
    tab.fill("#url", f"{picture_server}/face.jpg")
    tab.keyboard.press("Enter")
    tab.wait_for_selector(".result")
    assert tab.inner_text("h1") == "One face found"
    assert tab.locator(".face .bars li").count() == 7
    # The page's own policy lets the pictures in it be shown.
    assert tab.evaluate(
        "[...document.images].every((image) => image.complete && image.naturalWidth > 0)"
    )
    frame, box = tab.locator(".frame img").bounding_box(), tab.locator(".boxes .box").bounding_box()
    assert frame["x"] < box["x"] < frame["x"] + frame["width"]

    file = tmp_path / "face.jpg"
    file.write_bytes(photo)
    tab.set_input_files("#image", str(file))
    tab.wait_for_selector("text=face.jpg · 640")
    text = base64.b64encode(photo).decode()
    with tab.expect_navigation():
        tab.evaluate(DROP, [text, "dropped.jpg", "image/jpeg"])
    assert "dropped.jpg" in tab.inner_text(".when")
    with tab.expect_navigation():
        tab.evaluate(PASTE, [text])
    assert "pasted.jpg" in tab.inner_text(".when")
    tab.evaluate(DROP, [text, "letter.txt", "text/plain"])
    assert "not a picture" in tab.inner_text("#status")
    seen.check()


def test_it_works_without_a_script(serve, visit, photo, tmp_path):
    seen = visit(serve(), java_script_enabled=False)
    tab = seen.go("/")
    file = tmp_path / "face.jpg"
    file.write_bytes(photo)
    tab.set_input_files("#image", str(file))
    tab.click("#upload button")
    tab.wait_for_selector(".result")
    seen.check()


def test_what_is_wrong_is_said(serve, visit, picture_server):
    seen = visit(serve("--allow-network", "127.0.0.0/8"))
    tab = seen.go("/")
    for address, words in (
        (f"{picture_server}/page.html", "not a picture"),
        ("http://192.168.77.1/a.jpg", "not public"),
        ("picture.jpg", "begins with http"),
    ):
        tab.fill("#url", address)
        with tab.expect_navigation():
            tab.keyboard.press("Enter")
        assert words in tab.inner_text('[role="alert"]')
        assert tab.input_value("#url") == address
    # A browser writes every refused form down as an error; there is nothing else.
    assert len(seen.errors) == 3
    assert all("Failed to load resource" in error for error in seen.errors)


def test_the_printed_link_logs_in(program, serve, visit):
    token = "a-token-of-enough-length"  # noqa: S105 (for this test only)
    seen = visit(serve("--token", token))
    tab = seen.go(f"/login#token={token}")
    tab.wait_for_selector("text=Log out")
    assert token not in tab.url
    assert tab.inner_text("h1") == "What do these faces express?"
    tab.click("text=Log out")
    tab.wait_for_selector("#token")
    tab.fill("#token", "something quite different")
    tab.click("main button")
    assert "not the token" in tab.inner_text('[role="alert"]')


def test_the_live_page_follows_a_session(program, serve, visit):
    database = str(program.database)
    engine = open_database(database)
    seen = visit(serve("--min-viewers", "2"))
    now = datetime.now(UTC)
    session = SessionRecord("run", "Live Hall", "0", now, "0.1.0", model=shipped_model())
    with SessionWriter(engine, session) as writer:
        writer.submit(AdRecord("summer", "Summer drinks", "summer.mp4", "ab" * 32, "video", 8000))
        writer.submit(PlayStarted(1, "summer", now, "next", 1.0))
        tab = seen.go("/live")
        tab.wait_for_selector("#state.on")
        assert tab.inner_text("#viewers") == "0"

        def watched(viewers: int) -> None:
            deadline = time.monotonic() + 300
            while tab.inner_text("#viewers") != str(viewers) and time.monotonic() < deadline:
                at = datetime.now(UTC)
                for viewer in range(viewers):
                    writer.submit(reading(at, viewer, 1, 1000.0))
                tab.wait_for_timeout(200)
            assert tab.inner_text("#viewers") == str(viewers)

        watched(1)
        assert tab.inner_text("#valence") == "–"  # noqa: RUF001 (as the page shows it)
        watched(3)
        calibration = read_card(shipped_default()).prevalence
        scores = group_scores(PROBABILITIES, calibration)
        assert tab.inner_text("#valence") == signed(float(corrected_valence(scores)))
        happy = percent(float(shares(scores)[0]))
        assert tab.inner_text('#mood [data-group="happy"] .n') == happy
        assert tab.inner_text("#ad") == "Summer drinks"
        assert tab.locator("#curve polyline").count() == 1
        writer.close(SessionEnded(datetime.now(UTC), "finished"))
    tab.wait_for_selector("text=This session is over")
    engine.dispose()
    seen.check()


def test_sessions_reports_and_comparison(program, serve, visit):
    write_past_session(str(program.database))
    seen = visit(serve())
    tab = seen.go("/sessions")
    label = tab.locator("label[for=site]")
    assert label.bounding_box()["height"] < 1.9 * float(
        label.evaluate("one => parseFloat(getComputedStyle(one).fontSize)")
    ), "the label of the search is broken into two lines"
    tab.click("text=Foyer")
    tab.wait_for_selector(".web-bar")
    with tab.expect_download() as download:
        tab.click(".web-bar >> text=JSON")
    assert download.value.suggested_filename == "session-1.json"
    tab.click("text=All sessions")
    tab.click("nav >> text=Compare")
    tab.check("text=Summer")
    tab.check("text=Winter")
    tab.click("main button")
    tab.wait_for_selector(".verdict")
    assert "Winter is worse than Summer in valence" in tab.inner_text(".verdict")
    seen.check()


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]
)
def test_pages_are_accessible_and_fit(program, serve, visit, photo, tmp_path, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe")
    write_past_session(str(program.database))
    # The checker brings its own script, which the page's policy would rightly refuse.
    seen = visit(
        serve(), viewport={"width": width, "height": 860}, color_scheme=scheme, bypass_csp=True
    )
    file = tmp_path / "face.jpg"
    file.write_bytes(photo)

    def check(tab) -> None:
        found = axe.Axe().run(tab).response["violations"]
        bad = [
            (entry["id"], entry["nodes"][0]["target"])
            for entry in found
            if entry["impact"] in {"serious", "critical"}
        ]
        assert bad == [], tab.url
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, tab.url

    for path in (
        "/",
        "/sessions",
        "/sessions/1",
        "/sessions/1/live",
        "/compare?ad=summer&ad=winter",
        "/api",
    ):
        check(seen.go(path))
    tab = seen.go("/")
    tab.set_input_files("#image", str(file))
    tab.wait_for_selector(".result")
    check(tab)
    seen.check()
