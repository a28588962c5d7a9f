"""The page: well formed, self-contained, safe with any name, and honest about what is missing."""

# ruff: noqa: RUF001 - the page has real minus signs and dashes

from __future__ import annotations

import base64
import hashlib
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from ads.media.thumbnails import Thumbnail
from detector.names import printable
from monitor.languages import speaking
from monitor.reports import formatting, html, wording
from monitor.reports.document import build_report
from monitor.reports.faces import Faces
from monitor.reports.figures import (
    NARROW,
    PRINT,
    VALENCE,
    WIDE,
    valence_range,
)
from monitor.reports.thumbnails import Thumbnails
from tests.helpers.german import english_in, shown_texts

FACES = Faces.of({"report": {}})
VOID = {"meta", "link", "br", "hr", "img", "input"}
PAIR = {
    "first_name": "<b>Sommer & Co</b>",
    "second_name": "Rain",
    "difference": {"value": 0.3, "low": 0.1, "high": 0.5},
    "verdict": "first",
    "sentence": "<b>Sommer & Co</b> is better than Rain.",
}
NAME = "<b>Sommer & Co</b>"
HAPPY = (0.05, 0.0, 0.0, 0.8, 0.05, 0.0, 0.1)
SAD = (0.1, 0.0, 0.0, 0.0, 0.6, 0.0, 0.3)


class Page(HTMLParser):
    """Reads a page and keeps what tests ask for; an end tag without its start fails at once."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.labels: list[str] = []
        self.headings: list[int] = []
        self.named: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        for key, value in attrs:
            if key == "id":
                self.ids.append(value)
            if key in {"href", "src", "xlink:href", "srcset", "action", "data"}:
                self.links.append(value)
            if key == "aria-label":
                self.labels.append(value)
            if key in {"aria-labelledby", "aria-describedby", "for"}:
                self.named += value.split()
            # A style of its own, or a script of its own, would need a wider policy for content.
            assert key != "style"
            assert not key.startswith("on")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in {"style", "script"}:
            self.text += data


@pytest.fixture(scope="module")
def document_of():
    return lambda made, **options: build_report(made.data(), **options)


@pytest.fixture(scope="module")
def render(document_of):
    return lambda made, **options: read(html.render_html(document_of(made, **options)))


def read(text: str) -> tuple[str, Page]:
    page = Page(text)
    page.text = re.sub(r"\s+", " ", page.text)
    return text, page


@pytest.fixture(scope="module")
def session(maker):
    made = maker(length=30.0, site="Halle <2>")
    for number, (name, p) in enumerate(((NAME, HAPPY), ("Rain", SAD))):
        play = made.play(made.ad(f"ad-{number}", 5.0, name=name, brand=(2.5,)), number * 8.0, 5.0)
        for viewer in range(1, 7):
            for step in range(20):
                w = step / 20 * (0.7 + viewer / 20)
                mixed = [w * a + (1 - w) * b for a, b in zip(p, (0, 0, 0, 0, 0, 0, 1), strict=True)]
                made.reading(
                    play, viewer, number * 8.0 + step / 4, step / 4, mixed, attentive=step % 5 > 0
                )
    made.gap(6.0, 7.5, "camera_lost", "cable <pulled>")
    return made


@pytest.fixture(scope="module")
def document(session, document_of) -> dict:
    document = document_of(session)
    document["comparisons"] = [PAIR]
    norms = [
        {
            "figure": "valence_corrected_mean",
            "value": 0.12,
            "percentile": 80.0,
            "library_mean": 0.1,
            "library_size": 24,
            "percentile_low": 70.0,
            "percentile_high": 97.0,
        }
        | {"against": "24 ads of 4 to 15 s at <Shop>"},
        {
            "figure": "attraction_ratio",
            "value": 0.4,
            "percentile": None,
            "library_mean": 0.39,
            "library_size": 2,
            "percentile_low": None,
            "percentile_high": None,
        }
        | {"against": "2 ads"},
    ]
    mark(document["ads"][0])
    document["ads"][0] |= {
        "score": 61.0,
        "score_parts": {"valence": 0.6, "dwell_share": None},
        "norms": norms,
    }
    return document


def mark(ad, second: int = 0) -> None:
    """Give an ad a peak that stands out for certain."""
    ad["key_moments"] = [{"kind": "peak", "second": second, "value": 0.9, "low": 0.8, "high": 1.0}]


@pytest.fixture(scope="module")
def films() -> dict[int, Thumbnails]:
    stills = tuple(Thumbnail(k + 0.5, bytes([k]), 20, 10) for k in range(5))
    return {
        0: Thumbnails(stills, {0: stills[0]}),
        1: Thumbnails(missing="The file rain.mp4 was not found <here>."),
    }


@pytest.fixture(scope="module")
def rendered(document, films) -> str:
    return html.render_html(document, films)


def test_page_is_well_formed_and_needs_nothing_from_outside(rendered):
    text, page = read(rendered)
    assert text.startswith("<!DOCTYPE html>")
    assert page.links
    assert all(link.startswith(("#", "data:image/jpeg;base64,")) for link in page.links)
    assert not re.search(r'url\((?!"data:font/woff2;base64,)|@import|https?://', text)
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links if link.startswith("#")} | set(page.named) <= set(
        page.ids
    )


def test_policy_names_the_style_and_the_script_by_their_content(rendered):
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', rendered)[
        1
    ].replace("&#39;", "'")
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", rendered, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"


def test_headings_are_in_order(rendered):
    _, page = read(rendered)
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(
        after - before <= 1 for before, after in zip(page.headings, page.headings[1:], strict=False)
    )


def test_the_same_report_gives_the_same_page(document, films, rendered):
    assert html.render_html(document, films) == rendered


def test_pictures_of_the_ads_stand_along_their_time(rendered):
    text, page = read(rendered)
    strip = text[text.index('<div class="film"') :].split("</div>")[0]
    assert re.findall(r"base64,([^\"]+)", strip) == ["AA==", "AQ==", "Ag==", "Aw==", "BA=="]
    assert text.count('class="film"') == 1
    assert 'alt="The ad in second 0"' in text
    assert "The file rain.mp4 was not found <here>." in page.text


def test_a_page_without_pictures_says_nothing_of_them(document):
    text, _ = read(html.render_html(document))
    assert "<img" not in text
    assert "was not found" not in text


def test_score_library_and_pairs_are_shown(rendered):
    _, page = read(rendered)
    assert "61 of 100" in page.text
    assert "Dwell share–" in page.text
    assert "Valence24 ads of 4 to 15 s at <Shop>+0.12+0.10above 80%" in page.text
    assert "40%39%too few ads for a rank so far" in page.text
    assert "No comparable ads have been measured here yet" in page.text
    assert "<b>Sommer & Co</b> is better than Rain." in page.text


def test_each_figure_of_an_ad_is_explained_in_the_report(document):
    page = html.render_html(document)
    said = read(page)[1].text
    terms = said[said.index("How these figures are made") :]
    for name in dict(wording.currency(document["ads"][0])):
        assert name in terms or name == "Watched 2 s or more", name
    for name in ("Expressiveness", "Impact", "Held", "Attraction ratio", "Mean dwell"):
        assert name in terms
    assert "p(" not in terms, "a formula is in the words"
    assert 'href="#method"' in page
    assert not re.search(r"\d of \d+ ads?", said), "5 of 4 ads"


def test_what_is_left_out_is_said(document):
    changed = json.loads(json.dumps(document))
    counts = {"demo": 2, "replay": 1}
    changed["report"]["scope"]["left_out"] = changed["report"]["norms_left_out"] = counts
    said = "Left out: 2 demo sessions and 1 replay; only live sessions count."
    assert said in read(html.render_html(changed))[1].text
    changed["report"]["scope"]["left_out"] = {"demo": 0, "replay": 0}
    page = read(html.render_html(changed))[1].text
    said = "Left out of comparisons with earlier ads: 2 demo sessions and 1 replay; only live"
    assert said in page
    assert "Left out" not in read(html.render_html(document))[1].text
    changed["session"]["session_kind"] = "demo"
    assert "the built-in demo viewer, not a customer." in read(html.render_html(changed))[1].text
    assert "demo viewer" not in page


def test_viewers_seen_only_between_ads_are_named(document):
    changed = json.loads(json.dumps(document))
    changed["session"] |= {"viewers_between_ads": 2, "session_kind": "demo"}
    _, page = read(html.render_html(changed))
    assert "2 only between ads" in page.text
    assert "(demo)" in page.text
    assert (
        "between ads"
        not in read(
            html.render_html(changed | {"session": changed["session"] | {"viewers_between_ads": 0}})
        )[1].text.split("Viewers in view")[1][:80]
    )


def test_several_sessions_are_listed(document):
    several = json.loads(json.dumps(document))
    several["report"]["scope"]["sessions"] = 2
    several["session"] |= dict.fromkeys(
        ("id", "kind", "source", "model", "model_sha256", "program_version", "site", "fps")
    )
    several["sessions"] *= 2
    text, page = read(html.render_html(several))
    assert "2 sessions" in page.text
    assert "Halle <2>" in page.text
    assert re.search(r'id="sessions"', text)
    assert "7 (replay)" not in page.text


def test_names_are_escaped_everywhere(rendered):
    text, page = read(rendered)
    assert "<b>Sommer" not in text
    assert "&lt;b&gt;Sommer &amp; Co&lt;/b&gt;" in text
    assert NAME in page.text
    assert "Halle <2>" in page.text
    assert "cable <pulled>" in page.text


def test_each_ad_has_a_described_figure_and_a_table(rendered):
    text, page = read(rendered)
    described = [label for label in page.labels if label.startswith("Curves of")]
    assert len(described) == 2
    assert described[0].startswith(f"Curves of {NAME} over 5 seconds: valence starts at ")
    assert "of the faces over the ad are happy" in described[1]
    assert (
        text.count("data-curves") == text.count('<table class="data">') + 1
    )  # and once in the script
    # One for each ad, and one around the pairs.
    assert page.tags.count("details") == 3
    assert page.text.count("camera lost") == 1


def test_every_figure_is_hidden_from_readers_that_hear_it_in_words(rendered):
    assert rendered.count("<svg") == rendered.count('aria-hidden="true" focusable="false"')


def test_curves_are_drawn_from_the_same_numbers_every_time(session):
    ad = build_report(session.data())["ads"][0]
    mark(ad)
    for layout in (WIDE, NARROW, PRINT):
        drawn = [html.ad_figure(ad, layout, reach=(-0.5, 1.0), faces=FACES) for _ in range(2)]
        assert drawn[0] == drawn[1]
        assert f'viewBox="0 0 {layout.width} ' in drawn[0]
        assert all(
            name in drawn[0]
            for name in (">happy<", ">neutral<", ">brand<", ">peak +", "5 s<", 'class="cursor"')
        )
        assert ' id="' not in drawn[0]
        assert "nan" not in drawn[0]
        ET.fromstring(drawn[0])  # noqa: S314 - our own


def test_points_of_the_curves_stand_where_their_second_is(session):
    """Five seconds over the panel's width: the first point in the middle of the first fifth."""
    drawn = html.ad_figure(
        build_report(session.data())["ads"][0], WIDE, reach=(-1.0, 1.0), faces=FACES
    )
    path = re.search(r'<path class="v" d="M([^"]+)"', drawn)[1]
    xs = [float(point.split(" ")[0]) for point in path.split("L")]
    assert xs == pytest.approx([WIDE.left + WIDE.plot * (k + 0.5) / 5 for k in range(5)], abs=0.06)


def test_a_hole_in_the_curve_stays_a_hole(session):
    ad = json.loads(json.dumps(build_report(session.data())["ads"][0]))
    for second in ad["timeline"]:
        # One play has no interval.
        second |= {f"{VALENCE}_low": -0.1, f"{VALENCE}_high": 0.9}
    ad["timeline"][2] |= dict.fromkeys(
        (VALENCE, f"{VALENCE}_low", f"{VALENCE}_high", "shares", "attention")
    )
    mark(ad, 2)
    drawn = html.ad_figure(ad, WIDE, reach=(-1.0, 1.0), faces=FACES)
    assert re.search(r'<path class="v" d="([^"]+)"', drawn)[1].count("M") == 2
    assert drawn.count('class="band"') == 2
    assert "peak" not in drawn


def test_small_figures():
    figure = html.environment().get_template("_figures.html.j2").module
    funnel = figure.funnel({"opportunities": 1200, "watchers": 600, "held": None})
    assert ">1,200<" in funnel
    assert ">600 (50%)<" in funnel
    assert "held" not in funnel
    assert 'cx="194"' in figure.interval(0.5, None, None, 0.5)
    assert 'x1="6" x2="100"' in figure.interval(-0.25, -0.5, 0.0, 0.5)
    assert 'cx="100"' in figure.percentile(50.0)
    assert 'x="250" y="0" width="100"' in figure.gap_line([(0.25, 0.35)])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], (-0.25, 0.25)),
        ([None, 0.0], (-0.25, 0.25)),
        ([0.25, -0.25], (-0.25, 0.25)),
        ([0.26, -0.1], (-0.25, 0.5)),
        ([-0.9], (-1.0, 0.25)),
        ([1.0000004, -1.0], (-1.0, 1.0)),
    ],
)
def test_valence_axis(values, expected):
    assert valence_range(values) == expected


def test_a_difference_is_said_only_with_a_test_behind_it(maker):
    shown = maker(length=400.0)
    ads = [shown.ad(name, 5.0) for name in ("Sun", "Rain")]
    for number in range(20):
        play = shown.play(ads[number % 2], number * 20.0, 5.0)
        for viewer in range(3 * number + 1, 3 * number + 4):
            w = 0.7 + 0.02 * (viewer % 7)
            p = (HAPPY, SAD)[number % 2]
            mixed = [w * a + (1 - w) * b for a, b in zip(p, (0, 0, 0, 0, 0, 0, 1), strict=True)]
            shown.reading(play, viewer, number * 20.0 + 1.0, 1.0, mixed)
    report = build_report(shown.data())
    (certain,) = [pair for pair in report["comparisons"] if pair["verdict"] in {"better", "worse"}]
    # Pairs are named where no ad differs from all others.
    report["findings"] = []
    assert wording.findings(report)[1] == certain["sentence"]
    made = maker()
    for number in range(2):
        play = made.play(made.ad(f"ad-{number}", 2.0), number * 5.0, 2.0)
        for viewer in range(1, 4):
            made.reading(
                play, viewer, number * 5.0 + 0.5, 0.5, HAPPY if viewer + number > 2 else SAD
            )
    said = wording.findings(build_report(made.data()))
    assert said[1:] == ["No ad certainly differs from the others, and no second stands out."]


def test_one_viewer_claims_nothing(render, maker):
    made = maker()
    for number, p in enumerate((HAPPY, SAD)):
        play = made.play(made.ad(f"ad-{number}", 2.0), number * 5.0, 2.0)
        made.reading(play, 1, number * 5.0 + 0.5, 0.5, p)
    said = wording.findings(build_report(made.data()))
    assert said == [
        "1 viewer was in view during 2 plays of 2 ads; none of them watched an ad for half a "
        "second or longer.",
        "No ad certainly differs from the others, and no second stands out.",
    ]
    render(made)


def test_empty_session(render, maker):
    _, page = render(maker(length=None, fps=None, site=""))
    assert "No ad was shown in this session." in page.text
    assert "the session is still running" in page.text
    assert "Session 7" in page.text


def test_session_without_viewers(render, maker):
    made = maker()
    made.play(made.ad("tea"), 1.0, 4.0)
    _, page = render(made)
    assert "Ads were shown, but no viewer was seen" in page.text
    assert "Nobody was in view while this ad was on" in page.text


def test_session_with_only_a_gap(render, maker):
    made = maker()
    made.gap(0.0, None, "camera lost")
    made.play(made.ad("tea"), 1.0, 4.0)
    _, page = render(made)
    assert "Nothing could be measured while this ad was on" in page.text
    assert "not over" in page.text


def test_viewers_only_between_ads(render, maker):
    made = maker()
    made.play(made.ad("tea"), 1.0, 4.0)
    made.reading(-1, 1, 8.0, float("nan"))
    _, page = render(made)
    assert "Viewers were seen, but none of them while an ad was on." in page.text


def test_readings_without_a_position_have_figures_but_no_curve(render, maker):
    made = maker()
    made.reading(made.play(made.ad("tea"), 1.0, 4.0), 1, 2.0, float("nan"), HAPPY)
    _, page = render(made)
    assert "The readings have no position in the ad" in page.text


def test_emotions_that_could_not_be_read_are_stated(render, maker):
    made = maker(length=10.0)
    made.static_faces = 3
    play = made.play(made.ad("tea", 2.0), 0.0, 2.0)
    for step in range(8):
        made.reading(
            play, 1, step / 4, step / 4, withheld="too dark" if step < 2 else "turned away"
        )
    text, page = render(made)
    assert "no face well enough to read an emotion from it while an ad was on." in page.text
    assert "No face could be read well enough for an emotion while this ad was on" in page.text
    assert "no emotion could be read" in page.text
    assert (
        "Why readings have no emotion, as shares of all readings: turned away 75.0%, too dark "
        "25.0%." in page.text
    )
    assert "Readings without emotion100.0%" in page.text
    assert "Static faces3" in page.text
    assert not re.search(r"\bnan\b", text, flags=re.IGNORECASE)
    # What is known is still drawn and listed.
    assert [
        label
        for label in page.labels
        if label.startswith("Curve of Tea over 2 seconds: only attention")
    ]
    assert page.tags.count("details") == 1


def test_a_session_that_was_read_throughout_names_no_reason(rendered):
    _, page = read(rendered)
    assert "Readings without emotion0.0%" in page.text
    assert "Why readings have no emotion" not in page.text
    assert "cut off by the edge of the picture is not read" in page.text
    assert "taken for a poster or a still picture" in page.text


def test_too_few_read_viewers_are_stated(render, maker):
    made = maker()
    play = made.play(made.ad("tea", 4.0), 0.0, 4.0)
    for viewer in (1, 2):
        for second in range(4):
            made.reading(
                play,
                viewer,
                second + 0.5,
                second + 0.5,
                HAPPY,
                withheld="cut off" if viewer == 1 else None,
            )
    _, page = render(made, min_viewers=2)
    assert (
        "Tea: all measures of emotion; the emotion of 1 viewer could be read, 2 are needed."
        in page.text
    )
    made.reading(play, 1, 0.6, 0.6, HAPPY)
    _, page = render(made, min_viewers=2)
    assert (
        "Tea, seconds 1–3: curves of valence, curves of emotions, impact; "
        "in these seconds the emotion of fewer than 2 viewers could be read." in page.text
    )


@pytest.mark.parametrize(
    ("ad", "expected"),
    [
        ({"valence_corrected_mean": 0.1, "opportunities": 3}, ""),
        ({"valence_corrected_mean": None, "opportunities": 3}, "no emotion could be read"),
        ({"valence_corrected_mean": None, "opportunities": 0}, "nobody was in view"),
        ({"valence_corrected_mean": None, "opportunities": None}, "never measured"),
    ],
)
def test_why_there_is_no_mean(ad, expected):
    ad |= {"ad_id": "tea", "version": None}
    other = {"ad_id": "milk", "figures": ["mean_probabilities"]}
    assert wording.why_no_mean(ad, [other, {"ad_id": "tea", "figures": ["timeline"]}]) == expected
    if ad["valence_corrected_mean"] is None:
        assert wording.why_no_mean(ad, [other | {"ad_id": "tea"}]) == "withheld: too few viewers"


def test_withheld_figures_are_stated(render, session):
    text, page = render(session, min_viewers=7)
    assert "This report shows no figure about fewer than 7 viewers." in page.text
    assert "all measures; 6 viewers were in view, 7 are needed" in page.text
    assert "withheld: too few viewers" in page.text
    assert 'class="wide"' not in text
    assert 'class="interval"' not in text


def test_thin_seconds_are_stated(render, maker):
    made = maker()
    play = made.play(made.ad("tea", 5.0), 0.0, 5.0)
    for viewer in (1, 2):
        for second in range(5):
            if viewer == 1 or second == 4:
                made.reading(play, viewer, second + 0.5, second + 0.5, HAPPY)
    _, page = render(made, min_viewers=2)
    assert (
        "Tea, seconds 0–3: curves; in these seconds fewer than 2 viewers were in view." in page.text
    )


def test_many_gaps_over_several_days_are_folded_and_dated(render, maker):
    made = maker(length=3 * 86400.0)
    for k in range(20):
        made.gap(k * 10000.0, k * 10000.0 + 60.0, "too dark")
    _, page = render(made)
    assert "All 20 gaps" in page.text
    assert "3 March 2026" in page.text


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (formatting.signed(0.214), "+0.21"),
        (formatting.signed(-0.214), "−0.21"),
        (formatting.signed(-0.001), "0.00"),
        (formatting.signed(None), "–"),
        (formatting.percent(0.631), "63%"),
        (formatting.percent(None), "–"),
        (formatting.duration(7.46), "7.5 s"),
        (formatting.duration(59.97), "1 min 00 s"),
        (formatting.duration(200), "3 min 20 s"),
        (formatting.duration(7500), "2 h 05 min"),
        (formatting.duration(None), "–"),
        (formatting.whole(12345), "12,345"),
        (formatting.day("2026-03-01T09:00:00.000000Z"), "1 March 2026"),
        (formatting.clock("2026-03-01T09:05:07.900000Z"), "09:05:07"),
        (formatting.spans([0, 1, 2, 5, 7, 8]), "0–2, 5, 7–8"),
        (formatting.spans([]), ""),
    ],
)
def test_how_numbers_look(written, expected):
    assert written == expected


@pytest.mark.parametrize(
    ("session", "sites", "expected"),
    [
        ({"site": "Hall", "campaign": "Autumn", "id": 3}, ["Hall"], "Autumn, Hall"),
        ({"site": "Hall", "campaign": None, "id": 3}, ["Hall"], "Hall"),
        ({"site": "default", "campaign": "Autumn", "id": 3}, ["default"], "Autumn"),
        ({"site": "default", "campaign": None, "id": 3}, ["default"], "Session 3"),
        ({"site": "", "campaign": None, "id": 3}, [""], "Session 3"),
        ({"site": None, "campaign": None, "id": None}, ["A", "B"], "All sites"),
        ({"site": None, "campaign": "Autumn", "id": None}, ["A", "B"], "Autumn, all sites"),
        ({"site": "default", "campaign": None, "id": None}, ["default"], "All sessions"),
    ],
)
def test_the_title_names_campaign_and_site(session, sites, expected):
    document = {"session": session, "sessions": [{"site": site} for site in sites]}
    assert wording.place(document) == expected


def test_names_of_old_databases_are_escaped(document):
    name = "a\x1b[31m\u202eb\x07"
    ads = [ad | {"name": name} for ad in document["ads"]]
    page = html.render_html(document | {"ads": ads})
    assert r"a\x1b[31m\u202eb\x07" in page
    assert page == printable(page, keep="\n")


def test_a_german_report_has_no_english_word(maker):
    made = maker(length=60.0, site="Halle")
    for number, name in enumerate(("Eistee", "Kuchen")):
        play = made.play(made.ad(f"spot-{number}", 4.0, name=name), number * 6.0, 4.0)
        for viewer in range(1, 8):
            for step in range(16):
                at = number * 6.0 + step / 4
                made.reading(play, viewer, at, step / 4, HAPPY if number else SAD)
    made.gap(40.0, 45.5, "camera_lost", "The camera 0 gave no picture for 1.7 s.")
    with speaking("de"):
        page = html.render_html(build_report(made.data()))
    english = {text: english_in(text) for text in shown_texts(page)}
    assert {text: words for text, words in english.items() if words} == {}
