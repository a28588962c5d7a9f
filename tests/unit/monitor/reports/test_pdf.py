"""The report as a PDF: A4 pages with text, reproducible, and a clear error where impossible."""

from __future__ import annotations

import builtins
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from monitor.languages import speaking
from monitor.reports import pdf
from monitor.reports.document import build_report
from tests.helpers.crowds import crowd
from tests.helpers.waiting import Stopwatch


@pytest.fixture
def document(maker):
    made = maker(length=60.0, site='Shop "12"')
    for number in range(5):
        play = made.play(made.ad(f"ad-{number}", 4.0, brand=(1.0,)), number * 6.0, 4.0)
        for viewer in range(1, 4):
            for step in range(16):
                p = (0.0, 0.0, 0.0, step / 20, 0.1, 0.0, 0.9 - step / 20)
                made.reading(play, viewer, number * 6.0 + step / 4, step / 4, p)
    return build_report(made.data())


@pytest.fixture
def weasyprint():
    try:
        return pdf._weasyprint()
    except pdf.PdfUnavailableError as error:
        pytest.skip(str(error))


@pytest.mark.slow
@pytest.mark.usefixtures("weasyprint")
def test_five_ads_are_made_in_time_and_the_same_every_time(document):
    watch = Stopwatch()
    made = pdf.render_pdf(document)
    assert watch.seconds < 20
    assert made == pdf.render_pdf(document)
    assert made.startswith(b"%PDF-")
    assert len(made) < 1_000_000


SCRIPTS = ("ชาเย็น สดชื่น", "夏季新品 コーヒー 커피", "عرض القهوة", "שלום קפה", "चाय Кафе")
PRINT_HASH = """
import hashlib, json, sys
from monitor.reports import pdf
print(hashlib.sha256(pdf.render_pdf(json.load(sys.stdin))).hexdigest())
"""


@pytest.mark.slow
@pytest.mark.usefixtures("weasyprint")
def test_it_is_the_same_with_the_machine_s_fonts_and_with_none(document, tmp_path):
    config = tmp_path / "fonts.conf"
    config.write_text('<?xml version="1.0"?><fontconfig></fontconfig>')
    made = {hashlib.sha256(pdf.render_pdf(document)).hexdigest()}
    done = subprocess.run(
        [sys.executable, "-c", PRINT_HASH],
        input=json.dumps(document),
        env=dict(os.environ, FONTCONFIG_FILE=str(config), XDG_CACHE_HOME=str(tmp_path)),
        cwd=Path(__file__).parents[4],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert made == {done.stdout.strip()}


@pytest.mark.slow
@pytest.mark.usefixtures("weasyprint")
def test_names_in_other_scripts_use_no_font_of_the_machine(document):
    """Emoji are left out: for them Pango may prefer a colour font of the machine."""
    for ad, name in zip(document["ads"], SCRIPTS, strict=True):
        ad["name"] = name
    made = pdf._laid_out(document, None).write_pdf(uncompressed_pdf=True)
    names = {name.decode() for name in re.findall(rb"/BaseFont /([^\s/]+)", made)}
    families = {name.partition("+")[2].removesuffix("-Bold") for name in names}
    scripts = ("Sans", "Thai", "CJK", "Arabic", "Hebrew", "Devanagari")
    assert families == {f"Ad-Monitor-{script}" for script in scripts}


@pytest.mark.slow
@pytest.mark.usefixtures("weasyprint")
def test_pages_are_a4_and_each_ad_has_its_own(document):
    pages = pdf._laid_out(document, None).pages
    assert {(round(page.width * 25.4 / 96), round(page.height * 25.4 / 96)) for page in pages} == {
        (210, 297)
    }
    # The summary, the ads, quality and method.
    assert 1 + 5 + 1 <= len(pages) <= 1 + 5 + 3
    anchors = [set(page.anchors) for page in pages]
    firsts = [
        next(n for n, found in enumerate(anchors) if f"ad-{number}" in found)
        for number in range(1, 6)
    ]
    assert firsts == sorted(set(firsts))


@pytest.mark.slow
def test_nothing_is_fetched(document, weasyprint, monkeypatch):
    asked = []
    fetch = weasyprint.urls.URLFetcher.fetch

    def watched(self, url, headers=None):
        asked.append(url)
        return fetch(self, url, headers)

    monkeypatch.setattr(weasyprint.urls.URLFetcher, "fetch", watched)
    document["session"]["source"] = "<img src=http://example.org/x.png>"
    pdf.render_pdf(document)
    assert all(url.startswith("data:") for url in asked)


@pytest.mark.parametrize(
    "error",
    [ImportError("No module named 'weasyprint'"), OSError("cannot load library 'libpango'")],
)
def test_without_the_libraries_it_says_what_to_install(document, monkeypatch, error):
    real = builtins.__import__

    def missing(name, *arguments, **named):
        if name == "weasyprint":
            raise error
        return real(name, *arguments, **named)

    monkeypatch.delitem(sys.modules, "weasyprint", raising=False)
    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(
        pdf.PdfUnavailableError,
        match=r"apt install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0",
    ):
        pdf.render_pdf(document)


@pytest.mark.parametrize("name", ['a"b', "a\\", "a\nb", "} body { color: red", "</style>"])
def test_the_name_at_the_head_of_a_page_is_only_a_name(name):
    lines = pdf.running_lines(name, "Report")
    text = re.search(r'content: "((?:[^"\\\n]|\\.)*)"', lines)[1]
    assert re.sub(r"\\(.)", r"\1", text) == name.replace("\n", " ")


def test_making_pdfs_does_not_let_damaged_pictures_in():
    from PIL import ImageFile

    pdf._weasyprint()
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


@pytest.mark.slow
@pytest.mark.usefixtures("weasyprint")
def test_sixty_ads_fit_on_fifteen_pages_and_are_made_in_twenty_seconds():
    """Of processor time, which a busy machine does not change: measures, document and pages."""
    data = crowd(60, 300).data()
    began = time.process_time()
    pages = pdf._laid_out(build_report(data), None).pages
    assert time.process_time() - began < 20
    assert len(pages) <= 15


@pytest.mark.slow
@pytest.mark.usefixtures("weasyprint")
@pytest.mark.parametrize(("ads", "viewers", "days"), [(1, 0, 1), (5, 20, 10), (12, 300, 1)])
def test_nothing_is_cut_at_the_edge_of_the_paper(ads, viewers, days):
    """No line of text, whatever its name, ends beyond its cell or the margin of its page."""
    for page in pdf._laid_out(build_report(crowd(ads, viewers, days=days).data()), None).pages:
        box = page._page_box
        limit = box.content_box_x() + box.width + 1.0
        beyond = [
            (child.text, child.position_x + child.width)
            for child in box.descendants()
            if type(child).__name__ == "TextBox" and child.position_x + child.width > limit
        ]
        assert beyond == []
        for cell in box.descendants():
            if type(cell).__name__ == "TableCellBox":
                end = cell.position_x + cell.border_width() + 1.0
                lines = [line for line in cell.descendants() if type(line).__name__ == "TextBox"]
                assert [x.text for x in lines if x.position_x + x.width > end] == []


def lines_of(pages):
    """Yield each line of text with its page's boxes."""
    for page in pages:
        for box in page._page_box.descendants():
            if type(box).__name__ == "TextBox":
                yield box


@pytest.mark.usefixtures("weasyprint")
def test_key_moments_and_advice_have_room_for_german_words(maker):
    made = maker(length=60.0)
    for number in range(6):
        play = made.play(made.ad("tea", 6.0), number * 8.0, 6.0)
        for viewer in range(1, 9):
            for step in range(24):
                happy = 0.1 + 0.7 * (step >= 12)
                p = (0.0, 0.0, 0.0, happy, 0.0, 0.0, 1 - happy)
                looks = {"attentive": step < 12 or viewer == 1}
                at = number * 8.0 + step / 4
                made.reading(play, 10 * number + viewer, at, step / 4, p, **looks)
    with speaking("de"):
        document = build_report(made.data(), min_viewers=1)
        words = {line.text.strip() for line in lines_of(pdf._laid_out(document, None).pages)}
        withheld = build_report(made.data(), min_viewers=1000)
        laid_out = pdf._laid_out(withheld, None).pages
    assert "Schlüsselmomente" in words
    # A column that is too narrow breaks words into letters.
    assert not {word for word in words if len(word) == 1 and word.isalpha()}
    badges = [line for line in lines_of(laid_out) if line.text == "Betrachter sammeln"]
    in_table = max(badges, key=lambda line: line.position_y)
    beside = next(line for line in lines_of(laid_out) if line.text.startswith("keine Angabe: zu"))
    assert in_table.position_x + in_table.width < beside.position_x


@pytest.mark.slow
@pytest.mark.usefixtures("weasyprint")
def test_a_long_site_leaves_short_words_beside_it_whole():
    document = build_report(crowd(1, 3).data())
    site = "Donaudampfschifffahrtsgesellschaftskapitaenswerbebildschirm " * 2
    document["sessions"] = [session := document["sessions"][0] | {"site": site}] * 2
    document["report"]["scope"]["sessions"] = 2
    figures = {"sessions": 1, "plays": 60, "viewers": 84, "exposures": 84}
    attention = {"attention_s": 2593.0, "attention_per_exposure_s": 1.2}
    place = {"screen": "1", "name": site, "site": site, "group": "North", "tags": []}
    document["screens"] = [place | figures | attention]
    words = {line.text.strip() for line in lines_of(pdf._laid_out(document, None).pages)}
    assert {"North", session["end_reason"]} <= words
