"""The report as one page that opens anywhere.

Nothing is loaded, every figure is also a table, and the page can be read without its script.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from db.read.formulas import MAX_SPAN_INTERVALS, WATCHER_ATTENTION_S
from detector.names import printable_document
from monitor.analytics import metrics
from monitor.analytics.norms import EMOTION_FIGURES
from monitor.analytics.score import PARTS
from monitor.fonts import STACK, fallback_css, font_face_css
from monitor.languages import numeral
from monitor.languages.recognition import translated
from monitor.languages.words import word
from monitor.palette import ACCENT, INK, LINE, MUTED
from monitor.reports import formatting, summary, wording
from monitor.reports.faces import Faces
from monitor.reports.figures import (
    NARROW,
    PRINT,
    WIDE,
    Layout,
    curves,
    px,
    spark,
    valence_range,
    weeks,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jinja2 import Environment

    from ads.media.thumbnails import Thumbnail
    from monitor.reports.thumbnails import Thumbnails

TEMPLATES = Path(__file__).parent / "templates"
MAX_PRINTED_PAIRS = 20
"""Rows about pairs on paper; the page has all of them."""


def render_html(
    document: dict[str, Any],
    thumbnails: Mapping[int, Thumbnails] | None = None,
    *,
    medium: Literal["screen", "print"] = "screen",
) -> str:
    """Render a report as one self-contained page; `medium` print is the input of the PDF.

    The same document and pictures (by place in `document["ads"]`) give the same page, byte for
    byte. Its content security policy allows only its own script and style, by their SHA-256.
    """
    document = printable_document(document)
    styles, script = _fonts(document, medium) + _asset("report.css"), _asset("report.js")
    zone, document = summary.zone_words(document), summary.localised(document)
    ads, quality, faces = document["ads"], document["quality"], Faces.of(document)
    seconds = [summary.valence_at(second) for ad in ads for second in ad["timeline"]]
    reach = valence_range([value for second in seconds for value in second.values()])
    means = [value for ad in ads for value in summary.valence(ad).values()]
    many = len(ads) > summary.MANY_ADS
    layouts = (WIDE, NARROW) if many else (WIDE, NARROW, PRINT)
    cards = [
        _card(
            number,
            document,
            (thumbnails or {}).get(number - 1),
            reach,
            layouts if medium == "screen" else () if many else (PRINT,),
        )
        for number in range(1, len(ads) + 1)
    ]
    order = {id(ad): place for place, ad in enumerate(summary.ranked(ads))}
    pairs, silent_pairs = summary.said_pairs(document)
    shown_pairs = pairs[:MAX_PRINTED_PAIRS] if medium == "print" else pairs
    differences = [pair["difference"] for pair in pairs]
    limits = [found[key] or 0.0 for found in differences for key in ("value", "low", "high")]
    trend = document["trend"]
    page = environment().get_template("report.html.j2")
    return page.render(
        faces=faces,
        document=document,
        medium=medium,
        many=many,
        zone=zone,
        session=document["session"],
        scope=document["report"]["scope"],
        several=document["report"]["scope"]["sessions"] != 1,
        quality=quality,
        place=wording.place(document),
        unread=wording.unread(quality["withheld_readings"]),
        gaps=[{**gap, "seconds": wording.gap_seconds(gap)} for gap in document["gaps"]],
        stretches=_stretches(document),
        advice=summary.advice(document),
        most_advice=4 if many else summary.MANY_ADS,
        cards=cards,
        scored=any(ad["score"] is not None for ad in ads),
        ranking=sorted(cards, key=lambda card: order[id(card["ad"])]),
        reach=reach,
        axis=max(map(abs, valence_range(means))),
        findings=wording.findings(document),
        left_out=wording.left_out(document),
        pairs=shown_pairs,
        more_pairs=len(pairs) - len(shown_pairs),
        silent_pairs=silent_pairs,
        pair_reach=max([*map(abs, limits), 1e-9]),
        trend=trend,
        screens=document.get("screens", []),
        weeks_figure=_raw(_drawn("_weeks.svg.j2", weeks(trend))) if trend else "",
        day_hours=_day_hours(document["day_hours"]),
        withheld=_withheld(document),
        styles=_raw(styles),
        script=_raw(script),
        policy="default-src 'none'; img-src data:; font-src data:; "
        f"style-src {_source(styles)}; script-src {_source(script)}; "
        "base-uri 'none'; form-action 'none'",
    )


def _withheld(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what is withheld and why, ads with the same figures and reason together."""
    names: dict[tuple[str, str, str], list[str]] = {}
    for entry in document["withheld"]:
        if entry["figures"] != ["scenes"]:
            about = (
                formatting.spans(entry.get("seconds", ())),
                wording.figure_names(entry["figures"]),
                entry["why"],
            )
            names.setdefault(about, []).append(wording.withheld_name(entry, document["ads"]))
    return [
        {"seconds": seconds, "figures": figures, "why": why, "name": formatting.listed(ads)}
        for (seconds, figures, why), ads in names.items()
    ]


def _fonts(document: dict[str, Any], medium: str) -> str:
    """Return the fonts of the page, with what its names need of other scripts than Latin."""
    # In a PDF the whole family costs nothing.
    suffix = "otf" if medium == "print" else "woff2"
    text = json.dumps(document, ensure_ascii=False)
    families = f":root {{ --fonts: {STACK}, system-ui, sans-serif }}\n"
    return font_face_css(suffix) + fallback_css(text, suffix) + families


def ad_figure(
    ad: dict[str, Any], layout: Layout, *, reach: tuple[float, float], faces: Faces
) -> str:
    """Draw the curves of an ad as an `<svg>` element, with the arguments of `figures.curves`."""
    if not faces.shows_valence:
        layout = replace(layout, panels=(0, *layout.panels[1:]))
    laid_out = curves(ad, layout, reach, ad["key_moments"])
    return _drawn("_curves.svg.j2", {**laid_out, "faces": faces})


def _drawn(template: str, laid_out: dict[str, Any]) -> str:
    return environment().get_template(template).render(laid_out)


@functools.cache
def environment() -> Environment:
    """Return the Jinja environment of the report's templates."""
    import jinja2  # noqa: PLC0415 - slow to import

    from monitor.languages.jinja import install_texts, spoken  # noqa: PLC0415 - imports Jinja

    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    numbers = "signed decimal percent points whole duration day short_day short clock spans"
    words = ["figure_value", "figure_label", "moment_value", "scene_change"]
    filters = [getattr(formatting, name) for name in numbers.split()]
    filters += [getattr(wording, name) for name in words]
    filters += [summary.needed, summary.share_words, summary.score_words, word, numeral]
    filters.append(translated)
    found.filters |= {each.__name__: spoken(each) for each in filters}
    found.filters |= {"title": wording.title, "valence_at": summary.valence_at}
    found.filters |= {"image_url": _image_url, "px": px}
    install_texts(found)
    found.globals |= {
        "unknown": formatting.UNKNOWN,
        "ink": INK,
        "muted": MUTED,
        "grid": LINE,
        "accent": ACCENT,
        "method": {
            "span": MAX_SPAN_INTERVALS,
            "watch": WATCHER_ATTENTION_S,
            "window": metrics.ATTRACTION_WINDOW_S,
            "score": PARTS,
        },
    }
    return found


def _image_url(still: Thumbnail) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(still.jpeg).decode("ascii")


def _asset(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _source(text: str) -> str:
    """Return the name of a style or a script in the policy: its hash."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _raw(text: str) -> Any:
    """Mark text as safe to insert unescaped."""
    from markupsafe import Markup  # noqa: PLC0415 - comes with Jinja, which is slow to import

    return Markup(text)  # noqa: S704 - drawn by us from numbers, or a file of the program


def _card(
    number: int,
    document: dict[str, Any],
    thumbnails: Thumbnails | None,
    reach: tuple[float, float],
    layouts: Sequence[Layout],
) -> dict[str, Any]:
    """Return what the page says about one ad, counted from 1."""
    ad, faces = document["ads"][number - 1], Faces.of(document)
    drawn = layouts if wording.has_curve(ad) else ()
    strip = () if thumbnails is None else thumbnails.strip
    by_second: dict[int, list[dict[str, Any]]] = {}
    for moment in ad["key_moments"]:
        name, note = wording.MOMENTS[moment["kind"]]
        by_second.setdefault(moment["second"], []).append({**moment, "name": name, "note": note})
    return {
        "ad": ad,
        "anchor": f"ad-{number}",
        "title": wording.title(ad),
        "curves": [_raw(ad_figure(ad, layout, reach=reach, faces=faces)) for layout in drawn],
        "spark": spark(ad, reach) if wording.has_curve(ad) else None,
        "action": summary.action_name(ad["advice"]["action"]),
        "stands_out": summary.stands_out(ad),
        "money": wording.currency(ad),
        "valence": summary.valence(ad),
        "shares": summary.shares(ad),
        "alt": wording.describe(ad),
        "thumbnails": thumbnails,
        "poster": strip[len(strip) // 2] if strip else None,
        "withheld": [
            {"seconds": [], **entry}
            for entry in document["withheld"]
            if wording.is_about(entry, ad) and entry["figures"] != ["scenes"]
        ],
        "no_mean": wording.why_no_mean(ad, document["withheld"]),
        "scenes": [
            {**scene, "still": None if thumbnails is None else thumbnails.scenes.get(place)}
            for place, scene in enumerate(ad["scenes"] or ())
        ],
        "norms": [
            norm
            for norm in ad["norms"]
            if norm["figure"] != "mean_valence"
            and (faces.is_corrected or norm["figure"] not in EMOTION_FIGURES)
        ],
        "key_moments": [
            {
                "second": second,
                "moments": moments,
                "still": None if thumbnails is None else thumbnails.moments.get(second),
            }
            for second, moments in sorted(by_second.items())
        ],
    }


def _day_hours(cells: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the table of viewers per play by weekday and hour, with levels 0 to 5 of shade."""
    known = {(cell["weekday"], cell["hour"]): cell["viewers_per_play"] for cell in cells}
    values = [value for value in known.values() if value is not None]
    if not values:
        return None
    hours = range(min(hour for _, hour in known), max(hour for _, hour in known) + 1)
    most = max(*values, 1e-9)

    def cell(value: float | None) -> dict[str, Any]:
        return {"value": value, "level": 0 if value is None else 1 + min(4, int(5 * value / most))}

    return {
        "hours": hours,
        "rows": [
            {"name": name, "cells": [cell(known.get((day, hour))) for hour in hours]}
            for day, name in summary.DAY_NAMES.items()
        ],
    }


def _stretches(document: dict[str, Any]) -> list[tuple[float, float]]:
    """Return the gaps of a session that is over as shares of its length; none for several."""
    start, end = (formatting.moment_of(document["session"][k]) for k in ("started_at", "ended_at"))
    one = document["report"]["scope"]["sessions"] == 1
    if not one or start is None or end is None or end <= start:
        return []

    def share(text: str | None) -> float:
        moment = formatting.moment_of(text) or end
        return min(max((moment - start) / (end - start), 0.0), 1.0)

    return [
        (share(gap["start"]), max(share(gap["start"]), share(gap["end"])))
        for gap in document["gaps"]
    ]
