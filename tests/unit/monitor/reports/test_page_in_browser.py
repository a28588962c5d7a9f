"""The page in a real browser without a network: quiet, accessible, and usable with keys alone."""

from __future__ import annotations

import hashlib
import shutil

import pytest

from monitor.reports import html
from monitor.reports.document import build_report
from monitor.reports.thumbnails import SAMPLES, find_thumbnails
from tests.helpers.crowds import crowd

pytestmark = pytest.mark.slow

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 800}
HAPPY = (0.05, 0.0, 0.0, 0.8, 0.05, 0.0, 0.1)
SAD = (0.1, 0.0, 0.0, 0.0, 0.6, 0.0, 0.3)


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(maker, tmp_path_factory) -> str:
    """A page with everything on it: pictures, withheld seconds, a library, pairs, gaps."""
    made = maker(length=60.0, site="Shop 12")
    for number, (name, p) in enumerate((("Solina", HAPPY), ("Rain", SAD))):
        play = made.play(made.ad(f"ad-{number}", 8.0, name=name, brand=(2.5,)), number * 10.0, 8.0)
        for viewer in range(1, 6):
            for step in range(8 * 4):
                w = step / 32 * (0.7 + viewer / 20)
                mixed = [w * a + (1 - w) * b for a, b in zip(p, (0, 0, 0, 0, 0, 0, 1), strict=True)]
                made.reading(
                    play, viewer, number * 10 + step / 4, step / 4, mixed, attentive=step % 5 > 0
                )
    made.play(made.ad("unseen", 4.0), 30.0, 4.0)
    made.gap(40.0, 50.0, "camera_lost", "no picture")
    document = build_report(made.data())
    norm = {
        "figure": "mean_valence",
        "value": 0.1,
        "percentile": 70.0,
        "library_mean": 0.0,
        "library_size": 24,
        "percentile_low": 70.0,
        "percentile_high": 97.0,
    }
    for ad, file in zip(document["ads"], ("solina.mp4", "brume.jpg"), strict=False):
        ad |= {
            "file": file,
            "kind": "video" if file.endswith("4") else "image",
            "score": 60.0,
            "score_parts": {"valence": 0.6},
        }
        ad["norms"] = [norm | {"against": "24 ads of 4 to 15 s"}]
        ad["sha256"] = hashlib.sha256((SAMPLES / file).read_bytes()).hexdigest()
    pair = {
        "first_name": "Solina",
        "second_name": "Rain",
        "difference": {"value": 0.3, "low": 0.1, "high": 0.5},
    }
    said = {"verdict": "better", "p_adjusted": 0.01, "sentence": "Solina is better than Rain."}
    document["comparisons"] = [pair | said]
    document["withheld"].append(
        {"ad_id": "ad-1", "figures": ["timeline"], "seconds": [3], "why": "too few"}
    )
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html.render_html(document, find_thumbnails(document)), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def open_page(browser, address):
    """Opens the page offline; fails when anything was asked for, logged or thrown."""
    contexts, said, asked = [], [], []

    def open_it(viewport=WIDE, **options):
        context = browser.new_context(viewport=viewport, offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [address] * len(contexts)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_accessible_and_as_wide_as_the_screen(open_page, viewport, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = open_page(viewport, color_scheme=scheme)
    for details in page.locator("summary").all():
        details.click()
    found = axe.Axe().run(page).response["violations"]
    assert [
        (v["id"], [node["target"] for node in v["nodes"]])
        for v in found
        if v["impact"] in {"serious", "critical"}
    ] == []
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]


@pytest.mark.parametrize(
    ("ads", "viewers", "days"),
    [(1, 0, 1), (1, 1, 1), (1, 300, 1), (12, 0, 1), (12, 20, 10), (60, 1, 1), (60, 300, 1)],
)
def test_reports_of_any_size_are_accessible_and_nothing_is_wider_than_the_screen(
    browser, tmp_path, ads, viewers, days
):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    document = build_report(crowd(ads, viewers, days=days).data())
    path = tmp_path / "report.html"
    path.write_text(html.render_html(document), encoding="utf-8")
    for width in (360, 1600):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.goto(path.as_uri())
        # What is folded is looked at for three ads; more take minutes.
        page.evaluate(
            "[...document.querySelectorAll('details')].slice(0, 6).forEach(d => d.open = true)"
        )
        found = axe.Axe().run(page).response["violations"]
        assert [(v["id"], [node["target"] for node in v["nodes"]]) for v in found] == []
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        beyond = page.evaluate(
            "[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll')"
            " && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML)"
        )
        assert beyond == []
        page.close()


def test_a_link_opens_what_its_ad_is_folded_into(browser, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(html.render_html(build_report(crowd(12, 20).data())), encoding="utf-8")
    page = browser.new_page(viewport=WIDE)
    page.goto(path.as_uri())
    assert not page.locator("#ad-3").is_visible()
    page.locator('.ranking a[href="#ad-3"]').click()
    page.locator("#ad-3").wait_for(state="visible")
    page.close()


def test_arrow_keys_move_the_cursor_in_all_panels(open_page):
    page = open_page()
    figure = page.locator("#ad-1 figure")
    figure.locator("input[type=range]").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    readout = figure.locator(".readout")
    row = figure.locator(".data tbody tr").nth(3)
    assert readout.text_content().startswith("Second 3 ")
    assert row.locator("td").nth(2).text_content() in readout.text_content()
    assert "Attention" in readout.text_content()
    assert figure.locator(".film .lit").count() == 1
    assert figure.locator(".film .still").nth(3).get_attribute("class") == "still lit"
    line = figure.locator("svg.wide .cursor")
    svg = figure.locator("svg.wide")
    left, plot, end = (float(svg.get_attribute(f"data-{name}")) for name in ("left", "plot", "end"))
    assert float(line.get_attribute("x1")) == pytest.approx(left + plot * 3.5 / end, abs=0.1)
    assert line.get_attribute("visibility") == "visible"
    assert figure.locator("input[type=range]").get_attribute("aria-valuetext") == "Second 3"


def test_pointing_at_a_curve_reads_its_second(open_page):
    page = open_page()
    figure = page.locator("#ad-2 figure")
    svg = figure.locator("svg.wide")
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()
    left, plot = (float(svg.get_attribute(f"data-{name}")) for name in ("left", "plot"))
    scale = box["width"] / 1040
    page.mouse.move(box["x"] + scale * (left + plot * 5.5 / 8), box["y"] + 80)
    assert figure.locator(".readout").text_content().startswith("Second 5 ")


def test_a_curve_can_be_switched_off(open_page):
    page = open_page()
    button = page.locator("#ad-1 .legend button", has_text="happy")
    curve = page.locator('#ad-1 svg.wide g[data-emotion="happy"]').first
    assert curve.is_visible()
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "false"
    assert not curve.is_visible()
    page.keyboard.press("Enter")
    assert curve.is_visible()


def test_the_ranking_can_be_sorted_and_what_is_not_known_stays_last(open_page):
    page = open_page()
    names = page.locator(".ranking tbody th a")
    assert names.all_text_contents() == ["Solina", "Rain", "Unseen"]
    page.locator(".ranking th button", has_text="Valence").click()
    assert names.all_text_contents() == ["Rain", "Solina", "Unseen"]
    assert page.locator(".ranking th[aria-sort]").get_attribute("aria-sort") == "ascending"
    page.locator(".ranking th button", has_text="Ad").first.click()
    assert names.all_text_contents() == ["Rain", "Solina", "Unseen"]


def test_everything_can_be_read_without_a_script(open_page):
    page = open_page(java_script_enabled=False)
    assert page.locator("#ad-1 svg.wide").is_visible()
    assert page.locator("#ad-1 .legend").is_visible()
    assert not page.locator("#ad-1 input[type=range]").is_visible()
    assert not page.locator("#ad-1 .readout").is_visible()
    page.locator("#ad-1 summary").click()
    assert page.locator("#ad-1 .data").is_visible()


def test_print_has_curves_of_its_own_and_no_controls(open_page):
    page = open_page()
    page.emulate_media(media="print")
    assert page.locator("#ad-1 svg.print").is_visible()
    assert not page.locator("#ad-1 svg.wide").is_visible()
    assert not page.locator("#ad-1 input[type=range]").is_visible()
    assert not page.locator("#ad-1 details").is_visible()
    assert len(page.pdf(format="A4")) > 20_000
