"""The report as one page that opens anywhere: nothing is loaded, every figure is also a table, and a small script of its
own only adds to what can be read without it."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db.read.formulas import MAX_READING_SPAN_S
from detector.emotion.labels import EMOTIONS
from monitor.analytics import metrics
from monitor.fonts import font_face_css
from monitor.reports import formatting, wording
from monitor.reports.figures import (
    COLOURS,
    DASHES,
    NARROW,
    PRINT,
    WIDE,
    ad_figure,
    funnel_figure,
    gap_figure,
    interval_figure,
    percentile_figure,
    share_figure,
    valence_range,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Environment

    from ads.media.thumbnails import Thumbnail
    from monitor.reports.thumbnails import Thumbnails

TEMPLATES = Path(__file__).parent / "templates"

_VALENCE_KEYS = ("valence", "valence_low", "valence_high")
_MEAN_KEYS = ("mean_valence", "mean_valence_low", "mean_valence_high")

_METHOD = {
    "span": MAX_READING_SPAN_S,
    "watch": metrics.WATCHER_ATTENTION_S,
    "window": metrics.ATTRACTION_WINDOW_S,
    "threshold": metrics.SHARE_THRESHOLD,
}


def render_html(
    document: dict[str, Any], thumbnails: Mapping[int, Thumbnails] | None = None
) -> str:
    """Renders the document of `document.build_report` as one self-contained page.

    The same document and pictures give the same page, byte for byte; there is no time of making in
    it. Its policy for content forbids every request and every script and style but its own, which
    it names by their SHA-256.

    Args:
        document: The report.
        thumbnails: Pictures of the ads, by place in `document["ads"]`; an ad without an entry is shown
            without pictures.
    """
    styles, script = font_face_css("woff2") + _asset("report.css"), _asset("report.js")
    ads = document["ads"]
    reach = valence_range([s[key] for ad in ads for s in ad["timeline"] for key in _VALENCE_KEYS])
    axis = max(map(abs, valence_range([ad[key] for ad in ads for key in _MEAN_KEYS])))
    cards = [
        _card(number, document, (thumbnails or {}).get(number - 1), reach=reach, axis=axis)
        for number in range(1, len(ads) + 1)
    ]
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            document=document,
            session=document["session"],
            scope=document["report"]["scope"],
            several=document["report"]["scope"]["sessions"] != 1,
            quality=document["quality"],
            place=wording.place(document),
            unread=wording.unread(document["quality"]["withheld_readings"]),
            gaps=[{**gap, "seconds": wording.gap_seconds(gap)} for gap in document["gaps"]],
            gap_figure=_gap_figure(document),
            cards=cards,
            ranking=sorted(cards, key=_rank),
            axis=axis,
            findings=wording.findings(document),
            comparisons=_comparisons(document),
            withheld=[
                {
                    "seconds": [],
                    **entry,
                    "name": wording.withheld_name(entry, ads),
                    "figures": wording.figure_names(entry["figures"]),
                }
                for entry in document["withheld"]
            ],
            emotions=EMOTIONS,
            colours=COLOURS,
            dashes=DASHES,
            unknown=formatting.UNKNOWN,
            method=_METHOD,
            styles=_raw(styles),
            script=_raw(script),
            policy="default-src 'none'; img-src data:; font-src data:; "
            f"style-src {_source(styles)}; script-src {_source(script)}; "
            "base-uri 'none'; form-action 'none'",
        )
    )


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - slow to import

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        name: getattr(formatting, name)
        for name in (
            "signed",
            "decimal",
            "percent",
            "duration",
            "day",
            "clock",
            "whole",
            "spans",
            "points",
        )
    }
    environment.filters |= {
        name: getattr(wording, name)
        for name in ("figure_value", "figure_label", "moment_value", "title")
    }
    environment.filters["image_url"] = _image_url
    environment.globals["counted"] = formatting.counted
    environment.globals["share_figure"] = lambda share: _raw(share_figure(share))
    environment.globals["percentile_figure"] = lambda value: _raw(percentile_figure(value))
    return environment


def _image_url(still: Thumbnail) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(still.jpeg).decode("ascii")


def _asset(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _source(text: str) -> str:
    """Names a style or a script by its content, as a policy for content does."""
    return (
        "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii") + "'"
    )


def _raw(text: str) -> Any:
    """Marks text as our own: it is set into the page as it is."""
    from markupsafe import Markup  # noqa: PLC0415 - comes with Jinja, which is slow to import

    return Markup(text)  # noqa: S704 - drawn by us from numbers, or a file of the program


def _card(
    number: int,
    document: dict[str, Any],
    thumbnails: Thumbnails | None,
    *,
    reach: tuple[float, float],
    axis: float,
) -> dict[str, Any]:
    """Everything that the page says about one ad, counted from 1."""
    ad = document["ads"][number - 1]
    return {
        "ad": ad,
        "anchor": f"ad-{number}",
        "title": wording.title(ad),
        "curves": [_raw(ad_figure(ad, layout, reach=reach)) for layout in (WIDE, NARROW, PRINT)]
        if wording.has_curve(ad)
        else [],
        "alt": wording.describe(ad),
        "thumbnails": thumbnails,
        "poster": thumbnails.strip[len(thumbnails.strip) // 2]
        if thumbnails is not None and thumbnails.strip
        else None,
        "interval": _interval(ad, _MEAN_KEYS, axis),
        "funnel": _raw(funnel_figure(ad["funnel"])) if ad["opportunities"] else None,
        "withheld": [
            {"seconds": [], **entry}
            for entry in document["withheld"]
            if wording.is_about(entry, ad)
        ],
        "no_mean": wording.why_no_mean(ad, document["withheld"]),
        "scenes": _scenes(ad, thumbnails),
    }


def _scenes(ad: dict[str, Any], thumbnails: Thumbnails | None) -> list[dict[str, Any]]:
    """The key moments by second: what happened in it, with the ad's picture."""
    by_second: dict[int, list[dict[str, Any]]] = {}
    for moment in ad["moments"]:
        named = {
            "name": wording.MOMENT_NAMES[moment["kind"]],
            "note": wording.MOMENT_NOTES[moment["kind"]],
        }
        by_second.setdefault(moment["second"], []).append(moment | named)
    return [
        {
            "second": second,
            "moments": by_second[second],
            "still": None if thumbnails is None else thumbnails.moments.get(second),
        }
        for second in sorted(by_second)
    ]


def _comparisons(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The pairs of ads, with the interval of the difference where it is known; all on one axis."""
    pairs = document["comparisons"]
    keys = ("value", "low", "high")
    reach = max([*(abs(pair["difference"][key] or 0.0) for pair in pairs for key in keys), 1e-9])
    return [{**pair, "interval": _interval(pair["difference"], keys, reach)} for pair in pairs]


def _interval(figures: dict[str, Any], keys: tuple[str, str, str], reach: float) -> Any:
    """A value with its interval as a figure; None where the value is not known."""
    value, low, high = (figures[key] for key in keys)
    return None if value is None else _raw(interval_figure(value, low, high, reach))


def _rank(card: dict[str, Any]) -> tuple[bool, float]:
    """By mean valence, the highest first; ads without one follow in their own order."""
    mean = card["ad"]["mean_valence"]
    return mean is None, -(mean or 0.0)


def _gap_figure(document: dict[str, Any]) -> Any:
    """Where in a session nothing could be measured; None where the session is not over, or several are reported."""
    start = formatting.moment_of(document["session"]["started_at"])
    end = formatting.moment_of(document["session"]["ended_at"])
    if start is None or end is None or end <= start or not document["gaps"]:
        return None
    if document["report"]["scope"]["sessions"] != 1:
        return None
    whole = (end - start).total_seconds()
    stretches = []
    for gap in document["gaps"]:
        first = formatting.moment_of(gap["start"]) or start
        last = formatting.moment_of(gap["end"]) or end
        inside = [
            min(max((moment - start).total_seconds() / whole, 0.0), 1.0) for moment in (first, last)
        ]
        stretches.append((inside[0], max(inside)))
    return _raw(gap_figure(stretches))
