"""Playlists: the modules playlist, playlist_file, folder and loader, and lists in yaml_file."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from datetime import UTC, date, datetime
from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ads.errors import PlaylistError
from ads.media.decode import probe_all
from ads.media.types import FITS
from ads.playlists.folder import natural_key
from ads.playlists.loader import DEFAULT_IMAGE_DURATION_S, load_playlist
from ads.playlists.playlist import Ad, Filler, Hours, distinct, parse_hours
from detector.names import printable
from tests.helpers.waiting import Stopwatch

ODD_VALUES = st.one_of(
    st.sampled_from(
        [
            *(
                "cover",
                "blur",
                "contain",
                "Cover",
                "#123",
                "rgb(300, 0, 0)",
                "hsl(9,9%,9%)",
                "navy",
            ),
            *("2026-12-01", "2026-12-01 10:00", "2026-02-30", "a.png", "../a.png", "~", "~nobody"),
            *(
                ".",
                "/",
                "\0",
                date(2026, 1, 1),
                datetime(2026, 1, 1, tzinfo=UTC),
                [],
                ["cover"],
                {},
                {"a": 1},
            ),
        ]
    ),
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.dates(),
)


@pytest.fixture
def write(tmp_path):
    def write_playlist(text: str) -> Path:
        path = tmp_path / "playlist.yaml"
        path.write_text(dedent(text), encoding="utf-8")
        return path

    return write_playlist


def test_every_key_is_read(write, make_clip, make_image):
    make_clip("clips/summer.mp4", frames=50, tone_hz=440, size=(128, 72))
    image = make_image("autumn.jpg")
    playlist = load_playlist(
        write("""
            timezone: America/New_York
            cross_fade_s: 0.5
            ads:
              - id: summer-01
                file: clips/summer.mp4
                name: Summer drinks
                weight: 2
                moods: [neutral, sad]
                days: [tue, mon]
                hours: "08:00-12:00"
                max_per_hour: 20
                brand_at_s: [1.5, 0]
                priority: 3
                takeover: true
                price_per_thousand_s: 12.5
              - file: autumn.jpg
                duration_s: 8
                hours: ["22:00-02:00", "6:30-24:00"]
        """)
    )
    summer, autumn = playlist.ads
    assert summer.ad_id == "summer-01"
    assert summer.path == playlist.path.parent / "clips/summer.mp4"
    assert (summer.name, summer.kind, summer.weight, summer.max_per_hour) == (
        "Summer drinks",
        "video",
        2.0,
        20,
    )
    assert summer.duration_s == pytest.approx(2.0, abs=0.05)
    assert summer.has_sound
    assert (summer.width, summer.height) == (128, 72)
    assert (summer.moods, summer.days) == (("sad", "neutral"), ("mon", "tue"))
    assert summer.hours == (Hours(480, 720),)
    assert summer.brand_at_s == (0.0, 1.5)
    assert (summer.priority, summer.takeover, summer.price_per_thousand_s) == (3, True, 12.5)
    assert (autumn.priority, autumn.takeover, autumn.price_per_thousand_s) == (0, False, None)
    assert (playlist.timezone, playlist.cross_fade_s) == ("America/New_York", 0.5)
    assert (autumn.ad_id, autumn.name, autumn.kind, autumn.duration_s) == (
        "autumn",
        "autumn",
        "image",
        8.0,
    )
    assert autumn.sha256 == hashlib.sha256(image.read_bytes()).hexdigest()
    assert autumn.hours == (Hours(1320, 120), Hours(390, 1440))
    assert not playlist.skipped


def test_the_file_says_how_its_ads_are_shown_and_each_ad_may_differ(write, make_image):
    make_image("a.png")
    ads = load_playlist(
        write("""
            fit: blur
            volume: 0.5
            mute: true
            ads:
              - {id: like the others, file: a.png, duration_s: 1}
              - {id: own, file: a.png, duration_s: 1, fit: cover, volume: 1, mute: false}
              - {id: audible, file: a.png, duration_s: 1, mute: false}
        """)
    ).ads
    assert [(ad.fit, ad.volume) for ad in ads] == [("blur", 0.0), ("cover", 1.0), ("blur", 0.5)]
    plain = load_playlist(write("ads: [{file: a.png, duration_s: 1}]")).ads[0]
    assert (plain.fit, plain.volume) == ("contain", 1.0)


@pytest.mark.parametrize(
    "dates",
    [
        "from: 2026-12-01, until: 2026-12-24",
        "from: '2026-12-01', until: '2026-12-24'",
        '"from": "2026-12-01", "until": "2026-12-24"',
    ],
)
def test_dates_are_read_from_yaml_and_json(write, make_image, dates):
    make_image("a.png")
    (ad,) = load_playlist(write(f"ads: [{{file: a.png, duration_s: 1, {dates}}}]")).ads
    assert (ad.first_day, ad.last_day) == (date(2026, 12, 1), date(2026, 12, 24))
    said = [ad.why_not_on(date(2026, *day)) for day in ((11, 30), (12, 1), (12, 24), (12, 25))]
    assert said == ["starts on 2026-12-01", "", "", "ended on 2026-12-24"]


def test_a_filler_is_a_colour_or_a_still_picture(write, make_image, make_animation, caplog):
    make_image("a.png")
    make_image("logo.png", size=(300, 100))
    make_animation("wave.gif", [10, 200], [200, 200])

    def filler(value: str):
        return load_playlist(
            write(f"fit: cover\nfiller: {value}\nads: [{{file: a.png, duration_s: 1}}]")
        )

    assert load_playlist(write("ads: [{file: a.png, duration_s: 1}]")).filler is None
    assert filler('"#204060"').filler == Filler(colour=(32, 64, 96))
    assert filler("Navy").filler == Filler(colour=(0, 0, 128))
    found = filler("logo.png").filler
    assert found is not None
    assert found.picture is not None
    assert (found.picture.path.name, found.picture.fit, found.picture.width) == (
        *("logo.png", "cover"),
        300,
    )
    # What cannot be shown is said, and the ads play; the screen is black between them.
    for value, reason in (("gone.png", "does not exist"), ("wave.gif", "expected a still picture")):
        playlist = filler(value)
        assert [(ad.ad_id, reason in ad.reason) for ad in playlist.skipped] == [("filler", True)]
        assert (len(playlist.ads), playlist.filler) == (1, Filler())


@given(
    head=st.dictionaries(
        st.sampled_from(["fit", "volume", "mute", "filler", "media_root"]), ODD_VALUES, max_size=2
    ),
    entry=st.dictionaries(
        st.sampled_from(["fit", "volume", "mute", "from", "until"]), ODD_VALUES, max_size=2
    ),
)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_the_keys_say_there_is_a_playlist_or_one_sentence(
    write, make_image, head, entry, caplog
):
    make_image("a.png")
    caplog.set_level(logging.ERROR)
    path = write("")
    ads = [{"file": "a.png", "duration_s": 1, **entry}]
    path.write_text(yaml.safe_dump({**head, "ads": ads}, allow_unicode=True), encoding="utf-8")
    said, playlist = "", None
    try:
        playlist = load_playlist(path)
    except PlaylistError as error:
        said = str(error)
    assert "\n" not in said
    if playlist is None:
        assert "expected" in said
        return
    for ad in playlist.ads:
        assert ad.fit in FITS
        assert 0 <= ad.volume <= 1
        assert ad.runs_on(date(2026, 1, 1)) is not bool(ad.why_not_on(date(2026, 1, 1)))
    if playlist.filler is not None:
        assert all(0 <= level <= 255 for level in playlist.filler.colour)


def test_media_lie_below_the_media_root(tmp_path, write, make_image):
    make_image("shared/ads/tea.png")
    make_image("other.png")
    (tmp_path / "shared" / "out.png").symlink_to(tmp_path / "other.png")
    list_of = "ads: [{file: ads/tea.png, duration_s: 1}, {file: out.png, duration_s: 1}]"
    (tmp_path / "lists").mkdir()
    written = write("")
    for root in (tmp_path / "shared", "../shared"):
        path = written.rename(tmp_path / "lists" / "week.yaml")
        path.write_text(f"media_root: {root}\n{list_of}", encoding="utf-8")
        playlist = load_playlist(path)
        assert [ad.path.resolve() for ad in playlist.ads] == [tmp_path / "shared/ads/tea.png"]
        assert "outside the playlist's folder" in playlist.skipped[0].reason
        written = path


def test_missing_and_broken_media_are_set_aside_with_their_reason(write, make_image, tmp_path):
    make_image("good.png")
    (tmp_path / "broken.mp4").write_bytes(b"not a film" * 100)
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "notes.txt").write_text("hello")
    playlist = load_playlist(
        write("""
            ads:
              - {file: broken.mp4}
              - {file: gone.mp4}
              - {file: empty.jpg, duration_s: 3}
              - {file: notes.txt}
              - {file: good.png, duration_s: 3}
        """)
    )
    assert [ad.ad_id for ad in playlist.ads] == ["good"]
    reasons = {ad.ad_id: ad.reason for ad in playlist.skipped}
    assert list(reasons) == ["broken", "gone", "empty", "notes"]
    assert "cannot be decoded as a video" in reasons["broken"]
    assert "does not exist" in reasons["gone"]
    assert "is empty" in reasons["empty"]
    assert "of no known kind" in reasons["notes"]


def test_folder_plays_all_media_in_natural_order(tmp_path, make_image, make_clip, make_animation):
    make_image("spot10.png")
    make_image("spot2.PNG")
    make_image("Spot1_new.jpg")
    make_clip("spot2.mp4", frames=10)
    make_animation("wave.gif", [10, 200], [300, 500])
    make_image(".hidden.png")
    (tmp_path / "readme.txt").write_text("not media")
    (tmp_path / "sub.png").mkdir()
    playlist = load_playlist(tmp_path)
    assert [ad.ad_id for ad in playlist.ads] == [
        "Spot1_new",
        "spot2.mp4",
        "spot2.PNG",
        "spot10",
        "wave",
    ]
    assert [ad.kind for ad in playlist.ads] == ["image", "video", "image", "image", "animation"]
    assert playlist.ads[0].duration_s == DEFAULT_IMAGE_DURATION_S
    assert playlist.ads[0].name == "Spot1 new"
    # Whole rounds of 0.8 s.
    assert playlist.ads[4].duration_s == pytest.approx(8.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "ads: [{file: a.png, durations: 8}]",
            r"Ad 1 \(a.png\) .* 'durations'; expected one of: id, .*; did you mean 'duration_s'\?",
        ),
        (
            "ads: [{file: a.png, duration_s: 1}, {file: b.png, zzqx: 8}]",
            r"Ad 2 \(b.png\) .*'zzqx'; expected one of: id",
        ),
        (
            "adds: []",
            r"key 'adds'; expected one of: ads, timezone, cross_fade_s, .*; did you mean 'ads'\?",
        ),
        (
            "ads: [{file: a.png}]\nextra: 1",
            "unknown key 'extra'; expected one of: ads, timezone, cross_fade_s",
        ),
        (
            "ads: [{file: a.png, duration_s: 1, fit: covr}]",
            r"an invalid 'fit': expected one of contain, cover, blur, got 'covr'; "
            r"did you mean 'cover'\?",
        ),
        (
            "fit: fill\nads: [{file: a.png}]",
            "The playlist .* 'fit': expected one of contain, cover",
        ),
        (
            "ads: [{file: a.png, duration_s: 1, volume: 1.5}]",
            "'volume': expected a number from 0 to 1, got 1.5",
        ),
        ("ads: [{file: a.png, duration_s: 1, volume: .nan}]", "expected a number from 0 to 1"),
        ("ads: [{file: a.png, duration_s: 1, mute: 3}]", "'mute': expected true or false, got 3"),
        ("ads: [{file: a.png, form: 2026-12-01}]", r"'form'; .*; did you mean 'from'\?"),
        (
            "ads: [{file: a.png, from: 01.12.2026}]",
            "'from': expected a date like 2026-12-01, the first day to play on, got '01.12.2026'",
        ),
        (
            "ads: [{file: a.png, until: 2026-12-31 18:00:00}]",
            "'until': .* the last day to play on; for times of the day there is 'hours', got 2026",
        ),
        ("ads: [{file: a.png, until: '2026-12-31T18:00'}]", "there is 'hours', got '2026-12-31T18"),
        ("ads: [{file: a.png, from: '2026-02-30'}]", "'from': expected a date like 2026-12-01"),
        ("ads: [{file: a.png, from: 20261201}]", "'from': expected a date like .*, got 20261201"),
        (
            "ads: [{file: a.png, from: 2026-12-02, until: 2026-12-01}]",
            r"Ad 1 \(a.png\) .* never plays: its 'from' 2026-12-02 is after its 'until' 2026-12-01; "
            "expected an 'until' of the same day or later",
        ),
        (
            "filler: #203040\nads: [{file: a.png}]",
            'an invalid \'filler\': expected a colour in quotes, like "#203040" or "navy", .* # without quotes.*None',
        ),
        ("filler: nvay\nads: [{file: a.png}]", r"'filler': .*, got 'nvay'; did you mean 'navy'\?"),
        ("filler: ../logo.png\nads: [{file: a.png}]", "'filler': expected a path below"),
        ("filler: /logo.png\nads: [{file: a.png}]", "'filler': expected a path below"),
        (
            "media_root: gone\nads: [{file: a.png}]",
            "an invalid 'media_root': expected a folder that exists, .*, got 'gone'",
        ),
        ("media_root: a.png\nads: [{file: a.png}]", "'media_root': expected a folder that exists"),
        (
            'media_root: "a\\0b"\nads: [{file: a.png}]',
            "'media_root': expected a folder that exists",
        ),
        ("media_root: b\nads: [{file: ../a.png}]", "'file': expected a path below"),
        ("", "is empty; expected the key 'ads'"),
        ("ads:", "is empty; expected the key 'ads'"),
        ("ads: []", "is empty; expected the key 'ads'"),
        (
            "timezon: Europe/Berlin\nads: [{file: a.png}]",
            r"unknown key 'timezon'; .*; did you mean 'timezone'\?",
        ),
        (
            "timezone: europe/berln\nads: [{file: a.png}]",
            r"has an invalid 'timezone': .* like Europe/Berlin, "
            r"got 'europe/berln'; did you mean 'Europe/Berlin'\?",
        ),
        (
            "timezone: Europe\nads: [{file: a.png}]",
            "invalid 'timezone': expected the name of a time zone",
        ),
        (
            "timezone: 1\nads: [{file: a.png}]",
            "invalid 'timezone': expected the name of a time zone .*, got 1",
        ),
        (
            "cross_fade_s: 4\nads: [{file: a.png}]",
            "invalid 'cross_fade_s': expected a number of seconds from 0 to 3, got 4",
        ),
        ("cross_fade_s: -1\nads: [{file: a.png}]", "invalid 'cross_fade_s'"),
        ("- a.png", "wrong form: expected the key 'ads' with a list, got a list"),
        ("ads: {file: a.png}", "'ads' in .* must be a list of ads, got a mapping"),
        ("ads: [a.png]", "Ad 1 .* must be a mapping with the key 'file', got text"),
        ("ads: [{file: a.png", "not valid YAML: .* in line"),
        ("ads: [{file: a.png, file: b.png}]", "the key 'file' is written twice in line 1"),
        (
            "ads: [{id: x}]",
            r"Ad 1 \(x\) .* lacks the key 'file'; expected a path relative to the playlist",
        ),
        ("ads: [{file: a.png}]", "still picture without 'duration_s'"),
        (
            "ads: [{file: a.png, duration_s: 1}, {file: sub/a.png}]",
            "Ads 1 and 2 .* same id 'a' but different files",
        ),
        (
            "ads: [{file: ../a.png, duration_s: 1}]",
            "invalid 'file': expected a path below the playlist's folder",
        ),
        (
            "ads: [{file: /etc/a.png, duration_s: 1}]",
            "invalid 'file': .*not absolute, got '/etc/a.png'",
        ),
        (
            "ads: [{file: a.png, duration_s: 0}]",
            "invalid 'duration_s': expected a number of seconds of at least 0.1 and .*, got 0",
        ),
        ("ads: [{file: a.png, duration_s: .inf}]", "invalid 'duration_s'"),
        ("ads: [{file: a.png, duration_s: soon}]", "invalid 'duration_s': .*got 'soon'"),
        ("ads: [{file: a.png, duration_s: true}]", "invalid 'duration_s': .*got True"),
        (
            "ads: [{id: 12, file: a.png, duration_s: 1}]",
            "invalid 'id': expected text .*in quotes.*got 12",
        ),
        (
            "ads: [{file: a.png, duration_s: 1, weight: -1}]",
            "invalid 'weight': expected a number above 0, .*, got -1",
        ),
        (
            "ads: [{file: a.png, moods: [happi]}]",
            r"invalid 'moods': .*got \['happi'\]; did you mean 'happy'\?",
        ),
        (
            "ads: [{file: a.png, duration_s: 1, days: [monday]}]",
            r"invalid 'days': .*; did you mean 'mon'\?",
        ),
        (
            "ads: [{file: a.png, duration_s: 1, days: mon}]",
            "invalid 'days': expected a list of days",
        ),
        (
            "ads: [{file: a.png, duration_s: 1, hours: morning}]",
            "invalid 'hours': expected text like \"08:00-12:00\", got",
        ),
        (
            "ads: [{file: a.png, duration_s: 1, hours: '08:70-12:00'}]",
            "invalid 'hours': expected two different times",
        ),
        (
            "ads: [{file: a.png, duration_s: 1, hours: '08:00-08:00'}]",
            "invalid 'hours': expected two different times",
        ),
        (
            "ads: [{file: a.png, duration_s: 86401}]",
            "invalid 'duration_s': .* and at most a day \\(86400\\), got 86401",
        ),
        (
            "ads: [{file: a.png, duration_s: 1, weight: 1.0e+300}]",
            "invalid 'weight': .* of at most 1000000, got 1e\\+300",
        ),
        (
            "ads: [{file: a.png, duration_s: 1, max_per_hour: 0}]",
            "invalid 'max_per_hour': expected a whole number",
        ),
        ("ads: [{file: a.png, duration_s: 1, max_per_hour: 1.5}]", "invalid 'max_per_hour'"),
        (
            "ads: [{file: a.png, duration_s: 1, priority: 10}]",
            "invalid 'priority': expected .* from 0 to 9, got 10",
        ),
        (
            "ads: [{file: a.png, duration_s: 1, takeover: 1}]",
            "invalid 'takeover': expected true or false, got 1",
        ),
        (
            "ads: [{file: a.png, duration_s: 1, price_per_thousand_s: -2}]",
            "invalid 'price_per_thousand_s'",
        ),
        (
            "ads: [{file: a.png, duration_s: 1, price_per_s: 2}]",
            "did you mean 'price_per_thousand_s'",
        ),
        (
            "ads: [{file: a.png, duration_s: 1, brand_at_s: [-1]}]",
            "invalid 'brand_at_s': expected a list of seconds",
        ),
        (
            "ads: [{file: a.png, duration_s: 1, brand_at_s: [1.5]}]",
            "'brand_at_s': expected seconds within its 1 s, got 1.5",
        ),
    ],
)
def test_mistakes_are_named_with_their_place(write, make_image, text, message):
    make_image("a.png")
    make_image("b.png")
    with pytest.raises(PlaylistError, match=message) as caught:
        load_playlist(write(text))
    assert "\n" not in str(caught.value)


def test_nothing_playable_is_an_error_that_says_why(write):
    with pytest.raises(
        PlaylistError, match=r"Nothing in .* can be played.*\[gone\] .*gone.mp4 does not exist"
    ):
        load_playlist(write("ads: [{file: gone.mp4}]"))


def test_places_that_hold_no_playlist(tmp_path):
    with pytest.raises(PlaylistError, match=r"There is no playlist at .*nowhere.yaml"):
        load_playlist(tmp_path / "nowhere.yaml")
    with pytest.raises(PlaylistError, match=r"holds no media; expected files ending in .*.mp4"):
        load_playlist(tmp_path)
    (tmp_path / "picture.yaml").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(PlaylistError, match="not text in UTF-8"):
        load_playlist(tmp_path / "picture.yaml")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_playlist(write):
    path = write("ads: []")
    path.chmod(0)
    with pytest.raises(PlaylistError, match="cannot be read"):
        load_playlist(path)


def test_duration_of_an_ad_is_checked(tmp_path):
    with pytest.raises(PlaylistError, match="expected seconds above 0, got nan"):
        Ad("a", tmp_path, "a", "image", float("nan"), "0" * 64)


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**6), unique=True))
def test_numbers_in_names_sort_as_numbers(numbers):
    names = [f"spot{number}.mp4" for number in numbers]
    assert sorted(names, key=natural_key) == [f"spot{number}.mp4" for number in sorted(numbers)]


@settings(deadline=None)
@given(st.lists(st.text(max_size=8)))
def test_any_names_can_be_sorted(names):
    assert sorted(sorted(names, key=natural_key)) == sorted(names)


def test_the_clocks_of_the_venue(write, make_image):
    make_image("a.png")
    ads = "ads: [{file: a.png, duration_s: 1}]"
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    there = load_playlist(write(f"timezone: Asia/Kolkata\n{ads}")).local(noon)
    assert (there, there.hour, there.minute) == (noon, 17, 30)
    here = load_playlist(write(ads))
    assert here.local(noon).utcoffset() == noon.astimezone().utcoffset()
    with pytest.raises(PlaylistError, match="expected one with a time zone"):
        here.local(noon.replace(tzinfo=None))


def test_a_link_that_leads_out_of_the_folder_is_left_out(tmp_path, write, make_image):
    make_image("inside/a.png")
    make_image("private.png").rename(tmp_path.parent / f"{tmp_path.name}-private.png")
    outside = tmp_path.parent / f"{tmp_path.name}-private.png"
    (tmp_path / "inside" / "out.png").symlink_to(outside)
    (tmp_path / "inside" / "round.png").symlink_to(tmp_path / "inside" / "round.png")
    (tmp_path / "near.png").symlink_to(tmp_path / "inside" / "a.png")
    files = ["inside/a.png", "near.png", "inside/out.png", "inside/round.png"]
    entries = ", ".join(
        f"{{id: '{number}', file: {file}, duration_s: 1}}" for number, file in enumerate(files)
    )
    playlist = load_playlist(write(f"ads: [{entries}]"))
    assert [ad.ad_id for ad in playlist.ads] == ["0", "1"]
    assert "outside the playlist's folder; copy the file there" in playlist.skipped[0].reason
    assert [ad.ad_id for ad in playlist.skipped] == ["2", "3"]


@pytest.mark.parametrize(
    "file", ["http://example.org/a.mp4", "file:/etc/passwd.png", "concat:a.png|b.png"]
)
def test_an_address_is_no_file(write, make_image, file):
    make_image("a.png")
    playlist = load_playlist(
        write(f"ads: [{{file: a.png, duration_s: 1}}, {{file: '{file}', id: odd, duration_s: 1}}]")
    )
    assert [ad.ad_id for ad in playlist.skipped] == ["odd"]


@pytest.mark.parametrize("name", ["pipe.mp4", "pipe.png", "zero.png"])
def test_what_never_ends_is_left_out_at_once(tmp_path, write, make_image, name):
    make_image("a.png")
    if name.startswith("pipe"):
        os.mkfifo(tmp_path / name)
    else:
        (tmp_path / name).symlink_to("/dev/zero")
    playlist = load_playlist(
        write(f"ads: [{{file: a.png, duration_s: 1}}, {{file: {name}, duration_s: 1}}]")
    )
    assert "is not a file" in playlist.skipped[0].reason


@pytest.mark.parametrize("kind", ["pipe", "device", "large", "deep", "bomb"])
def test_a_playlist_that_would_exhaust_its_reader_is_refused(tmp_path, kind):
    path = tmp_path / "playlist.yaml"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "large":
        path.write_text("# " + "x" * (9 << 20))
    elif kind == "deep":
        path.write_text("ads: " + "[" * 5000)
    else:
        levels = "\n".join(f"  - &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12))
        path.write_text(f"ads:\n  - &l0 [1]\n{levels}\n")
    with pytest.raises(
        PlaylistError,
        match=r"pipe or a device|larger than 8 MiB|levels deep|holds more than 500000 values",
    ):
        load_playlist(path)


def test_what_is_too_large_or_no_file_is_left_out_at_once(write, make_image, tmp_path):
    make_image("a.png")
    with (tmp_path / "huge.mp4").open("wb") as file:
        file.truncate(10 << 40)
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "zero.mp4").symlink_to("/dev/zero")
    entries = ", ".join(f"{{file: {name}.mp4}}" for name in ("huge", "pipe", "zero"))
    path = write(f"ads: [{{file: a.png, duration_s: 5}}, {entries}]")
    watch = Stopwatch()
    reasons = {ad.ad_id: ad.reason for ad in load_playlist(path).skipped}
    assert watch.seconds < 60
    assert "too large to be an ad: expected at most 4 GB, got 10995.1 GB" in reasons["huge"]
    assert "is not a file" in reasons["pipe"]
    assert "is not a file" in reasons["zero"]


def test_an_ad_needs_a_length_that_can_be_seen(write, make_image):
    make_image("a.png")
    with pytest.raises(PlaylistError, match=r"seconds of at least 0\.1 and .*, got 1e-09"):
        load_playlist(write("ads: [{file: a.png, duration_s: 1.0e-9}]"))


def test_many_ads_of_one_file_probe_it_once(write, make_image):
    make_image("a.png")
    lines = "".join(f"  - {{id: ad{n}, file: a.png, duration_s: 5}}\n" for n in range(2000))
    checked = []

    def check(files):
        checked.extend(set(files))
        found = {file: probe_all([file])[0] for file in set(files)}
        return [found[file] for file in files]

    playlist = load_playlist(write("ads:\n" + lines), check)
    assert len(playlist.ads) == 2000
    assert len(checked) == 1


@pytest.mark.parametrize(
    ("picture_ms", "expected_s"), [(50, 8.0), (400, 8.0), (700, 8.4), (4000, 8.0), (4750, 9.5)]
)
def test_an_animation_is_shown_for_whole_rounds_of_seconds(
    tmp_path, make_animation, write, picture_ms, expected_s
):
    make_animation("wave.gif", [10, 200], [picture_ms, picture_ms])
    text = "ads: [{file: wave.gif}, {id: cut, file: wave.gif, duration_s: 0.1}]"
    whole, cut = load_playlist(write(text)).ads
    assert (whole.kind, whole.duration_s) == ("animation", pytest.approx(expected_s))
    assert cut.duration_s == 0.1


ODD_NAMES = (
    b"caf\xe9.png",
    b"esc\x1b[31m\x07.png",
    b"two\nlines.png",
    "\u202egnp.exe.png".encode(),
    "👩\u200d👧 😀.png".encode(),
    b"a: b, 'c' \"d\".png",
    b" .png",
    b"dots...png",
    b"long" + 60 * "é".encode() + b".png",
)


def test_names_of_any_kind_are_ads_with_names_that_can_be_shown(tmp_path, make_image):
    plain = make_image("plain.png")
    for name in ODD_NAMES:
        (tmp_path / os.fsdecode(name)).write_bytes(plain.read_bytes())
    playlist = load_playlist(tmp_path)
    assert not playlist.skipped
    assert len(playlist.ads) == len(ODD_NAMES) + 1
    assert {os.fsencode(ad.path.name) for ad in playlist.ads} == {*ODD_NAMES, b"plain.png"}
    assert {ad.ad_id for ad in playlist.ads} >= {
        r"caf\udce9",
        r"esc\x1b[31m\x07",
        r"two\nlines",
        r"\u202egnp.exe",
        "👩\u200d👧 😀",
        " .png",
    }
    for ad in playlist.ads:
        assert printable(ad.ad_id + ad.name) == ad.ad_id + ad.name
        assert ad.name.strip()


def test_names_that_differ_only_in_spelling_or_ending_have_ids_of_their_own(tmp_path, make_image):
    plain = make_image("a.png")
    for name in ("a.jpg", "a.png.bmp", "Caf\u00e9.png", "Cafe\u0301.png"):
        (tmp_path / name).write_bytes(plain.read_bytes())
    ids = [ad.ad_id for ad in load_playlist(tmp_path).ads]
    assert len(set(ids)) == 5
    assert {"a.jpg", "Café.png", "Café.png (2)"} <= set(ids)


def test_a_folder_says_what_it_leaves_out_once(tmp_path, make_image, caplog):
    make_image("a.png")
    hidden = ("Thumbs.db", "desktop.ini", "._a.png", ".DS_Store")
    for name in (*hidden, *(f"n{number}.txt" for number in range(1, 7))):
        (tmp_path / name).write_text("x")
    for name in ("@eaDir", "__MACOSX", "#recycle", "lost+found", "summer"):
        (tmp_path / name).mkdir()
    playlist = load_playlist(tmp_path)
    assert [ad.ad_id for ad in playlist.ads] == ["a"]
    reasons = {ad.ad_id: ad.reason for ad in playlist.skipped}
    assert list(reasons) == [*(f"n{number}.txt" for number in range(1, 7)), "summer"]
    assert "n1.txt is of no known kind: expected a picture" in reasons["n1.txt"]
    assert reasons["n1.txt"].endswith("received the ending .txt.")
    assert "is a folder; ads lie in the playlist's folder itself" in reasons["summer"]
    [line] = caplog.messages
    assert (
        "7 entries of no known kind of media: n1.txt, n2.txt, n3.txt, n4.txt, n5.txt and 2" in line
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "ads: [{file: a.png, duration_s: 1, hours: 22:00}]",
            'YAML takes 22:00 for the number 1320: write "22:00" in quotes',
        ),
        ("ads: [{file: a.png, duration_s: 1, weight: 010}]", "takes 010 for the number 8"),
        (
            "ads: [{file: a.png, duration_s: 1, name: no}]",
            'got False; YAML takes no for yes or no, so put it in quotes: "no"',
        ),
        (
            "ads: [{file: a.png, duration_s: 1, days: [mon, off]}]",
            'YAML takes off for yes or no, so put it in quotes: "off"',
        ),
        (
            "ads: [{file: a.png, duration_s: 1, id: 2026-12-24}]",
            'YAML takes 2026-12-24 for a date, so put it in quotes: "2026-12-24"',
        ),
        (
            "ads: [{file: ~, duration_s: 1}]",
            'YAML takes ~ for nothing, so put it in quotes: "~"',
        ),
        ("ads: [{file: 7, duration_s: 1}]", "YAML takes 7 for a number, so put it in quotes"),
        ("ads: [{file: a.png, duration_s: 1e1}]", "1e1 is text, so write 10"),
        ("ads: [{file: a.png, duration_s: '1,5'}]", "'1,5' is text in quotes, so write 1.5"),
        ("ads: [{file: a.png, duration_s: 1, weight: '2'}]", "'2' is text in quotes, so write 2"),
        ("ads: [{file: a.png, duration_s: 1, name: '  '}]", "expected text that is not empty"),
        ("ads: [{file: a.png, duration_s: 1, id: ''}]", "expected text that is not empty"),
        (
            f"ads: [{{file: a.png, duration_s: 1, name: {'x' * 5000}}}]",
            "of at most 255 characters, got 'xxxx.{90,100}xxx'",
        ),
        (
            "ads: [{file: a.png, duration_s: 1, hours: '24:00'}]",
            "expected text like \"08:00-12:00\", got '24:00'",
        ),
        (
            "ads: [{file: a.png, duration_s: 1, hours: '00:00-00:00'}]",
            'or "00:00-24:00" for the whole day',
        ),
    ],
)
def test_what_yaml_makes_of_a_value_is_said(write, make_image, text, message):
    make_image("a.png")
    with pytest.raises(PlaylistError, match=message) as caught:
        load_playlist(write(text))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("hours", "span"),
    [
        ("00:00-23:59", (0, 1440)),
        ("00:00-24:00", (0, 1440)),
        ("24:00-06:00", (0, 360)),
        ("22:00-02:00", (1320, 120)),
        ("22:00-24:00", (1320, 1440)),
        ("22:00-00:00", (1320, 0)),
        ("18:00-23:59", (1080, 1440)),
        ("8:00 \u2013 12:00", (480, 720)),
    ],
)
def test_hours_around_midnight(hours, span):
    assert parse_hours(hours) == (Hours(*span),)


def test_a_playlist_names_files_in_any_spelling(write, tmp_path, make_image):
    plain = make_image("a.png")
    for name in ("Cafe\u0301.png", os.fsdecode(b"fr\xfch.png")):
        (tmp_path / name).write_bytes(plain.read_bytes())
    playlist = load_playlist(
        write(r"""
            ads:
              - {file: Café.png, duration_s: 3}
              - {file: 'fr\udcfch.png', duration_s: 3}
        """)
    )
    assert [ad.ad_id for ad in playlist.ads] == ["Café", r"fr\udcfch"]
    assert all(ad.path.exists() for ad in playlist.ads)


def test_a_json_playlist_with_escaped_emoji(tmp_path, make_image):
    make_image("😀.png")
    path = tmp_path / "list.json"
    path.write_text(json.dumps({"ads": [{"file": "😀.png", "duration_s": 3, "name": "😀\nday"}]}))
    [ad] = load_playlist(path).ads
    assert (ad.ad_id, ad.name) == ("😀", "😀 day")


def test_a_path_that_no_file_can_have(tmp_path):
    with pytest.raises(PlaylistError, match=r"cannot be looked up \(File name too long\)"):
        load_playlist(tmp_path / ("x" * 5000))


def test_an_ad_may_be_listed_for_other_times_with_the_same_file(write, make_image):
    make_image("tea.png")
    playlist = load_playlist(
        write("""
            ads:
              - {file: tea.png, duration_s: 8, hours: "08:00-12:00", weight: 2}
              - {file: ./tea.png, duration_s: 8, hours: "12:00-20:00", max_per_hour: 3}
              - {id: gone, file: gone.png, duration_s: 8, days: [mon]}
              - {id: gone, file: gone.png, duration_s: 8, days: [tue]}
        """)
    )
    assert [(one.ad_id, one.weight, one.max_per_hour) for one in playlist.ads] == [
        ("tea", 2, None), ("tea", 1, 3),
    ]  # fmt: skip
    assert len({one.sha256 for one in playlist.ads}) == 1
    assert [one.ad_id for one in distinct(playlist.ads)] == ["tea"]
    assert [one.ad_id for one in playlist.skipped] == ["gone"]
