from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ads.media.decode import probe_all
from ads.media.speed import DecodingSpeed
from ads.policies import POLICY_NAMES
from monitor.cli.ads.playlist import check
from monitor.cli.main import main
from monitor.session import playlist_loading
from tests.media.clip_maker import write_clip
from tests.media.timed_clips import steps, write_timed


@pytest.fixture
def run(capsys):
    """Runs the command line; gives its status and what it printed."""

    def run_command(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["playlist", "check", *arguments])
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return run_command


@pytest.fixture
def playlist(tmp_path, monkeypatch) -> Path:
    """A playlist with a missing file; the others are checked in this process, which is quicker."""
    monkeypatch.setattr(playlist_loading, "check_apart", lambda files, limit: probe_all(files))
    for name in ("tea.png", "cake.png"):
        Image.new("RGB", (64, 48), (90, 120, 60)).save(tmp_path / name)
    path = tmp_path / "week.yaml"
    path.write_text(
        """
timezone: Europe/Berlin
ads:
  - {file: tea.png, duration_s: 20, weight: 3, name: "Tea [green]"}
  - {file: cake.png, duration_s: 20, hours: "14:00-18:00", max_per_hour: 30, priority: 0, moods: [sad], days: [thu]}
  - {id: lost, file: gone.mp4}
"""
    )
    return path


def test_the_coming_hour_is_printed(run, playlist):
    status, out, _ = run(
        str(playlist), "--at", "2026-12-24 13:59", "--hours", "0.05", "--policy", "weighted"
    )
    assert status == 0
    assert "2 ads can be played (Europe/Berlin, cross-fade 0 s)" in out
    assert "thu; 14:00-18:00; at most 30 an hour; for sad" in out
    assert "Tea [green]" in out
    assert "lost is left out: " in out
    assert "gone.mp4 does not exist" in out
    assert "Thursday 2026-12-24 13:59 to 14:02" in out
    rows = [line.split() for line in out.splitlines() if line[:6] in ("13:59:", "14:00:", "14:01:")]
    assert [row[:3] for row in rows[:4]] == [
        ["13:59:00", "tea", "20.0"], ["13:59:20", "tea", "20.0"], ["13:59:40", "tea", "20.0"], ["14:00:00", "tea", "20.0"],
    ]  # fmt: skip
    assert "".join(row[1][0] for row in rows) == "tttt" + "cttt" + "c"
    assert "furthest behind its share of the screen time (75%)" in out


def test_json_is_one_document(run, playlist):
    status, out, _ = run(
        str(playlist), "--at", "2026-12-24T18:00", "--policy", "sequential", "--json"
    )
    assert status == 0
    document = json.loads(out)
    assert [ad["ad_id"] for ad in document["ads"]] == ["tea", "cake"]
    assert document["ads"][1]["hours"] == ["14:00-18:00"]
    assert document["skipped"][0]["ad_id"] == "lost"
    assert (document["begin"], document["end"]) == (
        "2026-12-24T18:00:00+01:00",
        "2026-12-24T19:00:00+01:00",
    )
    assert len(document["plays"]) == 180
    assert document["plays"][1] == {
        "at": "2026-12-24T18:00:20+01:00", "ad_id": "tea", "shown_s": 20.0, "reason": "next in the playlist",
        "probability": 1.0, "share": 1.0, "due": 1.0,
    }  # fmt: skip
    assert document["shares"][1] == {
        "ad_id": "cake",
        "plays": 0,
        "shown_s": 0.0,
        "share": 0.0,
        "due": 0.0,
    }
    assert document["idle"] == []


def test_dates_and_how_an_ad_is_shown_are_printed(run, playlist):
    playlist.write_text("""
mute: true
ads:
  - {id: now, file: tea.png, duration_s: 20, fit: blur, until: 2026-12-24}
  - {id: later, file: tea.png, duration_s: 20, from: 2026-12-25, volume: 0.5, mute: false}
  - {id: over, file: cake.png, duration_s: 20, from: 2026-11-01, until: 2026-12-23}
""")
    status, out, _ = run(str(playlist), "--at", "2026-12-24 18:00")
    assert status == 0
    assert "until 2026-12-24; blur; muted" in out
    assert "starts on 2026-12-25; volume 0.5" in out
    assert "! later starts on 2026-12-25, so it does not play now" in out
    assert "! over ended on 2026-12-23, so it does not play now" in out
    document = json.loads(run(str(playlist), "--at", "2026-12-24 18:00", "--json")[1])
    assert {play["ad_id"] for play in document["plays"]} == {"now"}
    keys = ("from", "until", "fit", "volume")
    assert [[ad[key] for key in keys] for ad in document["ads"]] == [
        [None, "2026-12-24", "blur", 0.0],
        ["2026-12-25", None, "contain", 0.5],
        ["2026-11-01", "2026-12-23", "contain", 0.0],
    ]


def test_idle_times_are_printed(run, playlist):
    playlist.write_text("ads: [{file: tea.png, duration_s: 20, hours: '14:00-18:00'}]")
    _, out, _ = run(str(playlist), "--at", "2026-12-24 17:59:40")
    assert "nothing may play until 18:59:40" in out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ads: [{file: tea.png, durations: 8}]", "did you mean 'duration_s'?"),
        ("ads: [", "not valid YAML"),
        (None, "no playlist"),
    ],
)
def test_a_wrong_playlist_has_status_2(run, playlist, text, words):
    if text is None:
        playlist.unlink()
    else:
        playlist.write_text(text)
    status, out, err = run(str(playlist))
    assert status == 2
    assert out == ""
    assert words in err
    assert len(err.splitlines()) == 1


def test_wrong_options_have_status_2(run, playlist):
    assert run(str(playlist), "--hours", "0")[0] == 2
    assert run(str(playlist), "--at", "soon")[0] == 2
    assert run(str(playlist), "--policy", "best")[0] == 2


def test_the_policies_are_all_offered():
    option = next(option for option in check.params if "--policy" in option.opts)
    assert tuple(option.type.choices) == POLICY_NAMES


def test_a_long_list_is_printed_in_part_and_says_what_is_missing(run, playlist, monkeypatch):
    monkeypatch.setattr("monitor.cli.ads.playlist.MAX_ROWS", 3)
    monkeypatch.setattr("monitor.cli.ads.playlist.MAX_PLAY_ROWS", 4)
    monkeypatch.setattr("ads.show.forecast.MAX_STEPS", 60)
    lines = [f"  - {{id: ad{number}, file: tea.png, duration_s: 20}}" for number in range(5)]
    lines += [f"  - {{id: gone{number}, file: gone.png}}" for number in range(7)]
    playlist.write_text("\n".join(["ads:", *lines]))
    status, out, _ = run(str(playlist), "--at", "2026-12-24 18:00")
    assert status == 0
    assert "... 2 more ads; --json has all of them" in out
    assert "... 4 more ads are left out; --json has all of them" in out
    assert "more plays; --json has all of them" in out
    text = " ".join(out.split())
    assert "The forecast ends at 18:05, not at Thursday 2026-12-24 19:00: 15 plays of 5 ads" in text
    document = json.loads(run(str(playlist), "--at", "2026-12-24 18:00", "--json")[1])
    assert (len(document["ads"]), len(document["skipped"]), len(document["plays"])) == (5, 7, 15)
    assert (document["end"][11:16], document["wanted_end"][11:16]) == ("18:05", "19:00")


def test_a_file_that_can_be_played_but_is_cut_off_is_named(run, tmp_path):
    path = write_timed(tmp_path / "cut.mkv", steps(20))
    path.write_bytes(path.read_bytes()[:-500])
    status, out, _ = run(str(tmp_path))
    assert status == 0
    assert "cut can be played, but " in out
    assert "cut.mkv is cut off: parts of it are missing" in " ".join(out.split())


def test_errors_come_last_once_with_a_summary(run, playlist):
    (playlist.parent / "notes.txt").write_text("x")
    (playlist.parent / "bad.mp4").write_bytes(b"no film")
    playlist.unlink()
    status, out, err = run(str(playlist.parent), "--hours", "0.02")
    assert (status, err) == (0, "")
    parts = ("Share of voice", "! notes.txt is left out: ", "✗ bad is left out: ")
    places = [out.index(part) for part in parts]
    assert places == sorted(places)
    assert out.splitlines()[-1] == "2 ads can be played, 1 error, 1 warning"
    assert out.count("bad is left out") == out.count("notes.txt is left out") == 1
    document = json.loads(run(str(playlist.parent), "--hours", "0.02", "--json")[1])
    assert document["summary"] == {"ads": 2, "errors": 1, "warnings": 1}


def test_a_clip_that_is_too_much_for_the_machine_is_named(run, playlist, monkeypatch):
    clip = playlist.with_name("busy.mp4")
    for path in (clip, playlist.with_name("more.mp4")):
        write_clip(path, [np.full((48, 64, 3), 90, np.uint8)] * 10)
    playlist.write_text("ads: [{file: busy.mp4}, {file: more.mp4}]")
    monkeypatch.setattr(
        "ads.media.check.measure_apart", lambda _paths, _limit_s: {clip: DecodingSpeed(11, 60)}
    )
    status, out, _ = run(str(playlist))
    assert status == 0
    text = " ".join(out.split())
    assert "decodes 11 of its 60 pictures a second, so it is shown at a lower rate;" in text
    assert "1 videos: not measured whether this machine keeps up with them" in text
    document = json.loads(run(str(playlist), "--json")[1])
    assert ["lower rate" in " ".join(ad["remarks"]) for ad in document["ads"]] == [True, False]
    assert document["unmeasured_clips"] == 1


def test_all_ads_that_are_wrong_are_named_once(run, playlist):
    playlist.write_text("""
ads:
  - {file: tea.png, durations: 8}
  - {file: cake.png, duration_s: 20}
  - {id: late, file: cake.png, hours: noon, weight: -1}
  - tea.png
""")
    status, out, err = run(str(playlist))
    assert (status, out) == (2, "")
    first, second, third = err.splitlines()
    assert first.startswith("Error: Ad 1 (tea.png) ")
    assert second.startswith("Error: Ad 3 (late) ")
    assert third.startswith("Error: Ad 4 ")
    assert third.endswith(" 3 ads are wrong in all.")
