"""Reports: what sessions measured, as figures with intervals, as a page and as files.

The data flow one way: readings -> roll-ups (`db.read`) -> `analytics.report_data` -> `document`,
the product's JSON document -> `html`, `pdf`, `xlsx`, `pptx`, `tables`, `terminal`, `export`.
Pages and files show what the document says and compute nothing, so all formats agree.
"""

FORMATS = ("html", "json", "csv", "parquet", "pdf", "xlsx", "pptx")
TEXT_FORMATS = ("html", "json", "csv")
"""Formats that can be printed."""

TABLES = (
    "seconds",
    "timeline",
    "ads",
    "plays",
    "gaps",
    "multipliers",
    "ad_plays",
    "scenes",
    "screens",
)
"""Tables of CSV and Parquet, the default first."""
