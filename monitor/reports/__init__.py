"""Reports: what a session measured, as figures with intervals, as a page to read and as files to work with.

The data flow is one way: readings -> `roll_up` (stored by `db.read.rollups` while a session runs)
-> `report_data` -> `document` (with the formulas of `metrics`, and `comparison` and `norms`
on the statistics of `statistics`) -> the JSON document of the product -> `html`, `pdf`, `tables`,
`export`. A page or a file shows what the document says and computes nothing of its own, so that all
formats tell the same story.
"""
