from __future__ import annotations

import os
from datetime import UTC, datetime

import av
import cv2
import numpy as np
import pytest

from db.engine import open_database, writing
from db.hub.people import accounts
from detector.sources.recording import Recording
from detector.sources.video_source import DEMO_VIDEO
from monitor.kiosk.doctor import _ads, _broker, _camera, _database, _hub, _log
from monitor.logs import default_log
from monitor.uplink.key_file import HubKey, key_path, write_key
from tests.helpers.mosquitto import mosquitto  # noqa: F401


@pytest.fixture(scope="module")
def sideways(tmp_path_factory):
    """The demo viewer as a camera sees her that is turned to the left."""
    path = tmp_path_factory.mktemp("clips") / "sideways.mp4"
    with Recording(DEMO_VIDEO) as viewer:
        image = viewer.read().image
    turned = np.ascontiguousarray(cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE))
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=50, options={"preset": "ultrafast"})
        stream.height, stream.width = turned.shape[:2]
        for _ in range(20):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(turned, format="bgr24")))
        out.mux(stream.encode())
    return str(path)


@pytest.mark.parametrize("rotate", [0, 180, 90])
def test_a_turned_camera_is_noticed(sideways, rotate):
    findings = {finding.name: finding for finding in _camera(sideways, rotate)}
    if rotate == 90:
        assert "; 1 face in view" in findings["camera"].found
        assert "mount" not in findings
    else:
        assert findings["mount"].state == "warn"
        assert findings["mount"].advice.endswith("try --rotate 90.")


def test_an_empty_room_is_not_turned(tmp_path):
    picture = np.random.default_rng(0).integers(90, 160, (240, 320, 3)).astype(np.uint8)
    path = tmp_path / "room.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=50)
        stream.width, stream.height = 320, 240
        for _ in range(5):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        out.mux(stream.encode())
    assert [finding.name for finding in _camera(str(path), 0)] == ["camera", "light"]


def test_it_says_where_the_log_is_and_how_large():
    finding = _log()
    assert (finding.state, finding.found) == (
        "ok",
        f"{default_log()} will be made by the first run",
    )
    default_log().parent.mkdir(parents=True)
    default_log().write_bytes(1_500_000 * b"x")
    default_log().with_name("run.log.1").write_bytes(2_000_000 * b"x")
    finding = _log()
    assert (finding.state, finding.found) == ("ok", f"{default_log()}, 3.5 MB with its old files")


def test_the_ads_of_the_kiosk_are_checked_not_only_the_bundled_ones(tmp_path):
    assert _ads(None).found == "the 5 bundled ads can be played"
    picture = np.random.default_rng(0).integers(0, 255, (90, 160, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "summer.png"), picture)
    (tmp_path / "notes.txt").write_text("no ad")
    finding = _ads(tmp_path)
    assert (finding.state, finding.found) == ("ok", f"all ads in {tmp_path} can be played: 1")
    (tmp_path / "winter.mp4").write_bytes(b"no video")
    finding = _ads(tmp_path)
    assert finding.state == "warn"
    assert finding.found.startswith(f"1 of 2 ads in {tmp_path} cannot be played: ")
    assert "winter.mp4" in finding.found
    assert "playlist check" in finding.advice
    finding = _ads(tmp_path / "nowhere")
    assert finding.state == "fail"
    assert "nowhere" in finding.found


def test_the_database_of_a_hub_is_a_finding(tmp_path):
    path = tmp_path / "hub.db"
    engine = open_database(str(path))
    with writing(engine) as connection:
        accounts.invite(connection, "anna", "admin", datetime.now(UTC))
    engine.dispose()
    finding = _database(str(path))
    assert finding.state == "fail"
    assert "is the database of a hub" in finding.found


@pytest.mark.parametrize("is_console", [True, False])
def test_a_kiosk_with_pages_of_its_own_has_no_hub(tmp_path, is_console):
    database, hub = tmp_path / "monitor.db", "http://127.0.0.1:8080"
    open_database(str(database)).dispose()
    names = {"kiosk": "a" * 32, "key": "k" * 43, "screen": "5" * 32, "name": "Shop 12"}
    write_key(key_path(database), HubKey(hub=hub, console=is_console, **names))
    found = next(finding.found for finding in _hub(str(database)))
    assert found == (
        f"none but this kiosk's own pages, {hub}; 0 records wait"
        if is_console
        else f"Shop 12 on {hub}; 0 records wait"
    )


def test_a_log_that_cannot_be_written(monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    finding = _log()
    assert finding.state == "warn"
    assert "--log" in finding.advice


def test_a_broker_is_asked_whether_it_accepts_the_kiosk(mosquitto):  # noqa: F811 (the fixture)
    place = f"127.0.0.1:{mosquitto.port}"
    assert list(_broker(None)) == []
    [away] = _broker(mosquitto.address)
    mosquitto.start()
    [refused] = _broker(f"mqtt://kiosk:wr0ng-pw@{place}")
    [accepted] = _broker(mosquitto.address)
    assert (away.state, refused.state, accepted.state) == ("warn", "warn", "ok")
    assert accepted.found == f"{place} accepts the kiosk"
    assert f"{place} cannot be used" in away.found
    assert "Not authorized" in refused.found
    assert "wr0ng-pw" not in refused.found + refused.advice
