"""Reports: what a session measured, as figures with intervals, as a page to read and as files to work with.

The data flow is one way: `db.queries.SessionData` -> `session_report.build_report` (with the formulas of `metrics`) ->
the JSON document of the product -> `export` or `html`. A page or a file shows what the document says and computes
nothing of its own, so that all formats tell the same story.
"""
