"""`docs/how-to/bi.md` names every view, and its query runs."""

from __future__ import annotations

import re
from pathlib import Path

import db
from db.engine import open_database, writing
from db.hub.views import VIEWS, create_views

PAGE = (Path(db.__file__).parent.parent / "docs" / "how-to" / "bi.md").read_text(encoding="utf-8")


def test_every_view_and_no_other():
    assert tuple(re.findall(r"^\| `(v_\w+)` \|", PAGE, flags=re.MULTILINE)) == VIEWS
    assert f"GRANT SELECT ON {', '.join(VIEWS)} TO" in PAGE


def test_the_query_runs(tmp_path, make):
    engine = open_database(str(tmp_path / "hub.db"))
    make.write_rolled(engine)
    [query] = re.findall(r"^```sql\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    with writing(engine) as connection:
        create_views(connection, 1)
        rows = connection.exec_driver_sql(query).all()
    engine.dispose()
    assert [(row[0], row[1]) for row in rows] == [("Foyer", "summer"), ("Foyer", "winter")]
    assert all(row[2] > 0 for row in rows)
