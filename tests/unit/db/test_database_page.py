"""`docs/reference/database.md` names every table and column, and its examples run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import db
from db.engine import open_database
from db.hub import tables as _hub_tables  # noqa: F401 (they belong to the schema)
from db.migrations import HEAD, REVISIONS
from db.schema import Base
from db.write.records import ViewerFlagged
from detector.types import WITHHELD_REASONS

pytestmark = pytest.mark.sqlite  # the page shows how to look into a file

PAGE = (Path(db.__file__).parent.parent / "docs" / "reference" / "database.md").read_text(
    encoding="utf-8"
)
SECTIONS = dict(
    re.findall(r"^### `(\w+)`[^\n]*\n(.*?)(?=^##)", PAGE, flags=re.MULTILINE | re.DOTALL)
)


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_every_table_and_no_other():
    assert set(SECTIONS) == set(Base.metadata.tables)
    assert f"schema `{HEAD}`" in PAGE


@pytest.mark.parametrize("table", sorted(Base.metadata.tables))
def test_every_column_and_no_other(table):
    cells = re.findall(r"^\| (`[^|]+`) \|", SECTIONS[table], flags=re.MULTILINE)
    named = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert named == [column.name for column in Base.metadata.tables[table].columns]


def test_every_reason_and_every_schema_is_explained():
    reasons = SECTIONS["readings"].partition("| reason |")[2]
    assert re.findall(r"^\| `([^`]+)` \|", reasons, flags=re.MULTILINE) == list(WITHHELD_REASONS)
    history = PAGE.partition("| schema | what is new |")[2]
    assert re.findall(r"^\| `(\d+)` \|", history, flags=re.MULTILINE) == list(REVISIONS)


def test_diagram_has_the_tables():
    diagram = "".join(blocks("mermaid"))
    assert set(re.findall(r"^ +(\w+) +\{ integer \w+ PK", diagram, flags=re.MULTILINE)) == set(
        Base.metadata.tables
    )
    for name, table in Base.metadata.tables.items():
        body = re.search(rf"^ +{name} +\{{(.*?)\}}", diagram, flags=re.MULTILINE | re.DOTALL).group(
            1
        )
        for key in table.foreign_keys:
            assert re.search(rf"integer {key.parent.name} (PK, )?FK", body)


@pytest.mark.parametrize("query", blocks("sql"))
def test_example_query(engine, make, rows, query):
    make.write(engine)
    assert rows(query)


def test_example_curve(engine, make, rows):
    unread = [make.unread(4.6, 3), make.unread(5.2, 3), make.unread(5.4, 3)]
    poster = [make.reading(second, 4, valence=-1.0) for second in (1.0, 2.0)]
    make.write(engine, [*make.stream(), *unread, *poster, ViewerFlagged(make.at(9), 4)])
    curve = next(query for query in blocks("sql") if "'summer'" in query)
    assert rows(curve) == [
        *((second, 2, 2, 0.6, 0.55) for second in range(4)),
        (4, 3, 2, 0.6, 0.55),
        (5, 1, 0, None, None),
    ]


def test_example_figures_per_ad(engine, make, rows):
    poster = [make.reading(second, 4, valence=-1.0, attentive=False) for second in (1.0, 2.0)]
    make.write(engine, [*make.stream(), make.unread(4.6, 3), *poster, ViewerFlagged(make.at(9), 4)])
    query = next(query for query in blocks("sql") if "GROUP BY ads.ad_id" in query)
    assert rows(query) == [("summer", 2, 3, 0.55, 1.0), ("winter", 1, 2, 0.55, 1.0)]


def test_example_python(tmp_path, monkeypatch, make, capsys):
    monkeypatch.chdir(tmp_path)
    engine = open_database("kiosk.db")
    make.write(engine)
    engine.dispose()
    (code,) = blocks("python")
    exec(code, {})  # noqa: S102 (our own page)
    site, readings, valence = capsys.readouterr().out.split()
    assert (site, readings, float(valence)) == ("Foyer", "93", pytest.approx(0.55))
