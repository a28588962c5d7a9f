"""Reports: what sessions measured, as figures with intervals, as a page and as files.

The data flow one way: readings -> roll-ups (`db.read`) -> `analytics.report_data` -> `document`,
the product's JSON document -> `html`, `pdf`, `tables`, `export`, `terminal`. Pages and files
show what the document says and compute nothing, so all formats agree.
"""
