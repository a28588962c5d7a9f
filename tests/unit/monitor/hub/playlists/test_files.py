"""Playlist files that are imported and exported."""

from __future__ import annotations

import io
import shlex
import zipfile
from datetime import date

import pytest

from ads.media.types import MediaInfo
from ads.playlists.loader import load_playlist
from db.hub.shows.desired import ApprovedVersion, PlannedCreative
from monitor.hub.playlists.files import (
    MAX_FILE_BYTES,
    Library,
    PlaylistFileError,
    read_file,
    write_file,
    zipped,
)


def creative(name, *, approved=True, archived=False, ending=".png", **more):
    values = {"duration_s": None, "brand_at_s": (), "moods": (), "first_day": None}
    version = ApprovedVersion(
        sha256=name.encode().hex().ljust(64, "0"), size=4, ending=ending,
        kind="image" if ending == ".png" else "video",
        length_s=None if ending == ".png" else 20.0, **{**values, "last_day": None, **more},
    )  # fmt: skip
    return PlannedCreative(
        name, name, name.title(), archived, version if approved else None, "approved"
    )


KNOWN = {
    "tea": creative("tea"),
    "coffee": creative("coffee", ending=".mp4", brand_at_s=(3.0, 30.0)),
    "010": creative("010", first_day=date(2026, 12, 1), moods=("happy",)),
    "late": creative("late", approved=False),
    "old": creative("old", archived=True),
}
LIBRARY = Library(
    KNOWN,
    {
        "tea": ["Tea final.png"],
        "coffee": ["shared.mp4"],
        "late": ["shared.mp4"],
        "old": ["old.png"],
    },
    {uid: ["" if one.approved is None else one.approved.sha256] for uid, one in KNOWN.items()},
)


def imported(text, name="summer.yaml"):
    return read_file(name, text.encode(), LIBRARY)


def test_ads_are_found_by_digest_id_and_file_name():
    sha256 = KNOWN["coffee"].approved.sha256
    found = imported(f"""
        timezone: Europe/Berlin
        cross_fade_s: 0.5
        filler: "Tea final.png"
        ads:
          - {{file: {sha256}.mp4, weight: 2, hours: "08:00-12:00", from: 2026-12-01, brand_at_s: [1]}}
          - {{id: tea, file: somewhere/else.png, duration_s: 8}}
          - {{id: other, file: sub/TEA FINAL.png, duration_s: 9, days: [mon], takeover: true}}
          - {{id: gone, file: shared.mp4}}
          - {{file: old.png, duration_s: 8}}
    """)
    assert found.body == {
        "cross_fade_s": 0.5,
        "filler": "tea",
        "ads": [
            {"creative": "coffee", "weight": 2, "hours": ["08:00-12:00"], "from": "2026-12-01"},
            {"creative": "tea", "duration_s": 8},
            {"creative": "tea", "takeover": True, "duration_s": 9, "days": ["mon"]},
        ],
    }
    assert found.missing == ("gone (shared.mp4)", "old (old.png)")
    assert len(found.remarks) == 2


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("list.txt", "ads: []", "ends in .yaml, .yml or .json, received list.txt"),
        ("list.yaml", "ads: [{file: tea.png, weight: -1}]", "invalid 'weight'"),
        ("list.yaml", "ads: [", "list.yaml is not valid YAML"),
        ("list.json", "{", "list.json is not valid JSON"),
        ("list.yaml", "ads: [{file: gone.png}]", "None of its ads is in the library"),
        ("list.yaml", "# " + "x" * MAX_FILE_BYTES, "at most 2 MB"),
    ],
)
def test_what_is_no_playlist_is_refused_in_words(name, text, words):
    with pytest.raises(PlaylistFileError) as caught:
        imported(text, name)
    assert words in str(caught.value)
    assert "playlist." not in str(caught.value), "the name of the temporary file"


BODY = {
    "policy": "mood",
    "guard_rails": {"holdout": 0.2, "blocked": ["tea"]},
    "cross_fade_s": 0.5,
    "fit": "blur",
    "filler": "#203040",
    "ads": [
        {"creative": "tea", "weight": 2, "hours": ["08:00-12:00", "14:00-15:00"], "until": "2026-12-31"},
        {"creative": "coffee", "mute": True, "max_per_hour": 3, "price_per_thousand_s": 20},
        {"creative": "tea", "days": ["sat", "sun"], "priority": 4},
        {"creative": "010", "duration_s": 8},
        {"creative": "late"},
    ],
}  # fmt: skip


def test_an_exported_playlist_is_one_that_a_kiosk_takes(tmp_path):
    exported = write_file(BODY, KNOWN)
    for name in exported.media:
        (tmp_path / name).write_bytes(name.encode())
    path = tmp_path / "list.yaml"
    path.write_text(exported.text, encoding="utf-8")

    def check(files):
        return [
            MediaInfo("image", 4, 4) if file.suffix == ".png" else MediaInfo("video", 4, 4, 20.0)
            for file, _digest in files
        ]

    playlist = load_playlist(path, check)
    assert [ad.ad_id for ad in playlist.ads] == ["tea", "coffee", "tea", "010"]
    assert [ad.duration_s for ad in playlist.ads] == [8, 20, 8, 8]
    assert playlist.ads[1].brand_at_s == (3.0,)
    assert (playlist.ads[3].first_day, playlist.ads[3].moods) == (date(2026, 12, 1), ("happy",))
    assert playlist.skipped == ()
    assert "--policy mood --holdout 0.2 --block tea" in exported.text.splitlines()[0]
    assert "nothing of it is approved: Late" in exported.text


def test_the_command_in_an_exported_file_is_safe_to_copy_into_a_shell():
    odd = "Agency: tea $(reboot)"
    rails = BODY["guard_rails"] | {"blocked": [odd]}
    first = write_file(BODY | {"guard_rails": rails}, KNOWN).text.splitlines()[0]
    assert shlex.split(first.partition("run it with: ")[2])[-2:] == ["--block", odd]


def test_what_is_exported_comes_back_when_it_is_imported():
    head = {key: value for key, value in BODY.items() if key not in {"policy", "guard_rails"}}
    found = imported(write_file(BODY, KNOWN).text)
    assert found.missing == ()
    assert {**found.body, "ads": 0} == {**head, "ads": 0}
    assert found.body["ads"] == [
        BODY["ads"][0] | {"duration_s": 8},
        BODY["ads"][1],
        BODY["ads"][2] | {"duration_s": 8},
        BODY["ads"][3] | {"from": "2026-12-01", "moods": ["happy"]},
    ]


def test_an_archive_has_the_file_and_its_media():
    exported = write_file(BODY, KNOWN)
    parts = list(
        zipped(exported, "list.yaml", lambda version: [version.ending[1:3].encode(), b"xy"])
    )
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == {"list.yaml", *exported.media}
        assert archive.read("list.yaml").decode() == exported.text
        assert {archive.read(name)[2:] for name in exported.media} == {b"xy"}
