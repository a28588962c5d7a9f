"""The report as slides: what to do, the ranking, and a slide for each of the best and worst ads.

Charts are PowerPoint's own, with their data, so colours and words can be changed. The slides name
fonts of the reader's machine, which have its scripts. The same document gives the same bytes.
"""

from __future__ import annotations

import io
import re
import zipfile
from typing import TYPE_CHECKING, Any

from detector.emotion.prevalence import GROUPS
from detector.names import printable_document
from monitor.languages import _, ngettext
from monitor.languages.words import capitalised, word
from monitor.palette import ACCENT, INK, LINE, MUTED, TONES
from monitor.reports import summary, wording
from monitor.reports.faces import Faces
from monitor.reports.formatting import (
    day,
    decimal,
    duration,
    percent,
    short,
    signed,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from monitor.reports.thumbnails import Thumbnails

CHARTED = 15
"""Bars of a chart on one slide."""

DETAILED = 6
"""Ads with a slide each."""

WIDTH, MARGIN = 13.333, 0.6
"""Of a slide, in inches; it is 7.5 inches high."""


def render_pptx(
    document: dict[str, Any], thumbnails: Mapping[int, Thumbnails] | None = None
) -> bytes:
    """Render a report as a PowerPoint file, with pictures by place in `document["ads"]`."""
    document = printable_document(document)
    zone = summary.zone_words(document)
    deck = _Deck(summary.localised(document), zone, thumbnails or {})
    return _reproducible(deck.content())


class _Deck:
    """Makes the slides of one report."""

    def __init__(
        self, document: dict[str, Any], zone: str, thumbnails: Mapping[int, Thumbnails]
    ) -> None:
        import pptx  # noqa: PLC0415 - slow to import

        self.document, self.zone, self.thumbnails = document, zone, thumbnails
        self.ads = summary.ranked(document["ads"])
        self.faces = Faces.of(document)
        self.places = {id(ad): place for place, ad in enumerate(document["ads"])}
        self.file = pptx.Presentation()
        self.file.slide_width, self.file.slide_height = _inches(WIDTH), _inches(7.5)

    def content(self) -> bytes:
        """Return the file."""
        self._title()
        self._advice()
        rated = [
            ad
            for ad in self.ads
            if summary.valence(ad)["value"] is not None
            or (summary.shares(ad) and not self.faces.has_valence)
        ]
        if len(rated) > 1:
            if self.faces.shows_valence:
                self._ranking(rated[:CHARTED], len(rated))
            self._faces(rated[:CHARTED], len(rated))
        for ad in self._detailed(rated):
            self._ad(ad)
        if trend := self.document["trend"]:
            self._weeks(trend)
        self._method()
        out = io.BytesIO()
        self.file.save(out)
        return out.getvalue()

    def _detailed(self, rated: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the ads with a slide each: all, or the most and the least positive ones."""
        if len(rated) <= DETAILED:
            return list(rated)
        return [*rated[: DETAILED - 2], *rated[-2:]]

    # --- slides -----------------------------------------------------------------------------------

    def _slide(self, title: str, size: int = 28) -> Any:
        slide = self.file.slides.add_slide(self.file.slide_layouts[5])
        shape = slide.shapes.title
        shape.left, shape.top = _inches(MARGIN), _inches(0.4)
        shape.width, shape.height = _inches(WIDTH - 2 * MARGIN), _inches(0.9)
        _fill_text(shape.text_frame, [[_run(title, size, INK, bold=True)]], anchor="middle")
        return slide

    def _title(self) -> None:
        session, scope = self.document["session"], self.document["report"]["scope"]
        slide = self._slide(short(wording.place(self.document), 110), 36)
        slide.shapes.title.top, slide.shapes.title.height = _inches(1.6), _inches(2.1)
        start, end = day(session["started_at"]), day(session["ended_at"])
        is_one_day = session["ended_at"] is None or start == end
        when = start if is_one_day else wording.between(start, end)
        if scope["sessions"] != 1:
            when += ", " + ngettext("%(num)s session", "%(num)s sessions", scope["sessions"])
        facts = _(
            "%(plays)s of %(ads)s, %(viewers)s in view",
            plays=ngettext("%(num)s play", "%(num)s plays", session["plays"]),
            ads=ngettext("%(num)s ad", "%(num)s ads", len(self.ads)),
            viewers=ngettext("%(num)s viewer", "%(num)s viewers", session["viewers"]),
        )
        lines = [_("Ad reaction report"), when, facts, _("Times: %(zone)s", zone=self.zone)]
        lines += wording.left_out(self.document)
        box = _text_box(slide, MARGIN, 3.9, WIDTH - 2 * MARGIN, 2)
        _fill_text(
            box,
            [[_run(line, 18, MUTED if place else "#8A5A00")] for place, line in enumerate(lines)],
        )

    def _advice(self) -> None:
        groups = summary.advice(self.document)
        said = [short(sentence, 220) for sentence in wording.findings(self.document)]
        if not groups:
            slide = self._slide(_("What happened"))
            box = _text_box(slide, MARGIN, 1.6, WIDTH - 2 * MARGIN, 5.2)
            _fill_text(box, [[_run(sentence, 18, INK)] for sentence in said[:6]], space=10)
            return
        slide = self._slide(_("What to do"))
        gap = 0.3
        width = (WIDTH - 2 * MARGIN - gap * (len(groups) - 1)) / len(groups)
        for place, group in enumerate(groups):
            left, tone = MARGIN + place * (width + gap), TONES[group.action]
            _bar(slide, left, width, tone)
            more = len(group.ads) - 4
            lines = [
                [
                    _run(group.name, 20, tone, bold=True),
                    _run("   " + ngettext("%(num)s ad", "%(num)s ads", len(group.ads)), 14, MUTED),
                ]
            ]
            if group.reason:
                lines.append([_run(short(group.reason, 150), 12, MUTED)])
            for ad in group.ads[:4]:
                lines.append([_run(short(ad["title"], 60), 14, INK, bold=True)])
                reason = " ".join(
                    filter(None, [ad["reason"], summary.needed(ad["viewers_needed"])])
                )
                if reason:
                    lines.append([_run(short(reason, 150), 12, MUTED)])
            if more > 0:
                others = ngettext("and %(num)s more ad", "and %(num)s more ads", more)
                lines.append([_run(others, 12, MUTED)])
            _fill_text(_text_box(slide, left, 1.65, width, 4.4), lines, space=4)
        if said:
            box = _text_box(slide, MARGIN, 6.3, WIDTH - 2 * MARGIN, 0.8)
            _fill_text(box, [[_run(said[0], 13, MUTED)]])

    def _ranking(self, shown: Sequence[dict[str, Any]], count: int) -> None:
        from pptx.enum.chart import XL_CHART_TYPE as KINDS  # noqa: PLC0415
        from pptx.enum.chart import XL_TICK_LABEL_POSITION as LABELS  # noqa: PLC0415

        slide = self._slide(_of(_("Valence of the audience by ad"), shown, count))
        data = _data(
            "+0.00;-0.00;0.00",
            _names(shown),
            {_("Valence"): [summary.valence(ad)["value"] for ad in shown]},
        )
        chart = _chart(slide, KINDS.BAR_CLUSTERED, data, _("Bars: valence of the audience by ad"))
        _style_bars(chart)
        chart.has_legend = False
        series = chart.plots[0].series[0]
        series.format.fill.solid()
        series.format.fill.fore_color.rgb = _colour(ACCENT)
        series.invert_if_negative = False
        chart.plots[0].has_data_labels = True
        chart.plots[0].data_labels.font.size = _points(11)
        chart.category_axis.tick_label_position = LABELS.LOW
        _note(
            slide,
            _(
                "Share of happy minus share of negative faces; 0 is a neutral audience. A "
                "difference between two bars is not certain by itself: see the report for the "
                "intervals."
            )
            if self.faces.is_corrected
            else self.faces.about_valence(),
        )

    def _faces(self, shown: Sequence[dict[str, Any]], count: int) -> None:
        from pptx.enum.chart import XL_CHART_TYPE as KINDS  # noqa: PLC0415
        from pptx.enum.chart import XL_LEGEND_POSITION as PLACES  # noqa: PLC0415

        slide = self._slide(_of(_("Faces in front of each ad"), shown, count))
        faces = self.faces
        parts = [summary.shares(ad) or {} for ad in shown]
        series = {word(group): [each.get(group) for each in parts] for group in faces.names}
        data = _data("0%", _names(shown), series)
        chart = _chart(slide, KINDS.BAR_STACKED_100, data, _("Stacked bars: faces by ad"))
        _style_bars(chart)
        chart.has_legend = True
        chart.legend.position, chart.legend.include_in_layout = PLACES.BOTTOM, False
        chart.legend.font.size = _points(12)
        for each, colour in zip(chart.plots[0].series, faces.colours.values(), strict=True):
            each.format.fill.solid()
            each.format.fill.fore_color.rgb = _colour(colour)
        _note(
            slide,
            _(
                "Corrected for the faces that the network was trained on. Negative: angry, "
                "disgusted, afraid or sad."
            )
            if faces.is_corrected
            else faces.about_faces(),
        )

    def _ad(self, ad: dict[str, Any]) -> None:
        from pptx.enum.chart import XL_CHART_TYPE as KINDS  # noqa: PLC0415
        from pptx.enum.chart import XL_LEGEND_POSITION as PLACES  # noqa: PLC0415
        from pptx.enum.chart import XL_TICK_LABEL_POSITION as LABELS  # noqa: PLC0415

        slide = self._slide(short(wording.title(ad), 90), 24)
        found, parts = summary.valence(ad), summary.shares(ad)
        interval = summary.interval_words(found["low"], found["high"])
        lines = [
            (_("Valence"), signed(found["value"]) + (f" ({interval})" if interval else "")),
            *_parts(parts),
            (_("Viewers"), whole(ad["opportunities"])),
            (_("Watched"), whole(ad["watchers"])),
            (_("Held"), whole(ad["held"])),
            (_("Attraction ratio"), percent(ad["attraction_ratio"])),
            *([] if ad["score"] is None else [(_("Score"), summary.score_words(ad))]),
            (_("Plays"), whole(ad["plays"])),
        ]
        top = 1.5
        pictures = self.thumbnails.get(self.places[id(ad)])
        if pictures is not None and pictures.strip:
            still = pictures.strip[len(pictures.strip) // 2]
            # Within 3.6 by 2 inches, whatever the picture's shape.
            height = min(2.0, 3.6 * still.height / max(still.width, 1))
            slide.shapes.add_picture(
                io.BytesIO(still.jpeg), _inches(MARGIN), _inches(top), height=_inches(height)
            )
            top += height + 0.15
        said = ad["advice"]
        tone = TONES[said["action"]]
        text = [
            [_run(summary.action_name(said["action"]), 18, tone, bold=True)],
            [_run(short(said["reason"], 140), 12, MUTED)],
        ]
        text += [
            [_run(f"{name}  ", 13, MUTED), _run(value, 13, INK, bold=True)] for name, value in lines
        ]
        _fill_text(_text_box(slide, MARGIN, top, 3.7, 7.1 - top), text, space=4)
        if not wording.has_curve(ad):
            return
        curves = {
            _("Valence"): [summary.valence_at(s)["value"] for s in ad["timeline"]],
            _("Attention"): [second["attention"] for second in ad["timeline"]],
        }
        data = _data("0.00", [f"{second['second']} s" for second in ad["timeline"]], curves)
        chart = _chart(
            slide, KINDS.LINE, data, wording.describe(ad), left=4.6, width=WIDTH - 4.6 - MARGIN
        )
        chart.has_title = False
        chart.has_legend = True
        chart.legend.position, chart.legend.include_in_layout = PLACES.BOTTOM, False
        chart.legend.font.size = _points(12)
        for axis in (chart.category_axis, chart.value_axis):
            axis.tick_labels.font.size = _points(11)
        chart.category_axis.tick_label_position = LABELS.LOW
        chart.value_axis.major_gridlines.format.line.color.rgb = _colour(LINE)
        for series, colour in zip(chart.plots[0].series, (ACCENT, MUTED), strict=True):
            series.smooth = False
            series.format.line.color.rgb = _colour(colour)
            series.format.line.width = _points(2.5)

    def _weeks(self, trend: Sequence[dict[str, Any]]) -> None:
        from pptx.enum.chart import XL_CHART_TYPE as KINDS  # noqa: PLC0415

        slide = self._slide(_("Viewers per play, week by week"))
        bars = {_("Viewers per play"): [week["viewers_per_play"] for week in trend]}
        data = _data("0.0", [day(week["start"]) for week in trend], bars)
        chart = _chart(slide, KINDS.COLUMN_CLUSTERED, data, _("Columns: viewers per play by week"))
        _style_bars(chart, reverse=False)
        chart.has_legend = False
        series = chart.plots[0].series[0]
        series.format.fill.solid()
        series.format.fill.fore_color.rgb = _colour(ACCENT)

    def _method(self) -> None:
        session, quality = self.document["session"], self.document["quality"]
        slide = self._slide(_("How these figures are made"))
        few = self.document["report"]["min_viewers"]
        measured = _("Measured %(share)s of the time", share=percent(quality["measured_share"], 1))
        if quality["gap_s"]:
            measured += _("; %(duration)s of gaps", duration=duration(quality["gap_s"]))
        points = [
            _(
                "A camera beside the screen finds faces; a network gives each face a probability "
                "for each of its labels, on the same clock as the ad. No picture of a person is "
                "kept."
            ),
            _(
                "Valence is the share of happy minus the share of negative faces, corrected for "
                "the faces that the network was trained on: a neutral audience has 0."
            )
            if self.faces.is_corrected
            else self.faces.about_faces(),
            _(
                "Viewers are faces in view, not passers-by. A watcher looked for half a second or "
                "longer; a held viewer for at least half of the ad."
            ),
            _(
                "Intervals are 95%% intervals for viewers who react in groups. Where two overlap, "
                "the order of two ads is not settled."
            ),
            _(
                "An expression is not a feeling, and facial coding explains only a small part of "
                "what sells. Differences between ads that ran at different hours may be "
                "differences between the hours."
            ),
            _(
                "%(measured)s. Frames per second: %(fps)s. Model: %(model)s.",
                measured=measured,
                fps=decimal(session["fps"], 1),
                model=session["model"] or _("several or not known"),
            ),
        ]
        if few > 1:
            points.append(_("No figure is about fewer than %(count)s viewers.", count=whole(few)))
        box = _text_box(slide, MARGIN, 1.5, WIDTH - 2 * MARGIN, 5.5)
        _fill_text(box, [[_run(text, 16, INK)] for text in points], space=9)


# --- parts of slides ------------------------------------------------------------------------------


def _of(title: str, shown: Sequence[Any], count: int) -> str:
    if len(shown) == count:
        return title
    return _(
        "%(title)s: the %(shown)s most positive of %(all)s",
        title=title,
        shown=len(shown),
        all=count,
    )


def _names(ads: Iterable[dict[str, Any]]) -> list[str]:
    """Return names of bars, short, and different from each other."""
    return [f"{number}. {short(wording.title(ad), 40)}" for number, ad in enumerate(ads, 1)]


def _parts(parts: dict[str, float] | None) -> list[tuple[str, str]]:
    """Return the lines about faces: happy and negative ones, or all labels."""
    if parts is None:
        return [(_("Happy, negative"), percent(None))]
    if set(parts) == set(GROUPS):
        pair = f"{percent(parts['happy'])}, {percent(parts['negative'])}"
        return [(_("Happy, negative"), pair)]
    return [(capitalised(word(name)), percent(share)) for name, share in parts.items()]


def _run(
    text: str, size: float, colour: str, *, bold: bool = False
) -> tuple[str, float, str, bool]:
    return text, size, colour, bold


def _inches(value: float) -> Any:
    from pptx.util import Inches  # noqa: PLC0415

    return Inches(value)


def _points(value: float) -> Any:
    from pptx.util import Pt  # noqa: PLC0415

    return Pt(value)


def _colour(text: str) -> Any:
    from pptx.dml.color import RGBColor  # noqa: PLC0415

    return RGBColor(*bytes.fromhex(text.lstrip("#")))  # type: ignore[no-untyped-call]


def _text_box(slide: Any, left: float, top: float, width: float, height: float) -> Any:
    return slide.shapes.add_textbox(*map(_inches, (left, top, width, height))).text_frame


def _fill_text(
    frame: Any,
    lines: Sequence[Sequence[tuple[str, float, str, bool]]],
    *,
    space: float = 6,
    anchor: str = "top",
) -> None:
    """Write paragraphs of runs from `_run` into a frame, which wraps them."""
    from pptx.enum.text import MSO_ANCHOR, PP_ALIGN  # noqa: PLC0415

    frame.word_wrap = True
    frame.vertical_anchor = MSO_ANCHOR.MIDDLE if anchor == "middle" else MSO_ANCHOR.TOP
    frame.margin_left = frame.margin_right = 0
    for place, runs in enumerate(lines):
        paragraph = frame.paragraphs[0] if place == 0 else frame.add_paragraph()
        paragraph.alignment = PP_ALIGN.LEFT
        paragraph.space_after = _points(space)
        for text, size, colour, bold in runs:
            run = paragraph.add_run()
            run.text = text
            run.font.size, run.font.bold = _points(size), bold
            run.font.color.rgb = _colour(colour)


def _bar(slide: Any, left: float, width: float, colour: str) -> None:
    """Draw the line above a column."""
    from pptx.enum.shapes import MSO_SHAPE  # noqa: PLC0415

    shape = slide.shapes.add_shape(MSO_SHAPE.RECTANGLE, *map(_inches, (left, 1.5, width, 0.08)))
    shape.fill.solid()
    shape.fill.fore_color.rgb = _colour(colour)
    shape.line.fill.background()


def _data(number_format: str, names: Iterable[str], series: dict[str, list[Any]]) -> Any:
    """Return the data of a chart: values by name of the series, in the order of `names`."""
    from pptx.chart.data import CategoryChartData  # noqa: PLC0415

    data: Any = CategoryChartData(number_format=number_format)  # type: ignore[no-untyped-call]
    data.categories = names
    for name, values in series.items():
        data.add_series(name, values)
    return data


def _chart(
    slide: Any,
    kind: Any,
    data: Any,
    description: str,
    *,
    left: float = MARGIN,
    width: float = WIDTH - 2 * MARGIN,
) -> Any:
    frame = slide.shapes.add_chart(kind, *map(_inches, (left, 1.4, width, 5.2)), data)
    frame._element.nvGraphicFramePr.cNvPr.set("descr", description)
    return frame.chart


def _style_bars(chart: Any, *, reverse: bool = True) -> None:
    chart.has_title = False
    chart.plots[0].gap_width = 50
    chart.category_axis.reverse_order = reverse
    chart.category_axis.tick_labels.font.size = _points(12)
    chart.value_axis.tick_labels.font.size = _points(11)
    chart.value_axis.major_gridlines.format.line.color.rgb = _colour(LINE)


def _note(slide: Any, text: str) -> None:
    box = _text_box(slide, MARGIN, 6.7, WIDTH - 2 * MARGIN, 0.6)
    _fill_text(box, [[_run(text, 12, MUTED)]])


# --- the same bytes -------------------------------------------------------------------------------


def _reproducible(content: bytes) -> bytes:
    """Return an Office file without the moment in which it, or a workbook inside it, was made."""
    made = re.compile(rb"(<dcterms:(created|modified)[^>]*>)[^<]*(</dcterms:\2>)")
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            part = old.read(name)
            if name.endswith(".xlsx"):
                part = _reproducible(part)
            elif name == "docProps/core.xml":
                part = made.sub(rb"\g<1>2000-01-01T00:00:00Z\g<3>", part)
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(entry, part)
    return out.getvalue()
