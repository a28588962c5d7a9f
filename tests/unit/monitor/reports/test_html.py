"""The page: well formed, self-contained, safe with any name, and honest about what is missing."""

# ruff: noqa: RUF001 - the page has real minus signs and dashes

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from monitor.reports import html
from monitor.reports.figures import NARROW, WIDE, ad_figure, valence_range
from monitor.reports.session_report import build_report

VOID = {"meta", "link", "br", "hr", "img", "input"}
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
        for key, value in attrs:
            if key == "id":
                self.ids.append(value)
            if key in {"href", "src", "xlink:href", "srcset", "action", "data"}:
                self.links.append(value)
            if key == "aria-label":
                self.labels.append(value)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data


def render(made, **options) -> tuple[str, Page]:
    return read(html.render_html(build_report(made.data(), **options)))


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
                made.reading(play, viewer, number * 8.0 + step / 4, step / 4, mixed, attentive=step % 5 > 0)
    made.gap(6.0, 7.5, "camera_lost", "cable <pulled>")
    return made


@pytest.fixture(scope="module")
def rendered(session) -> str:
    return html.render_html(build_report(session.data()))


def test_page_is_well_formed_and_needs_nothing_from_outside(rendered):
    text, page = read(rendered)
    assert text.startswith("<!DOCTYPE html>")
    assert "script" not in page.tags
    assert all(link.startswith("#") for link in page.links)
    assert "url(http" not in text
    assert "@import" not in text
    assert len(page.ids) == len(set(page.ids))
    referred = {link[1:] for link in page.links} | set(re.findall(r"url\(#([^)]+)\)", text))
    assert referred <= set(page.ids)


def test_names_are_escaped_everywhere(rendered):
    text, page = read(rendered)
    assert "<b>Sommer" not in text
    assert "&lt;b&gt;Sommer &amp; Co&lt;/b&gt;" in text
    assert NAME in page.text
    assert "Halle <2>" in page.text
    assert "cable <pulled>" in page.text


def test_each_ad_has_a_described_figure_and_a_table(rendered):
    _, page = read(rendered)
    described = [label for label in page.labels if label.startswith("Curves of")]
    assert len(described) == 2
    assert described[0].startswith(f"Curves of {NAME} over 5 seconds: mean valence starts at +0.0")
    assert "the strongest emotion over the ad is neutral" in described[1]
    assert page.tags.count("svg") == 2 * 2 + 2  # wide and narrow of each ad, and its interval in the ranking
    assert page.tags.count("details") == 2
    assert page.text.count("camera lost") == 1


def test_figure_is_drawn_from_the_same_numbers_every_time(session):
    ad = build_report(session.data())["ads"][0]
    for layout in (WIDE, NARROW):
        drawn = [ad_figure(ad, layout, reach=(-0.5, 1.0), prefix="x-") for _ in range(2)]
        assert drawn[0] == drawn[1]
        assert f'viewBox="0 0 {layout.width} {layout.height}"' in drawn[0]
        assert all(name in drawn[0] for name in ("happy", "surprise", "neutral", "brand", "peak +", "second of the ad"))
        assert not re.search(r'id="(?!x-)', drawn[0])
        assert "metadata" not in drawn[0]


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


def test_clear_winner_and_unsettled_order_are_told_apart(session, maker):
    assert html.findings(build_report(session.data()))[1] == "No other ad's interval reaches into it."
    made = maker()
    for number in range(2):
        play = made.play(made.ad(f"ad-{number}", 2.0), number * 5.0, 2.0)
        for viewer in range(1, 4):
            made.reading(play, viewer, number * 5.0 + 0.5, 0.5, HAPPY if viewer + number > 2 else SAD)
    said = html.findings(build_report(made.data()))
    assert said[0].startswith("“Ad-1” was met with the most positive faces: mean valence +0.30, 95% interval −")
    assert said[1].startswith("The interval of “Ad-0” overlaps with it, so the first place is not settled")


def test_one_viewer_claims_nothing(maker):
    made = maker()
    for number, p in enumerate((HAPPY, SAD)):
        play = made.play(made.ad(f"ad-{number}", 2.0), number * 5.0, 2.0)
        made.reading(play, 1, number * 5.0 + 0.5, 0.5, p)
    said = html.findings(build_report(made.data()))
    assert said[0].endswith("a single viewer gives no interval.")
    assert said[1] == "There are too few viewers to say whether the ads differ."
    render(made)


def test_empty_session(maker):
    _, page = render(maker(length=None, fps=None, site=""))
    assert "No ad was shown in this session." in page.text
    assert "the session is still running" in page.text
    assert "Session 7" in page.text


def test_session_without_viewers(maker):
    made = maker()
    made.play(made.ad("tea"), 1.0, 4.0)
    _, page = render(made)
    assert "Ads were shown, but no viewer was seen" in page.text
    assert "Nobody was in view while this ad was on" in page.text


def test_session_with_only_a_gap(maker):
    made = maker()
    made.gap(0.0, None, "camera lost")
    made.play(made.ad("tea"), 1.0, 4.0)
    _, page = render(made)
    assert "Nothing could be measured while this ad was on" in page.text
    assert "not over" in page.text


def test_viewers_only_between_ads(maker):
    made = maker()
    made.play(made.ad("tea"), 1.0, 4.0)
    made.reading(-1, 1, 8.0, float("nan"))
    _, page = render(made)
    assert "Viewers were seen, but none of them while an ad was on." in page.text


def test_readings_without_a_position_have_figures_but_no_curve(maker):
    made = maker()
    made.reading(made.play(made.ad("tea"), 1.0, 4.0), 1, 2.0, float("nan"), HAPPY)
    _, page = render(made)
    assert "No position in the ad is known for its readings" in page.text


def test_emotions_that_could_not_be_read_are_stated(maker):
    made = maker(length=10.0)
    made.static_faces = 3
    play = made.play(made.ad("tea", 2.0), 0.0, 2.0)
    for step in range(8):
        made.reading(play, 1, step / 4, step / 4, withheld="too dark" if step < 2 else "turned away")
    text, page = render(made)
    assert "no face well enough to read an emotion from it while an ad was on." in page.text
    assert "While this ad was on no face could be read well enough for an emotion" in page.text
    assert "no emotion could be read" in page.text
    assert "Why readings have no emotion, as shares of all readings: turned away 75.0%, too dark 25.0%." in page.text
    assert "Readings without emotion100.0%" in page.text
    assert "Static faces3" in page.text
    assert not re.search(r"\bnan\b", text, flags=re.IGNORECASE)
    # What is known is still drawn and listed.
    assert [label for label in page.labels if label.startswith("Curve of Tea over 2 seconds: only attention")]
    assert page.tags.count("details") == 1


def test_a_session_that_was_read_throughout_names_no_reason(rendered):
    _, page = read(rendered)
    assert "Readings without emotion0.0%" in page.text
    assert "Why readings have no emotion" not in page.text
    assert "is not guessed at" in page.text
    assert "taken for a poster or a still picture" in page.text


def test_too_few_read_viewers_are_stated(maker):
    made = maker()
    play = made.play(made.ad("tea", 4.0), 0.0, 4.0)
    for viewer in (1, 2):
        for second in range(4):
            made.reading(play, viewer, second + 0.5, second + 0.5, HAPPY, withheld="cut off" if viewer == 1 else None)
    _, page = render(made, min_viewers=2)
    assert "Tea: all measures of emotion; the emotion of 1 viewer could be read, 2 are needed." in page.text
    made.reading(play, 1, 0.6, 0.6, HAPPY)
    _, page = render(made, min_viewers=2)
    assert (
        "Tea, seconds 1–3: curves of valence, curves of emotions, impact; "
        "in these seconds the emotion of fewer than 2 viewers could be read." in page.text
    )


@pytest.mark.parametrize(
    ("ad", "expected"),
    [
        ({"mean_valence": 0.1, "opportunities": 3}, ""),
        ({"mean_valence": None, "opportunities": 3}, "no emotion could be read"),
        ({"mean_valence": None, "opportunities": 0}, "nobody was in view"),
        ({"mean_valence": None, "opportunities": None}, "never measured"),
    ],
)
def test_why_there_is_no_mean(ad, expected):
    ad |= {"ad_id": "tea", "version": None}
    other = {"ad_id": "milk", "figures": ["mean_valence"]}
    assert html.why_no_mean(ad, [other, {"ad_id": "tea", "figures": ["timeline"]}]) == expected
    if ad["mean_valence"] is None:
        assert html.why_no_mean(ad, [other | {"ad_id": "tea"}]) == "withheld: too few viewers"


def test_withheld_figures_are_stated(session):
    _, page = render(session, min_viewers=7)
    assert "This report shows no figure about fewer than 7 viewers." in page.text
    assert "all measures; 6 viewers were in view, 7 are needed" in page.text
    assert "withheld: too few viewers" in page.text
    assert page.tags.count("svg") == 0


def test_thin_seconds_are_stated(maker):
    made = maker()
    play = made.play(made.ad("tea", 5.0), 0.0, 5.0)
    for viewer in (1, 2):
        for second in range(5):
            if viewer == 1 or second == 4:
                made.reading(play, viewer, second + 0.5, second + 0.5, HAPPY)
    _, page = render(made, min_viewers=2)
    assert "Tea, seconds 0–3: curves; in these seconds fewer than 2 viewers were in view." in page.text


def test_many_gaps_over_several_days_are_folded_and_dated(maker):
    made = maker(length=3 * 86400.0)
    for k in range(20):
        made.gap(k * 10000.0, k * 10000.0 + 60.0, "too dark")
    _, page = render(made)
    assert "All 20 gaps" in page.text
    assert "3 March 2026" in page.text


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (html.signed(0.214), "+0.21"),
        (html.signed(-0.214), "−0.21"),
        (html.signed(-0.001), "0.00"),
        (html.signed(None), "–"),
        (html.percent(0.631), "63%"),
        (html.percent(None), "–"),
        (html.duration(7.46), "7.5 s"),
        (html.duration(59.97), "1 min 00 s"),
        (html.duration(200), "3 min 20 s"),
        (html.duration(7500), "2 h 05 min"),
        (html.duration(None), "–"),
        (html.whole(12345), "12,345"),
        (html.day("2026-03-01T09:00:00.000000Z"), "1 March 2026"),
        (html.clock("2026-03-01T09:05:07.900000Z"), "09:05:07"),
        (html.spans([0, 1, 2, 5, 7, 8]), "0–2, 5, 7–8"),
        (html.spans([]), ""),
    ],
)
def test_how_numbers_look(written, expected):
    assert written == expected
