from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from monitor.languages import speaking
from monitor.sensor.live import LiveView, SensorHealth
from monitor.ui.operator.facts import (
    MIN_FREE_GB,
    SHOWN_PROBLEMS,
    Pages,
    SessionFacts,
    minutes,
    sections,
    uptime,
)
from monitor.ui.texts import texts_for
from monitor.uplink.status import ShowStatus, UplinkStatus
from tests.helpers.german import english_in

ENGLISH, GERMAN = texts_for("en"), texts_for("de")
HOUR_NS = 3_600_000_000_000


def ad(name="Summer drinks", duration_s=8.0):
    return SimpleNamespace(ad_id="summer-01", name=name, duration_s=duration_s)


def play(reason="next in the playlist", probability=1.0):
    return SimpleNamespace(ad=ad(), reason=reason, probability=probability)


def choice(reason="made for a sad audience", probability=0.35, held_out=False):
    return SimpleNamespace(
        ad=ad("Winter tea"), reason=reason, probability=probability, held_out=held_out
    )


def failure(number=1):
    at = datetime(2026, 3, 1, 9, 14, number, tzinfo=UTC)
    return SimpleNamespace(at=at, ad_id=f"ad{number}", sentence=f"Sentence {number}.")


@pytest.fixture
def session(tmp_path):
    return SessionFacts(
        12, "Shop 12", "camera 0", str(tmp_path / "monitor.db"), tmp_path, "0.1.0", 0
    )


def rows(
    player,
    *,
    texts=ENGLISH,
    view=None,
    notice="shown",
    session=None,
    saver="desktop",
    now_ns=HOUR_NS,
):
    """All rows under their labels; a row without a label belongs to the one above."""
    found = {}
    for section in sections(
        texts, view=view, notice=notice, show=player, session=session, saver=saver, now_ns=now_ns
    ):
        label = ""
        for row in section.rows:
            label = row.label or label
            found.setdefault(section.title, {}).setdefault(label, []).append(row)
    return found


def words(found, section, label):
    return [row.text for row in found[section][label]]


@pytest.fixture
def player(player):
    player.current = None
    return player


def test_how_the_sensor_is_doing(player, make_view, make_reading):
    view = make_view(
        make_reading(1),
        make_reading(2, attentive=False, withheld="too dark"),
        make_reading(3, static=True),
    )
    found = rows(player, view=view)
    assert words(found, "Measuring", "Sensor") == ["measuring"]
    assert words(found, "Measuring", "Frame rate") == ["29.6\N{NO-BREAK SPACE}frames/s"]
    assert words(found, "Measuring", "Delay") == ["20\N{NO-BREAK SPACE}ms from frame to reading"]
    assert words(found, "Measuring", "Skipped") == ["3 of 103 frames"]
    assert words(found, "Measuring", "Faces now") == [
        "2 viewers · 1 looking · 1 without emotion · 1 on posters"
    ]
    assert {row.tone for label in found["Measuring"].values() for row in label} == {"good", "plain"}


def test_a_machine_that_is_too_slow_is_named(player, make_view):
    view = make_view()
    [row] = rows(player, view=LiveView(SensorHealth("running", effort=0.4), view.frame))[
        "Measuring"
    ]["Machine"]
    assert (row.text, row.tone) == ("too slow: search for new faces at 40%", "warning")
    assert "Machine" not in rows(player, view=view)["Measuring"]


def test_a_delay_that_is_not_known_is_left_out(player, make_view):
    view = make_view()
    health = SensorHealth("running", "", 0, 0, 0.0)
    found = rows(player, view=LiveView(health, view.frame))
    assert "Delay" not in found["Measuring"]
    assert words(found, "Measuring", "Faces now") == ["nobody in view"]


@pytest.mark.parametrize(
    ("state", "tone"),
    [("reconnecting", "warning"), ("restarting", "warning"), ("unavailable", "fault")],
)
def test_old_figures_are_not_shown_while_nothing_is_measured(
    player, make_view, make_reading, state, tone
):
    found = rows(
        player, view=make_view(make_reading(), state=state, detail="Camera 0 was unplugged.")
    )
    [sensor] = found["Measuring"]["Sensor"]
    assert sensor.text == f"{ENGLISH[f'state_{state}']}: Camera 0 was unplugged."
    assert sensor.tone == tone
    assert words(found, "Measuring", "Faces now") == ["not measured"]
    assert "Frame rate" not in found["Measuring"]


def test_the_panel_says_why_nothing_is_measured(player):
    health = SensorHealth("blind", "The picture is black.", cause="camera_black")
    [sensor] = rows(player, view=LiveView(health))["Measuring"]["Sensor"]
    assert (sensor.text, sensor.tone) == ("too dark: The picture is black.", "warning")


def test_before_the_first_view(player):
    assert words(rows(player), "Measuring", "Sensor") == ["camera starting"]


@pytest.mark.parametrize(
    ("notice", "said"),
    [
        ("shown", []),
        ("waiting", ["waiting until the notice is visible"]),
        ("hidden", ["paused: the notice is not visible"]),
    ],
)
def test_that_measuring_waits_for_the_notice(player, make_view, notice, said):
    assert words(rows(player, view=make_view(), notice=notice), "Measuring", "Sensor")[1:] == said


def test_what_plays_and_what_follows_and_why(player):
    player.current, player.position_ms, player.next_choice = play(), 3_400.0, choice()
    found = rows(player)
    assert words(found, "Ads", "Now") == ["Summer drinks", "0:03 of 0:08"]
    assert found["Ads"]["Now"][0].share == pytest.approx(3.4 / 8)
    assert words(found, "Ads", "Next") == ["Winter tea"]
    assert words(found, "Ads", "Reason") == [
        "next in the playlist",
        "made for a sad audience (chance 35%)",
    ]
    player.next_choice = choice("drawn by chance", 0.0125, held_out=True)
    assert words(rows(player), "Ads", "Reason")[1] == (
        "drawn by chance (chance 1.2%; control group, audience ignored)"
    )


def test_nothing_plays_and_nothing_is_chosen(player):
    found = rows(player)
    assert words(found, "Ads", "Now") == ["nothing"]
    assert words(found, "Ads", "Next") == ["not chosen yet"]
    assert "Reason" not in found["Ads"]


def test_a_paused_show_and_a_position_beyond_the_end(player):
    player.current, player.position_ms, player.paused = play(), 9_999.0, True
    now = rows(player)["Ads"]["Now"]
    assert [row.text for row in now] == ["Summer drinks", "0:08 of 0:08 · paused"]
    assert now[0].share == 1.0
    assert now[1].tone == "warning"


def test_late_pictures_are_counted_where_there_are_any(player):
    assert "Late" not in rows(player)["Ads"]
    player.dropped_frames = 7
    assert words(rows(player), "Ads", "Late") == ["ad frames not ready in time: 7"]


def test_the_last_problems_come_newest_first(player):
    assert words(rows(player), "Last problems", "") == ["none"]
    player.failures = tuple(failure(number) for number in range(1, 8))
    found = rows(player)["Last problems"]
    assert list(found) == ["09:14:07", "09:14:06", "09:14:05", "09:14:04"]
    assert len(found) == SHOWN_PROBLEMS
    [newest] = found["09:14:07"]
    assert newest.text == "ad7: Sentence 7."
    assert newest.tone == "warning"


def test_ads_that_were_left_out_follow_what_failed(player, session):
    told = replace(session, left_out=lambda: [("giant", "giant.png claims too much.")])
    assert (
        rows(player, session=told)["Last problems"]["skipped"][0].text
        == "giant: giant.png claims too much."
    )
    assert "übersprungen" in rows(player, session=told, texts=GERMAN)["Letzte Störungen"]


def test_a_playlist_that_was_refused(player, session):
    assert "Playlist" not in rows(player, session=session)["Ads"]
    refused = SessionFacts(
        1,
        "s",
        "c",
        "d",
        None,
        "v",
        0,
        playlist_problem=lambda: "It has the unknown key 'duration'.",
    )
    [row] = rows(player, session=refused)["Ads"]["Playlist"]
    assert row.text == "The previous playlist stays in use. It has the unknown key 'duration'."
    assert row.tone == "warning"


def test_records_that_wait(player, session):
    told = replace(session, database_problem=lambda: "7 records wait: the disk is full.")
    _, row = rows(player, session=told)["System"]["Database"]
    assert (row.text, row.tone) == ("7 records wait: the disk is full.", "warning")


def test_the_system(player, session, tmp_path):
    found = rows(player, session=session, now_ns=25 * HOUR_NS)
    assert words(found, "System", "Session") == ["12 at Shop 12"]
    assert words(found, "System", "Uptime") == [
        "1\N{NO-BREAK SPACE}d 1\N{NO-BREAK SPACE}h 00\N{NO-BREAK SPACE}min"
    ]
    assert words(found, "System", "Camera") == ["camera 0"]
    assert words(found, "System", "Database") == [str(tmp_path / "monitor.db")]
    assert words(found, "System", "Free disk")[0].endswith("\N{NO-BREAK SPACE}GB")
    assert words(found, "System", "Version") == ["0.1.0"]


def test_a_full_disk_and_one_that_is_gone(player, session, monkeypatch):
    usage = SimpleNamespace(free=0.9 * MIN_FREE_GB * 1e9)
    monkeypatch.setattr("monitor.ui.operator.facts.shutil.disk_usage", lambda _folder: usage)
    [row] = rows(player, session=session)["System"]["Free disk"]
    assert (row.text, row.tone) == (
        "1.8\N{NO-BREAK SPACE}GB: make room, or recording stops soon",
        "fault",
    )
    usage.free = 1.1 * MIN_FREE_GB * 1e9
    assert (
        rows(player, session=session, texts=GERMAN)["System"]["Freier Platz"][0].text
        == "2,2\N{NO-BREAK SPACE}GB"
    )
    monkeypatch.undo()
    gone = SessionFacts(1, "s", "c", "d", Path("/nowhere/at/all"), "v", 0)
    [row] = rows(player, session=gone)["System"]["Free disk"]
    assert (row.text, row.tone) == ("unknown", "warning")


def test_a_database_server_has_no_disk_here(player):
    server = SessionFacts(1, "s", "c", "postgresql://monitor:secret@host/ads", None, "v", 0)
    found = rows(player, session=server)["System"]
    assert "Free disk" not in found
    assert found["Database"][0].text == "postgresql://monitor:***@host/ads"


def test_a_screen_saver_that_may_come_is_a_warning(player):
    assert [row.tone for row in rows(player, saver="none")["System"]["Screen saver"]] == ["warning"]
    assert [row.tone for row in rows(player, saver="x11")["System"]["Screen saver"]] == ["plain"]


def test_lengths_of_time():
    times = [minutes(ms) for ms in (0, 999, 61_000, 3_723_000)]
    assert times == ["0:00", "0:00", "1:01", "1:02:03"]
    spans = [uptime(ENGLISH, seconds) for seconds in (-3, 3599, 86_399.9)]
    assert [span.replace("\N{NO-BREAK SPACE}", " ") for span in spans] == [
        "0 min",
        "59 min",
        "23 h 59 min",
    ]
    assert (
        uptime(GERMAN, 200_000)
        == "2\N{NO-BREAK SPACE}T 7\N{NO-BREAK SPACE}h 33\N{NO-BREAK SPACE}min"
    )


@pytest.mark.parametrize("texts", [ENGLISH, GERMAN])
def test_the_panel_says_what_to_do_in_a_demonstration(session, player, texts):
    def found(kind, **more):
        given = replace(session, kind=kind, **more)
        labels = rows(player, texts=texts, session=given).values()
        return [(row.text, row.tone) for group in labels for each in group.values() for row in each]

    assert (texts["panel_demo"], "fault") in found("demo")
    assert "--source" in texts["panel_demo"]
    # Settings that name the demo viewer are not changed by a new camera and a restart.
    assert (texts["panel_demo_chosen"], "fault") in found("demo", names_source=True)
    assert (texts["panel_recording"], "warning") in found("replay")
    said = {text for text, _ in found("live")}
    assert not said & {texts["panel_demo"], texts["panel_recording"]}


@pytest.mark.parametrize("texts", [ENGLISH, GERMAN])
@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (UplinkStatus(), []),
        (UplinkStatus("pairing", "https://hub"), [("panel_hub_asks", "warning")]),
        (
            UplinkStatus("pairing", "https://hub", "K7M-2QX", problem="It is away."),
            [("panel_hub_pairing", "warning"), ("It is away.", "warning")],
        ),
        (
            UplinkStatus("joined", "https://hub", screen="Lobby", waiting=7, lost=3),
            [
                ("panel_hub_joined", "plain"),
                ("panel_hub_contact", "plain"),
                ("panel_hub_lost", "warning"),
            ],
        ),
        (
            UplinkStatus("revoked", "https://hub", waiting=7, problem="The key was revoked."),
            [("panel_hub_revoked", "fault"), ("panel_hub_contact", "plain")],
        ),
        (UplinkStatus(problem="No disk."), [("No disk.", "warning")]),
    ],
)
def test_the_panel_says_how_it_is_with_the_hub(session, player, texts, state, expected):
    given = replace(session, uplink=lambda: state)
    found = rows(player, texts=texts, session=given)
    values = {"hub": "https://hub", "code": "K7M-2QX", "screen": "Lobby", "count": 7}
    said = [
        (
            texts[text].format(
                **values | ({"count": 3} if text == "panel_hub_lost" else {}),
                time=texts["panel_hub_never"],
            )
            if text in texts
            else text,
            tone,
        )
        for text, tone in expected
    ]
    group = found[texts["panel_system"]]
    assert [(row.text, row.tone) for row in group.get(texts["panel_hub"], [])] == said


@pytest.mark.parametrize("texts", [ENGLISH, GERMAN])
def test_a_kiosk_with_pages_of_its_own_has_no_hub(session, player, texts):
    pages = "http://127.0.0.1:8080"
    state = UplinkStatus("joined", pages, screen="Shop 12", waiting=3, is_console=True)
    group = rows(player, texts=texts, session=replace(session, uplink=lambda: state))
    group = group[texts["panel_system"]]
    assert words({"": group}, "", texts["panel_pages"]) == [pages]
    assert words({"": group}, "", texts["panel_show"]) == [texts["panel_show_own"]]
    assert texts["panel_hub"] not in group
    booked = replace(state, show=ShowStatus("hub", 3, NOON))
    group = rows(player, texts=texts, session=replace(session, uplink=lambda: booked))
    (said,) = words(group, texts["panel_system"], texts["panel_show"])
    assert "Hub" not in said.title()
    assert "12:30" in said


NOON = datetime(2026, 5, 4, 12, 30).astimezone()


@pytest.mark.parametrize(
    ("show", "expected"),
    [
        (ShowStatus(), []),
        (
            ShowStatus("hub", 3, NOON),
            [("from the hub, version 3 since 4 May, 12:30", "plain", None)],
        ),
        (
            ShowStatus("local", 3, NOON, fetching=0.456),
            [
                (
                    "this kiosk's own: the hub has booked none (version 3 since 4 May, 12:30)",
                    "plain",
                    None,
                ),
                ("fetching the next one: 46%", "plain", 0.456),
            ],
        ),
        (
            ShowStatus(problem="The disk is full."),
            [("this kiosk's own", "plain", None), ("The disk is full.", "warning", None)],
        ),
    ],
)
def test_the_panel_says_which_show_is_on(session, player, show, expected):
    given = replace(session, uplink=lambda: UplinkStatus("joined", "https://hub", show=show))
    group = rows(player, session=given)[ENGLISH["panel_system"]]
    found = group.get(ENGLISH["panel_show"], [])
    assert [(row.text, row.tone, row.share) for row in found] == expected


def test_a_german_panel_has_no_english_word(player, session, make_view):
    hub = UplinkStatus(
        "joined",
        hub="https://hub.example.com",
        screen="Kasse 3",
        problem="https://hub.example.com did not answer within 10 s.",
        show=ShowStatus(
            problem="Version 7 from the hub is not shown: The disk is full; free some space on the "
            "kiosk."
        ),
    )
    left_out = [
        ("tea", "/ads/tea.mp4 cannot be decoded as a video (Invalid data); replace the file."),
        ("cup", "/ads/cup.svg is a drawing or picture of a kind that cannot be shown; export it as "
        "PNG."),
    ]  # fmt: skip
    facts = replace(
        session,
        site="Filiale 12",
        playlist_problem=lambda: (
            "The playlist /ads/list.yaml is not valid YAML: the key 'ads' is "
            "written twice in line 3, column 1; correct the file."
        ),
        database_problem=lambda: (
            "2 records wait: Session 12 could not be written to the database "
            "/data/monitor.db (database is locked); check the disk and that no other program holds it."
        ),
        left_out=lambda: left_out,
        uplink=lambda: hub,
    )
    lost = "The camera 0 stalls: expected pictures all the time, received none for 5.0 s or longer."
    view = LiveView(SensorHealth("reconnecting", lost, cause="camera_lost"))
    with speaking("de"):
        found = rows(player, texts=GERMAN, view=view, session=facts)
    texts = [row.text for section in found.values() for label in section.values() for row in label]
    shown = "\n".join(texts)
    assert (
        "Kamera 0: Die \u00dcbertragung stockt, seit 5,0 s oder l\u00e4nger kam kein Bild." in shown
    )
    # What others say of their errors, and the place of this test.
    for other in ("Invalid data", "database is locked", session.database):
        shown = shown.replace(other, "")
    assert english_in(shown) == set()


def test_where_the_pages_are_is_said_as_soon_as_it_is_known(player, session):
    joined = UplinkStatus("joined", "https://192.168.1.20:8443", is_console=True)

    def said(pages):
        facts = replace(session, pages=lambda: pages, uplink=lambda: joined)
        return [
            (row.text, row.tone) for row in rows(player, session=facts)["System"]["In the browser"]
        ]

    assert said(Pages()) == [("starting …", "plain")]
    assert said(Pages("http://127.0.0.1:8080/")) == [("http://127.0.0.1:8080/", "plain")]
    assert said(Pages(problem="Port 80 is taken.")) == [
        ("could not be opened; trying again. Port 80 is taken.", "warning")
    ]
    assert said(None) == [("https://192.168.1.20:8443", "plain")]  # its console runs by itself


def test_the_longest_sections_stand_in_different_columns(player, session):
    """The panel puts the first half of the sections at the left."""
    found = list(rows(player, session=session))
    assert found == ["Measuring", "Ads", "System", "Last problems"]
