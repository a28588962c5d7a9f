"""The report as a workbook for spreadsheets: figures as numbers, charts that can be edited.

A name is written as text, never as a formula or a link, whatever it begins with. The workbook names
fonts of the reader's machine, which have its scripts. The same document gives the same bytes.
"""

from __future__ import annotations

import io
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from monitor.languages import _, pgettext
from monitor.languages.recognition import translated
from monitor.languages.words import capitalised, word
from monitor.palette import ACCENT, EMOTION_COLOURS, LINE
from monitor.reports import summary, wording
from monitor.reports.faces import Faces
from monitor.reports.formatting import moment_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xlsxwriter import Workbook
    from xlsxwriter.chart import Chart
    from xlsxwriter.worksheet import Worksheet

CHARTED = 20
"""Bars of a chart; with more, their names cannot be read."""

LIGHT = {"major_gridlines": {"visible": True, "line": {"color": LINE, "width": 0.75}}}
"""Grid of a chart that does not outshine its bars."""

Rows = list[list[Any]]


def render_xlsx(document: dict[str, Any]) -> bytes:
    """Render a report as a workbook with the sheets Overview, Ads, Seconds, Pairs and Gaps.

    Sheets about scenes, screens, weeks and hours are there when the report has them.
    """
    import xlsxwriter  # noqa: PLC0415 - slow to import

    out = io.BytesIO()
    zone, document = summary.zone_words(document), summary.localised(document)
    # Names that look like formulas or addresses stay text.
    options = dict.fromkeys(("strings_to_formulas", "strings_to_urls", "strings_to_numbers"), False)
    with xlsxwriter.Workbook(out, {"in_memory": True, **options}) as workbook:
        made = moment_of(document["session"]["started_at"]) or datetime(2000, 1, 1, tzinfo=UTC)
        title = _("Ad reactions: %(place)s", place=wording.place(document))
        workbook.set_properties({"title": title[:255], "created": made.replace(tzinfo=None)})
        book = _Book(workbook, document, zone)
        overview = book.sheet(_("Overview"), [46, 22, 60, 18])
        _ads(book)
        # Its charts are drawn from the sheet of the ads.
        _overview(book, overview)
        for write in (_seconds, _scenes, _pairs, _screens, _over_time, _gaps):
            write(book)
    return out.getvalue()


class _Book:
    """The workbook of one report, and how its sheets, tables and cells are written."""

    def __init__(self, workbook: Workbook, document: dict[str, Any], zone: str) -> None:
        self.workbook, self.document, self.zone = workbook, document, zone
        self.ads = summary.ranked(document["ads"])
        self.widths: dict[str, Sequence[float]] = {}
        formats: dict[str, dict[str, Any]] = {
            "title": {"bold": True, "font_size": 18},
            "head": {"bold": True, "bg_color": LINE, "text_wrap": True, "valign": "top"},
            "bold": {"bold": True},
            "text": {"text_wrap": True, "valign": "top"},
            "whole": {"num_format": "#,##0", "valign": "top"},
            "signed": {"num_format": "+0.00;-0.00;0.00", "valign": "top"},
            "number": {"num_format": "0.0", "valign": "top"},
            "share": {"num_format": "0%", "valign": "top"},
            "day": {"num_format": "yyyy-mm-dd", "valign": "top", "align": "left"},
            "moment": {"num_format": "yyyy-mm-dd hh:mm:ss", "valign": "top"},
        }
        self.formats = {name: workbook.add_format(each) for name, each in formats.items()}

    def sheet(self, name: str, widths: Sequence[float]) -> Worksheet:
        sheet = self.workbook.add_worksheet(name)
        self.widths[name] = widths
        for column, width in enumerate(widths):
            sheet.set_column(column, column, width)
        sheet.set_landscape()
        sheet.set_paper(9)  # A4
        sheet.fit_to_pages(1, 0)
        return sheet

    def table(self, sheet: Worksheet, top: int, columns: dict[str, str], rows: Rows) -> None:
        """Write a table; `columns` are names with the format of their values."""
        for column, name in enumerate(columns):
            sheet.write_string(top, column, name, self.formats["head"])
        sheet.set_row(top, 32)
        kinds = list(columns.values())
        for number, row in enumerate(rows, top + 1):
            for column, (kind, value) in enumerate(zip(kinds, row, strict=True)):
                self.cell(sheet, number, column, value, kind)
            # Some programs leave a wrapped text one line high.
            lines = [
                math.ceil(len(value) / (0.9 * width))
                for kind, value, width in zip(kinds, row, self.widths[sheet.name], strict=False)
                if kind == "text" and value
            ]
            if max(lines, default=1) > 1:
                sheet.set_row(number, 15 * min(max(lines), 20))

    def cell(self, sheet: Worksheet, row: int, column: int, value: Any, kind: str) -> None:
        form = self.formats[kind]
        if value is None:
            sheet.write_blank(row, column, None, form)
        elif kind in {"day", "moment"}:
            sheet.write_datetime(row, column, moment_of(value).replace(tzinfo=None), form)  # type: ignore[union-attr]
        elif isinstance(value, str):
            sheet.write_string(row, column, value[:32_000], form)
        else:
            sheet.write_number(row, column, value, form)

    def full_table(
        self, name: str, widths: Sequence[float], columns: dict[str, str], rows: Rows
    ) -> Worksheet:
        """Write a sheet that is one table, whose heads stay in sight and filter."""
        sheet = self.sheet(name, widths)
        self.table(sheet, 0, columns, rows)
        sheet.freeze_panes(1, 1)
        sheet.repeat_rows(0)
        if rows:
            sheet.autofilter(0, 0, len(rows), len(columns) - 1)
        return sheet


def _overview(book: _Book, sheet: Worksheet) -> None:
    session, document = book.document["session"], book.document
    sheet.write_string(0, 0, wording.place(document)[:255], book.formats["title"])
    facts: list[tuple[str, Any, str]] = [
        (_("From"), session["started_at"], "moment"),
        (_("To"), session["ended_at"], "moment"),
        (_("Times"), book.zone, "text"),
        (
            _("Sessions"),
            word(session["session_kind"]) if session["session_kind"] else _("several kinds"),
            "text",
        ),
        (_("Plays"), session["plays"], "whole"),
        (_("Viewers in view"), session["viewers"], "whole"),
        (_("Watchers"), session["watchers"], "whole"),
        (_("Attention, s"), session["attention_s"], "number"),
        (_("Attraction ratio"), session["attraction_ratio"], "share"),
        (_("Measured"), document["quality"]["measured_share"], "share"),
    ]
    for row, (name, value, kind) in enumerate(facts, 2):
        sheet.write_string(row, 0, name, book.formats["bold"])
        book.cell(sheet, row, 1, value, kind)
    row = len(facts) + 3
    for sentence in [*wording.left_out(document), *wording.findings(document)]:
        sheet.write_string(row, 0, sentence)
        row += 1
    advised = [
        [ad["title"], group.name, ad["reason"] or group.reason, ad["viewers_needed"]]
        for group in summary.advice(document)
        for ad in group.ads
    ]
    if advised:
        columns = {
            _("Ad"): "text",
            _("What to do"): "text",
            _("Why"): "text",
            _("More viewers needed"): "whole",
        }
        book.table(sheet, row + 1, columns, advised)
        row += len(advised) + 2
    if book.ads:
        _charts(book, sheet, row + 2)


def _charts(book: _Book, sheet: Worksheet, row: int) -> None:
    """Put the charts of valence and faces below the overview."""
    shown = book.ads[:CHARTED]
    few = len(shown) if len(book.ads) > len(shown) else 0
    height = 120 + 24 * len(shown)
    for chart, title, described in (_valence_chart(book, shown, few), _faces_chart(book, few)):
        chart.set_title({"name": title, "name_font": {"size": 13}})
        chart.set_size({"width": 900, "height": height})
        sheet.insert_chart(row, 0, chart, {"description": described})
        row += 2 + height // 20


def _valence_chart(book: _Book, shown: list[dict[str, Any]], few: int) -> tuple[Chart, str, str]:
    """Return bars of the valence of the first ads, with a title and a description.

    `few` is how many of the ads they are, 0 for all.
    """
    chart = book.workbook.add_chart({"type": "bar"})
    found = [summary.valence(ad) for ad in shown]
    known = all(each[key] is not None for each in found for key in each)
    errors = {
        "type": "custom",
        "plus_values": [(v["high"] or 0) - (v["value"] or 0) for v in found],
        "minus_values": [(v["value"] or 0) - (v["low"] or 0) for v in found],
    }
    chart.add_series(
        {
            "name": _("Valence"),
            "categories": [_("Ads"), 1, 0, len(shown), 0],
            "values": [_("Ads"), 1, 2, len(shown), 2],
            "fill": {"color": ACCENT},
            "gap": 60,
            **({"x_error_bars": errors, "y_error_bars": errors} if known else {}),
        }
    )
    # The first ad on top, and the names beside the axis of negative values.
    chart.set_y_axis({"reverse": True, "label_position": "low"})
    chart.set_x_axis({"num_format": "+0.00;-0.00;0", "label_position": "high", **LIGHT})
    chart.set_legend({"none": True})
    if few:
        return (
            chart,
            _("Valence of the %(count)s most positive ads", count=few),
            _("Bars: valence of the %(count)s most positive ads", count=few),
        )
    return chart, _("Valence of all ads"), _("Bars: valence of all ads")


def _faces_chart(book: _Book, few: int) -> tuple[Chart, str, str]:
    """Return bars of the faces in front of the first ads; see `_valence_chart`."""
    last = few or len(book.ads)
    chart = book.workbook.add_chart({"type": "bar", "subtype": "percent_stacked"})
    for place, (group, colour) in enumerate(Faces.of(book.document).colours.items()):
        chart.add_series(
            {
                "name": word(group),
                "categories": [_("Ads"), 1, 0, last, 0],
                "values": [_("Ads"), 1, 5 + place, last, 5 + place],
                "fill": {"color": colour},
                "gap": 60,
            }
        )
    chart.set_y_axis({"reverse": True})
    chart.set_x_axis({"label_position": "high", "num_format": "0%", **LIGHT})
    chart.set_legend({"position": "bottom"})
    if few:
        return (
            chart,
            _("Faces in front of the %(count)s most positive ads", count=few),
            _("Bars: faces in front of the %(count)s most positive ads", count=few),
        )
    return chart, _("Faces in front of all ads"), _("Bars: faces in front of all ads")


def _ads(book: _Book) -> None:
    groups = Faces.of(book.document).names
    before = {
        _("Ad"): "text",
        _("What to do"): "text",
        _("Valence"): "signed",
        _("from"): "signed",
        _("to"): "signed",
    }
    after = {
        _("Viewers"): "whole",
        _("with emotion"): "whole",
        _("Watched"): "whole",
        _("Held"): "whole",
        _("Attraction ratio"): "share",
        _("Mean dwell, s"): "number",
        _("Attention, s"): "number",
        _("Expressiveness"): "share",
        _("Impact"): "share",
        _("Score"): "number",
        _("Plays"): "whole",
        _("On screen, s"): "number",
        _("Length, s"): "number",
        _("Watched 2 s or more"): "whole",
        _("Average unit audience"): "number",
        _("Attentive s per 1,000"): "whole",
        _("Cost"): "number",
        _("Cost per 1,000 attentive s"): "number",
        _("Kind"): "text",
        _("File"): "text",
        _("Ad id"): "text",
    }
    columns = _with_shares(before, groups, after)
    keys = "opportunities emotion_viewers watchers held attraction_ratio mean_dwell_s "
    keys += "attention_s expressiveness impact score plays shown_s duration_s "
    keys += "watchers_2s average_unit_audience attentive_s_per_1000 cost "
    keys += "cost_per_1000_attentive_s kind file ad_id"
    rows = []
    for ad in book.ads:
        said = ad["advice"]
        rows.append(
            [
                wording.title(ad),
                summary.action_name(said["action"]),
                *summary.valence(ad).values(),
                *((summary.shares(ad) or {}).get(group) for group in groups),
                *(ad[key] for key in keys.split()),
            ]
        )
    book.full_table(_("Ads"), [46, 12, *[11] * (len(columns) - 2)], columns, rows)


def _with_shares(
    before: dict[str, str], groups: Sequence[str], after: dict[str, str] | None = None
) -> dict[str, str]:
    """Return columns with one for each group; one named like another column is in quotes."""
    after = after or {}
    taken, shares = {*before, *after}, {}
    for group in groups:
        name = capitalised(word(group))
        while name in taken:
            name = f"“{name}”"
        taken.add(name)
        shares[name] = "share"
    return {**before, **shares, **after}


def _seconds(book: _Book) -> None:
    groups = Faces.of(book.document).names
    before = {
        _("Ad"): "text",
        _("Second"): "whole",
        _("Viewers"): "whole",
        _("Valence"): "signed",
        _("from"): "signed",
        _("to"): "signed",
        _("Attention"): "share",
    }
    columns = _with_shares(before, groups)
    rows: Rows = []
    starts = []
    for ad in book.ads:
        starts.append((len(rows) + 1, len(ad["timeline"])))
        for second in ad["timeline"]:
            parts = second.get("shares") or {}
            rows.append(
                [
                    wording.title(ad),
                    second["second"],
                    second["n"],
                    *summary.valence_at(second).values(),
                    second["attention"],
                    *(parts.get(group) for group in groups),
                ]
            )
    sheet = book.full_table(_("Seconds"), [46, *[11] * (len(columns) - 1)], columns, rows)
    # The curves of the most positive ads, beside the table.
    for place, (first, length) in enumerate(starts[:5]):
        if length < 2:
            continue
        chart = book.workbook.add_chart({"type": "line"})
        for column, label, colour in (
            (3, _("Valence"), ACCENT),
            (6, _("Attention"), EMOTION_COLOURS["neutral"]),
        ):
            chart.add_series(
                {
                    "name": label,
                    "categories": [_("Seconds"), first, 1, first + length - 1, 1],
                    "values": [_("Seconds"), first, column, first + length - 1, column],
                    "line": {"color": colour, "width": 2.25},
                }
            )
        # By its cell: a title that begins with "=" would be a formula.
        chart.set_title({"name": [_("Seconds"), first, 0], "name_font": {"size": 11}})
        chart.set_x_axis({"name": _("second of the ad"), "label_position": "low"})
        chart.set_y_axis(LIGHT)
        chart.set_legend({"position": "bottom"})
        chart.set_size({"width": 560, "height": 280})
        sheet.insert_chart(
            1 + 15 * place, len(columns) + 1, chart, {"description": _("Curves of the ad")}
        )


def _scenes(book: _Book) -> None:
    columns = {
        _("Ad"): "text",
        _("From, s"): "number",
        _("To, s"): "number",
        _("Viewers"): "whole",
        _("Valence"): "signed",
        _("from"): "signed",
        _("to"): "signed",
        _("Attention"): "share",
        _("at least"): "share",
        _("at most"): "share",
        _("Against the scene before"): "text",
    }
    keys = "start_s end_s n valence_corrected valence_corrected_low valence_corrected_high "
    keys += "attention attention_low attention_high"
    rows: Rows = [
        [
            wording.title(ad),
            *(scene[key] for key in keys.split()),
            wording.scene_change(scene) or None,
        ]
        for ad in book.ads
        for scene in ad["scenes"] or ()
    ]
    if rows:
        book.full_table(_("Scenes"), [46, *[11] * 9, 60], columns, rows)


def _pairs(book: _Book) -> None:
    columns = {
        pgettext("of two ads", "First"): "text",
        pgettext("of two ads", "Second"): "text",
        _("Difference"): "signed",
        _("from"): "signed",
        _("to"): "signed",
        _("What it says"): "text",
    }
    rows: Rows = [
        [
            pair["first_name"],
            pair["second_name"],
            *(pair["difference"][key] for key in ("value", "low", "high")),
            pair["sentence"],
        ]
        for pair in summary.said_pairs(book.document)[0]
    ]
    book.full_table(_("Pairs"), [34, 34, 12, 12, 12, 90], columns, rows)


def _screens(book: _Book) -> None:
    columns = {
        _("Screen"): "text",
        _("Site"): "text",
        _("Group"): "text",
        _("Tags"): "text",
        _("Sessions"): "whole",
        _("Plays"): "whole",
        _("Viewers"): "whole",
        _("Exposures"): "whole",
        _("Attention, s"): "number",
        _("per exposure, s"): "number",
    }
    keys = "name site group tags sessions plays viewers exposures attention_s "
    keys += "attention_per_exposure_s"
    rows = [
        [", ".join(entry[key]) if key == "tags" else entry[key] for key in keys.split()]
        for entry in book.document.get("screens", ())
    ]
    if rows:
        book.full_table(_("Screens"), [30, 24, 16, 24, *[12] * 6], columns, rows)


def _over_time(book: _Book) -> None:
    if trend := book.document["trend"]:
        columns = {
            _("Week from"): "day",
            _("Plays"): "whole",
            _("Viewers"): "whole",
            _("per play"): "number",
            _("Watchers"): "whole",
            _("Attraction ratio"): "share",
            _("Valence"): "signed",
            _("from"): "signed",
            _("to"): "signed",
        }
        keys = "start plays viewers viewers_per_play watchers attraction_ratio "
        keys += "valence_corrected_mean valence_corrected_mean_low valence_corrected_mean_high"
        rows = [[week[key] for key in keys.split()] for week in trend]
        book.full_table(_("Weeks"), [20, *[12] * 8], columns, rows)
    if hours := book.document["day_hours"]:
        columns = {
            _("Weekday"): "text",
            _("Hour"): "whole",
            _("Plays"): "whole",
            _("Viewers per play"): "number",
        }
        rows = [
            [
                str(summary.DAY_NAMES[cell["weekday"]]),
                *(cell[key] for key in ("hour", "plays", "viewers_per_play")),
            ]
            for cell in hours
        ]
        book.full_table(_("Hours"), [14, 10, 12, 12], columns, rows)


def _gaps(book: _Book) -> None:
    columns = {
        _("From"): "moment",
        _("To"): "moment",
        _("Length, s"): "number",
        _("Cause"): "text",
        _("Detail"): "text",
    }
    rows = [
        [
            gap["start"],
            gap["end"],
            wording.gap_seconds(gap),
            word(gap["cause"]),
            translated(gap["detail"]) or None,
        ]
        for gap in book.document["gaps"]
    ]
    book.full_table(_("Gaps"), [20, 20, 12, 20, 60], columns, rows)
