"""What a kiosk does with what its hub wants.

Also tests `applying.py`, `show.py` and `commands.py`.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from ads.errors import PlaylistError
from ads.playlists.loader import load_playlist
from db.hub.digests import key_digest
from monitor.backoff import Backoff
from monitor.uplink import applying, follower, media
from monitor.uplink.client import HubClient
from monitor.uplink.documents import CommandResult, sign
from monitor.uplink.follower import HubFollower
from monitor.uplink.key_file import delete_key, key_path, write_key
from monitor.uplink.stored_show import ShowFolder, stored_playlist
from tests.helpers.show_hub import Request, ShowHub, a_key, png
from tests.helpers.waiting import wait_until

RED, GREEN, BLUE = png((255, 0, 0)), png((0, 255, 0)), png((0, 0, 255))


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(follower, "ASK_S", 0.05)
    monkeypatch.setattr(follower, "TICK_S", 0.02)
    monkeypatch.setattr(follower, "CLOSE_S", 120.0)  # for a machine that is busy
    monkeypatch.setattr(applying, "PIECE_S", 0.001)


class FakeStage:
    """A show that switches as soon as a test lets it."""

    def __init__(self, local):
        self.local = local
        self.playlist = load_playlist(local)
        self.switched = []
        self.settled = True

    def begin(self, path):
        self.playlist = load_playlist(self.local)
        with suppress(PlaylistError):
            if path is not None:
                self.playlist = load_playlist(path)

    def load(self, playlist):
        return load_playlist(self.local if playlist is None else playlist)

    def switch(self, playlist):
        self.playlist = playlist
        self.switched.append([ad.ad_id for ad in playlist.ads])

    def shows(self, playlist):
        return self.playlist.path == playlist

    def has_settled(self):
        return self.settled


@pytest.fixture
def stage(tmp_path):
    (tmp_path / "local.png").write_bytes(png((9, 9, 9)))
    (tmp_path / "local.yaml").write_text("ads:\n  - file: local.png\n    duration_s: 2\n")
    return FakeStage(tmp_path / "local.yaml")


@pytest.fixture
def hub():
    return ShowHub()


@pytest.fixture
def address(hub):
    with hub.serving() as address:
        yield address


@pytest.fixture
def folder(database):
    return ShowFolder(database)


@pytest.fixture
def database(tmp_path):
    return tmp_path / "kiosk.db"


@pytest.fixture
def run(database, address, stage):
    """Start following; what was started is stopped at the end."""
    running = []
    write_key(key_path(database), a_key(address))

    def start(perform=lambda _order, _key: None, **more):
        for one in running:
            one.stop()
        stage.begin(stored_playlist(database))

        def membership():
            from monitor.uplink.key_file import read_key

            return read_key(key_path(database))

        one = HubFollower(
            database, membership, lambda key: HubClient(key.hub), stage, perform, **more
        )
        running.append(one)
        one.start()
        return one

    yield start
    for one in running:
        one.stop()


def test_a_published_show_takes_the_place_of_the_local_one(hub, run, stage, folder):
    hub.publish({"red": RED, "green": GREEN})
    one = run()
    wait_until(lambda: hub.states() == ["fetching 1", "applied 1"])
    assert stage.switched == [["red", "green"]]
    assert stage.playlist.path == folder.playlist
    assert (one.status.source, one.status.version, one.status.problem) == ("hub", 1, None)
    assert one.status.since is not None
    hub.publish({"blue": BLUE})
    wait_until(lambda: "applied 2" in hub.states())
    wait_until(lambda: len(list(folder.media.iterdir())) == 1)
    assert stage.switched[1:] == [["blue"]]


def test_media_stay_until_nothing_of_the_show_before_is_on_the_screen(hub, run, stage, folder):
    hub.publish({"red": RED})
    run()
    wait_until(lambda: "applied 1" in hub.states())
    stage.settled = False
    hub.publish({"blue": BLUE})
    wait_until(lambda: "applied 2" in hub.states())
    time.sleep(0.1)
    assert len(list(folder.media.iterdir())) == 2
    hub.publish({"green": GREEN})
    wait_until(lambda: "applied 3" in hub.states())
    assert len(list(folder.media.iterdir())) == 3
    stage.settled = True
    wait_until(lambda: len(list(folder.media.iterdir())) == 1)


def test_the_stored_show_is_shown_again_without_the_hub_and_reported_with_it(
    hub, run, stage, database, folder
):
    hub.publish({"red": RED})
    one = run()
    wait_until(lambda: "applied 1" in hub.states())
    one.stop()
    hub.reports.clear()
    # Damaged by a kill between two files: it is made from the document again.
    folder.playlist.write_text("ads: []\n")
    signed, hub.signed = hub.signed, None
    hub.key = "another"
    one = run()
    assert stage.playlist.path == folder.playlist
    assert [ad.ad_id for ad in stage.playlist.ads] == ["red"]
    wait_until(lambda: one.status.source == "hub")
    one.stop()
    hub.key, hub.signed = "k" * 43, signed
    run()
    wait_until(lambda: hub.states() == ["applied 1"])
    assert stage.switched == [["red"]], "nothing is switched that is shown already"


def test_media_that_were_deleted_are_fetched_again(hub, run, stage, folder):
    hub.publish({"red": RED, "blue": BLUE})
    one = run()
    wait_until(lambda: "applied 1" in hub.states())
    one.stop()
    for file in folder.media.iterdir():
        file.unlink()
    hub.reports.clear()
    run()
    wait_until(lambda: hub.states() == ["fetching 1", "applied 1"])
    assert stage.switched[-1] == ["red", "blue"]


@pytest.mark.parametrize("other", [GREEN.ljust(len(RED), b"\0")[: len(RED)], bytes(len(RED))])
def test_media_that_changed_on_the_disk_are_fetched_again(hub, run, stage, folder, other):
    hub.publish({"red": RED})
    one = run()
    wait_until(lambda: "applied 1" in hub.states())
    one.stop()
    [file] = folder.media.iterdir()
    file.write_bytes(other)
    hub.reports.clear()
    one = run()
    wait_until(lambda: hub.states() == ["fetching 1", "applied 1"])
    assert file.read_bytes() == RED
    one.stop()
    file.write_bytes(other)
    hub.publish({"red": RED, "blue": BLUE})
    run()
    wait_until(lambda: "applied 2" in hub.states())
    assert file.read_bytes() == RED


@pytest.mark.parametrize("odd", ["tampered", "foreign", "another screen"])
def test_a_document_that_is_not_the_hubs_for_this_screen_changes_nothing(hub, run, stage, odd):
    document = hub.publish({"red": RED})
    if odd == "tampered":
        hub.signed = hub.signed.model_copy(
            update={"document": hub.signed.document.replace('"red"', '"rod"')}
        )
    elif odd == "foreign":
        hub.signed = sign(document, key_digest("another key"))
    else:
        hub.publish({"red": RED}, screen="c" * 32)
    one = run()
    wait_until(lambda: one.status.problem is not None)
    assert "refused" in one.status.problem
    assert ("signature" in one.status.problem) == (odd != "another screen")
    time.sleep(0.2)
    assert stage.switched == []
    assert hub.reports == []
    hub.publish({"green": GREEN})
    wait_until(lambda: stage.switched == [["green"]])
    wait_until(lambda: one.status.problem is None)


def test_an_older_document_is_refused_unless_the_hub_comes_from_a_backup(hub, run, stage):
    old = hub.publish({"red": RED})
    hub.publish({"blue": BLUE})
    one = run()
    wait_until(lambda: "applied 2" in hub.states())
    hub.signed = sign(old, key_digest(hub.key))
    wait_until(lambda: one.status.problem is not None)
    assert "made before version 2" in one.status.problem
    assert stage.switched == [["blue"]]
    later = old.model_copy(update={"made_at": datetime(2026, 9, 1, tzinfo=UTC)})
    hub.signed = sign(later, key_digest(hub.key))
    wait_until(lambda: stage.switched == [["blue"], ["red"]])


def test_a_file_that_cannot_be_decoded_refuses_the_whole_show(hub, run, stage):
    hub.publish({"red": RED})
    one = run()
    wait_until(lambda: "applied 1" in hub.states())
    hub.publish({"blue": BLUE, "rubbish": b"no picture at all"})
    wait_until(lambda: "refused 2" in hub.states())
    assert stage.switched == [["red"]]
    reason = hub.reports[-1].reason
    assert reason.startswith("The ad rubbish cannot be shown here: its file")
    assert one.status.problem.endswith(reason)
    hub.publish({"green": GREEN})
    wait_until(lambda: "applied 3" in hub.states())
    assert one.status.problem is None


@pytest.mark.parametrize(
    ("playlist", "reason"),
    [
        ({"ads": []}, "The hub's playlist cannot be shown: "),
        ({"ads": [{"file": "FILE", "weight": -1}]}, "invalid 'weight'"),
        (
            {"ads": [{"file": "FILE", "duration_s": 2, "until": "2020-01-31"}]},
            "None of its ads would ever be shown",
        ),
        ({"ads": [{"file": "FILE"}]}, "a still picture without 'duration_s'"),
    ],
)
def test_a_playlist_that_cannot_be_shown_is_refused(hub, run, stage, playlist, reason):
    document = hub.publish({"red": RED})
    for ad in playlist["ads"]:
        ad["file"] = document.media[0].name
    media = document.media if playlist["ads"] else ()
    hub.document = document.model_copy(update={"playlist": playlist, "media": media})
    hub.signed = sign(hub.document, key_digest(hub.key))
    run()
    wait_until(lambda: "refused 1" in hub.states())
    assert reason in hub.reports[-1].reason
    assert stage.switched == []


def test_without_a_booking_the_local_playlist_is_shown(hub, run, stage, folder, database):
    hub.publish({"red": RED})
    one = run()
    wait_until(lambda: "applied 1" in hub.states())
    hub.publish(None)
    wait_until(lambda: "applied 2" in hub.states())
    assert stage.switched == [["red"], ["local"]]
    wait_until(lambda: not list(folder.media.iterdir()))
    assert one.status.source == "local"
    assert stored_playlist(database) is None
    hub.reports.clear()
    run()
    wait_until(lambda: hub.states() == ["applied 2"])


def test_a_disk_without_room_refuses_and_the_show_goes_on(hub, run, stage, monkeypatch):
    usage = media.shutil.disk_usage

    def full(path):
        return usage(path)._replace(total=100 * 10**9, free=10**9 + 100)

    monkeypatch.setattr(media.shutil, "disk_usage", full)
    hub.publish({"red": RED})
    run()
    wait_until(lambda: "refused 1" in hub.states())
    assert hub.reports[-1].reason.startswith("The disk is too full for the media")
    assert stage.switched == []


def test_what_exceeds_the_limit_is_refused(hub, run, stage):
    hub.publish({"red": RED})
    run(limit_bytes=len(RED) - 1)
    wait_until(lambda: "refused 1" in hub.states())
    assert "uplink.media_gb" in hub.reports[-1].reason


def test_a_damaged_download_is_fetched_anew_and_refused_after_three(hub, run, stage):
    spoilt = []

    def spoil(request, content, begin, end):
        spoilt.append(begin)
        if len(spoilt) > 2:
            return False
        span = f"bytes {begin}-{end}/{len(content)}"
        request.answer(206, bytes(end + 1 - begin), **{"Content-Range": span})
        return True

    hub.trouble = spoil
    hub.publish({"red": RED})
    run()
    wait_until(lambda: "applied 1" in hub.states())
    assert len(spoilt) == 3
    spoilt[:] = [-1] * -100
    hub.trouble = lambda request, content, begin, end: (
        request.answer(
            206, bytes(end + 1 - begin), **{"Content-Range": f"bytes {begin}-{end}/{len(content)}"}
        )
        or True
    )
    hub.publish({"blue": BLUE})
    wait_until(lambda: "refused 2" in hub.states())
    assert "damaged, 3 times in a row" in hub.reports[-1].reason
    assert stage.switched == [["red"]]


def test_a_command_is_done_once_and_answered_also_over_a_restart(hub, run, monkeypatch):
    monkeypatch.setattr(follower, "Backoff", lambda *_pauses, **_more: Backoff(0.05, 0.1))
    done = []

    def perform(order, key):
        done.append((order.kind, key.name))
        return CommandResult(succeeded=True, detail="Done.")

    hub.publish({"red": RED})
    hub.refused_posts = [503]
    hub.order("identify", "c" * 32)
    run(perform)
    wait_until(lambda: hub.results)
    run(perform)
    wait_until(lambda: len(hub.asked) > 20)
    assert done == [("identify", "Entrance")]
    assert hub.results == [("c" * 32, CommandResult(succeeded=True, detail="Done."))]
    hub.order("identify", "d" * 32, expires_s=-1)
    wait_until(lambda: len(hub.results) == 2)
    assert not hub.results[1][1].succeeded
    assert "expired" in hub.results[1][1].detail
    assert len(done) == 1


def test_a_restart_is_answered_by_the_kiosk_that_has_started_again(hub, run):
    hub.publish({"red": RED})
    hub.order("restart", "c" * 32)
    asked = []
    one = run(lambda order, _key: asked.append(order.kind))
    wait_until(lambda: asked)
    one.stop()
    assert hub.results == []
    run(lambda order, _key: asked.append(order.kind))
    wait_until(lambda: hub.results)
    assert asked == ["restart"]
    assert hub.results[0][1] == CommandResult(succeeded=True, detail="The kiosk has restarted.")


def test_settings_wait_for_the_next_start_and_wrong_ones_are_named(hub, run, database):
    wrong = {"window.volume": 0.5, "run.log": "none", "notice.languages": ["xx"]}
    hub.publish({"red": RED}, settings=wrong)
    run()
    wait_until(lambda: "applied 1" in hub.states())
    reason = hub.reports[-1].reason
    assert "run.log cannot be set by a hub." in reason
    assert "Invalid notice.languages" in reason
    assert reason.endswith("The settings apply at the next start of the kiosk.")
    hub.publish({"red": RED}, settings={"window.volume": 0.5})
    run(settings={"window.volume": 0.5})
    wait_until(lambda: "applied 2" in hub.states())
    assert hub.reports[-1].reason == ""


def test_leaving_the_hub_shows_the_local_playlist_and_deletes_what_it_sent(
    hub, run, stage, folder, database
):
    hub.publish({"red": RED})
    one = run()
    wait_until(lambda: "applied 1" in hub.states())
    stage.settled = False
    delete_key(key_path(database))
    wait_until(lambda: stage.switched == [["red"], ["local"]])
    time.sleep(0.1)
    assert folder.playlist.exists(), "its ad may still be on the screen"
    stage.settled = True
    wait_until(lambda: not folder.path.exists())
    assert one.status.source == "local"


@pytest.mark.parametrize("where", ["desired", "media", "the disk"])
def test_a_hang_holds_up_neither_the_show_nor_the_end(hub, run, stage, monkeypatch, where):
    hangs, going_on = threading.Event(), threading.Event()

    def hanging(then):
        def hang(*arguments):
            hangs.set()
            assert going_on.wait(60)
            return then(*arguments)

        return hang

    if where == "desired":
        monkeypatch.setattr(Request, "_desired", hanging(Request._desired))
    elif where == "media":
        hub.trouble = hanging(lambda *_arguments: False)
    else:
        stage.load = hanging(stage.load)
    monkeypatch.setattr(follower, "CLOSE_S", 0.1)
    hub.publish({"red": RED})
    one = run()
    assert hangs.wait(60), "the start did not wait"
    one.hint(99)
    one.stop()
    going_on.set()
    wait_until(lambda: "uplink-show" not in {thread.name for thread in threading.enumerate()})
    assert stage.switched == [], "nothing is shown after the end"


def test_a_hint_asks_at_once(hub, run, monkeypatch):
    monkeypatch.setattr(follower, "ASK_S", 3600)
    hub.publish({"red": RED})
    one = run()
    wait_until(lambda: "applied 1" in hub.states())
    hub.publish({"blue": BLUE})
    one.hint(1)
    time.sleep(0.2)
    assert "applied 2" not in hub.states()
    one.hint(2)
    wait_until(lambda: "applied 2" in hub.states())
