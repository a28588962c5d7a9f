"""Sessions, reports and comparisons as they are printed, in terminals of several kinds."""

from __future__ import annotations

import io
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from monitor.analytics.comparison import compare_ads
from monitor.reports.terminal import print_comparisons, print_report, print_sessions, printing
from monitor.reports.terminal.charts import BLOCKS

MOMENTS = [
    {"kind": "peak", "second": 3, "value": 0.4, "low": 0.3, "high": 0.5},
    {"kind": "attention_drop", "second": 5, "value": 0.25, "low": 0.1, "high": 0.4},
]
SHARES = {"happy": 0.3, "surprise": 0.05, "negative": 0.09, "neutral": 0.56}
NORMS = [
    {"figure": "mean_valence", "value": 0.2, "percentile": 90.0, "library_mean": 0.1, "library_size": 24, "against": "x"},
]  # fmt: skip


def second(number, valence, attention):
    return {"second": number, "valence_corrected_audience": valence, "attention": attention}


def ad_entry(**more):
    known = {
        "ad_id": "summer-01",
        "version": None,
        "name": "Summer [drinks]",
        "duration_s": 8.0,
        "plays": 4,
        "opportunities": 12,
        "watchers": 9,
        "held": 5,
        "attraction_ratio": 0.45,
        "mean_valence": 0.15,
        "valence_corrected_mean": 0.21,
        "valence_corrected_mean_low": 0.08,
        "valence_corrected_mean_high": 0.34,
        "shares": SHARES,
        "advice": {"action": "keep_testing", "reason": "Not known yet.", "viewers_needed": 40},
        "score": 63.4,
        "score_low": 41.2,
        "score_high": 80.0,
        "score_against": "Among 24 other ads.",
        "norms": NORMS,
        "key_moments": MOMENTS,
        "timeline": [
            second(k, v, a)
            for k, (v, a) in enumerate([(-0.2, 1.0), (None, None), (0.1, 0.5), (0.4, 0.0)])
        ],
    }
    return known | more


@pytest.fixture
def document():
    return {
        "report": {
            "version": 1,
            "min_viewers": 1,
            "scope": {"sessions": 1, "site": None, "since": None, "until": None},
        },
        "session": {
            "id": 3,
            "site": "Hall",
            "started_at": "2026-03-01T09:00:00.000000Z",
            "ended_at": "2026-03-01T09:10:00.000000Z",
            "plays": 12,
            "viewers": 1,
            "readings": 12345,
            "watchers": None,
            "attraction_ratio": 0.4,
        },
        "ads": [ad_entry()],
        "findings": [],
        "comparisons": [],
        "gaps": [],
        "withheld": [],
    }


@pytest.fixture
def printed(monkeypatch):
    """Prints into a terminal of a kind, and gives its lines."""

    def run(function, *arguments, width=80, encoding="utf-8"):
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding=encoding)
        monkeypatch.setattr(printing, "wide_console", lambda: Console(file=stream, width=width))
        function(*arguments)
        stream.flush()
        return [line.rstrip() for line in raw.getvalue().decode(encoding).splitlines()]

    return run


@pytest.fixture
def found(exposures):
    """Comparisons of three ads, one of them with too few viewers."""
    for ad_id, values in (("one", [0.5, 0.6] * 9), ("two", [-0.2, 0.1] * 9), ("three", [0.1])):
        row = exposures.ad(ad_id)
        for week, value in enumerate(values):
            play = exposures.play(row, hours=168 * week + 0.2 * row)
            exposures.saw(play, play, value)
    return [comparison.document() for comparison in compare_ads(exposures.data())]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("width", [80, 160])
def test_a_report_fits_into_any_terminal(printed, document, found, width, encoding):
    document["comparisons"] = found
    document["gaps"] = [gap(k) for k in range(20)]
    document["withheld"] = [
        {
            "ad_id": None,
            "figures": ["session.watchers"],
            "why": "1 viewer was in view, 5 are needed",
        }
    ]
    document["ads"].append(
        ad_entry(name="Größe", timeline=[second(k, k / 90, 0.5) for k in range(90)])
    )
    lines = printed(print_report, document, width=width, encoding=encoding)
    assert max(map(len, lines)) <= width


def gap(number, seconds=10):
    start = f"2026-03-01T09:{number:02d}:00.000000Z"
    return {
        "start": start,
        "end": f"2026-03-01T09:{number:02d}:{seconds:02d}.000000Z",
        "cause": "camera lost",
        "detail": None,
    }


def test_the_block_of_an_ad(printed, document):
    text = printed(print_report, document)
    assert text[0].startswith("Session 3, Hall, 2026-03-01 ")
    assert text[1] == "12 plays, 1 viewer, attraction ratio 40%, 12,345 readings"
    assert text[2] == ("No second of “Summer [drinks]” certainly stands out from the others.")
    assert text[4:] == [
        "Keep testing",
        "  Summer [drinks]: Not known yet. (about 40 more viewers needed)",
        "",
        "Summer [drinks] (summer-01)",
        "shown                4 plays of 8 s",
        "seen by              12 viewers, 9 watchers, 5 held",
        "attention            45% of the time in view",
        "valence              +0.21 (+0.08 to +0.34)  -1             │├─●┤         +1",
        "score                63 of 100 (41 to 80). Among 24 other ads.",
        "faces                happy 30%, surprise 5%, negative 9%, neutral 56%",
        "valence by second    ▁·▄▇ -0.2 to 0.5",
        "attention by second  █·▅▁ 0 to 1",
        "moments              peak +0.40 at 3 s, attention falls +0.25 at 5 s",
    ]


def test_what_is_not_known_is_a_dash(printed, document):
    unknown = (
        "opportunities",
        "watchers",
        "held",
        "attraction_ratio",
        "valence_corrected_mean",
        "valence_corrected_mean_low",
        "shares",
        "score",
    )
    document["ads"] = [
        ad_entry(
            **dict.fromkeys(unknown),
            key_moments=[],
            timeline=[second(0, None, None)],
            version=2,
            score_against="",
        ),
        ad_entry(valence_corrected_mean_low=None, norms=[]),
    ]
    text = printed(print_report, document)
    dash = BLOCKS.none
    assert "Summer [drinks] (summer-01, version 2)" in text
    assert f"seen by              {dash} viewers, {dash} watchers, {dash} held" in text
    assert f"attention            {dash} of the time in view" in text
    for line in ("valence", "score", "moments"):
        assert f"{line:<21}{dash}" in text
    assert "valence by second    · -0.2 to 0.5" in text
    assert "valence              +0.21" in text
    assert "score                63 of 100 (41 to 80)." in "\n".join(text)


def test_the_head_of_several_sessions(printed, document):
    document["report"]["scope"] |= {"sessions": 4, "site": None}
    document["session"] |= {"id": None, "site": None, "ended_at": None, "watchers": 7}
    text = printed(print_report, document)
    assert text[0].startswith("4 sessions, all sites, 2026-03-01")
    assert " to " not in text[0]
    assert "7 watchers" in text[1]


def test_the_longest_gaps_are_listed_and_the_rest_counted(printed, document):
    document["gaps"] = [gap(k, seconds=k + 1) for k in range(12)]
    document["gaps"][0] |= {"end": None, "detail": "no picture"}
    text = printed(print_report, document)
    place = text.index("Not measured (12 gaps, the 8 longest)")
    listed = text[place + 1 :]
    assert len(listed) == 8
    assert listed[0].split()[-5:] == ["lasts", "camera", "lost:", "no", "picture"]
    assert [line.split()[2] for line in listed[1:]] == [f"{k}.0" for k in range(6, 13)]


def test_what_is_withheld_is_said(printed, document):
    document["report"]["min_viewers"] = 5
    document["withheld"] = [
        {
            "ad_id": None,
            "figures": ["session.watchers"],
            "why": "1 viewer was in view, 5 are needed",
        },
        {
            "ad_id": "summer-01",
            "figures": ["timeline"],
            "seconds": [4, 5],
            "why": "few were in view",
        },
    ]
    text = printed(print_report, document)
    assert text[-3:] == [
        "Withheld (fewer than 5 viewers)",
        "session: 1 viewer was in view, 5 are needed",
        "summer-01 (2 seconds): few were in view",
    ]


def test_comparisons_are_drawn_on_one_scale(printed, found):
    head, line, *sentences = printed(print_comparisons, found)
    assert head.split()[:3] == ["ads", "viewers", "valence"]
    assert line.startswith(f"One {BLOCKS.dash} Two   18, 18    +0.60")
    assert line.endswith("better")
    assert line.index("│") == head.index(" 0 ") + 1
    text = " ".join(" ".join(sentences).split())
    assert "One is better than Two in valence." in text
    assert text.count("withheld") == 2


def test_comparisons_by_segment(printed, exposures):
    for ad_id, value in (("one", 0.1), ("two", 0.3)):
        row = exposures.ad(ad_id)
        for week in range(5):
            play = exposures.play(row, hours=168 * week + 0.2 * row)
            exposures.saw(play, play, value)
    documents = [
        comparison.document() for comparison in compare_ads(exposures.data(), by="weekday")
    ]
    head, line, *_ = printed(print_comparisons, documents)
    assert head.split()[:2] == ["weekday", "ads"]
    assert line.split()[:2] == ["mon", "One"]
    assert line.endswith("worse")


def test_without_blocks_the_same_is_said_in_ascii(printed, document, found):
    document["comparisons"] = found
    text = "\n".join(printed(print_report, document, encoding="ascii"))
    assert "valence by second    _ -* -0.2 to 0.5" in text
    assert "|[-o]" in text
    assert "One - Two" in text


def test_times_are_those_of_the_site_and_say_so(printed, exposures):
    exposures.session("Attic", "0")
    first, second = exposures.sessions
    berlin = replace(first, settings={"timezone": "Europe/Berlin"})
    tokyo = replace(second, settings={"timezone": "Asia/Tokyo"})
    start = first.started_at
    one = printed(print_sessions, [berlin], width=160)
    assert (
        one[1].split()[2:4]
        == f"{start.astimezone(ZoneInfo('Europe/Berlin')):%Y-%m-%d %H:%M}".split()
    )
    assert one[-1].startswith("Times in Europe/Berlin (UTC+0")
    both = printed(print_sessions, [tokyo, berlin], width=160)
    assert len(both) == 3
    assert f"{second.started_at.astimezone(ZoneInfo('Asia/Tokyo')):%H:%M} +0900" in both[1]
    assert " +0" in both[2]


def test_no_word_of_a_session_is_cut_in_a_narrow_terminal(printed, exposures):
    exposures.session("default", "viewer.mp4")
    listed = [replace(exposures.sessions[-1], end_reason="finished", viewers=9, readings=1234)]
    for width, columns in ((80, 0), (100, 1), (120, 2)):
        lines = printed(print_sessions, listed, {listed[0].id: [0, 3, 9]}, width=width)
        assert max(map(len, lines)) <= width
        assert {"default", "finished", "9"} <= {word for line in lines for word in line.split()}
        assert ("1,234" in lines[-2]) + ("viewers over time" in "".join(lines)) == columns


def test_sessions_with_their_activity(printed, exposures):
    exposures.session("Attic [2]", "rtsp://door")
    first, second_session = exposures.sessions
    listed = [replace(second_session, ended_at=None, viewers=9), replace(first, readings=1234)]
    plain = printed(print_sessions, listed, width=120)
    assert [line.split()[0] for line in plain] == ["id", "2", "1", "Times"]
    assert "running" in plain[1]
    assert "Attic [2]" in plain[1]
    assert "12:00:00" in plain[2]
    assert plain[2].endswith("1,234")
    drawn = printed(print_sessions, listed, {1: [0, 1, 2, 4], 2: [0, 0, 0, 0]}, width=120)
    assert drawn[0].endswith("viewers over time")
    assert drawn[1].endswith("▁▁▁▁")
    assert drawn[2].endswith("▁▃▅█")
    assert printed(print_sessions, listed, {}, width=120)[1].endswith("0")
    narrow = printed(print_sessions, listed, {1: [1] * 24, 2: [1] * 24}, width=80)
    assert max(map(len, narrow)) <= 80


def test_a_proof_says_of_each_row_why_a_figure_is_withheld(printed):
    counts = dict.fromkeys(("plays", "verified", "not_shown", "skipped", "failed", "cut_short"), 1)
    people = {"opportunities": 1, "watchers": None, "attentive_s": 18.0}
    people |= {"cost": None, "cost_per_thousand_attentive_s": None}
    slow = "fewer than 3 readings of a viewer were taken per second"
    hidden = ["watchers", "attentive_s", "cost", "cost_per_thousand_attentive_s"]
    document = {
        "by": ["site"],
        "rows": [{"site": "Hall", **counts, **people}] * 3,
        "total": {**counts, **people},
        "min_viewers": 2,
        "withheld": [
            {"site": "Hall", "figures": ["watchers"], "why": slow},
            {"total": True, "figures": ["watchers"], "why": slow},
            {"site": "Hall", "figures": hidden, "why": "1 viewer was in view, 2 are needed"},
        ],
    }
    lines = printed(printing.print_proof, document, width=140)
    assert [line.partition(" in ")[2] for line in lines[-2:]] == [
        f"2 rows: {slow}.",
        "1 row: fewer than 2 viewers were in view.",
    ]
