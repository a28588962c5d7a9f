"""Files of outcomes as cash registers write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.analytics.errors import OutcomeFileError
from monitor.analytics.outcome_file import OutcomeForm, read_outcomes

NINE = datetime(2026, 3, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def read(tmp_path):
    def run(text, *, encoding="utf-8", file="sales.csv", **options):
        path = tmp_path / file
        path.write_bytes(text.encode(encoding))
        return read_outcomes(path, OutcomeForm(**{"timezone": "UTC", "site": "Shop"} | options))

    return run


def values(found):
    return [(row.at, row.value) for row in found.rows]


EXPECTED = [(NINE, 1234.5), (NINE + HOUR, -2.25)]


@pytest.mark.parametrize(
    "text",
    [
        "time,value\n2026-03-01 09:00,1234.5\n2026-03-01 10:00,-2.25\n",
        'time,value\r\n2026-03-01T09:00:00,"1,234.5"\r\n\r\n2026-03-01T10:00,-2.25\r\n',
        "time;value\n01.03.2026 09:00;1.234,5\n01.03.2026 10:00;-2,25\n",
        "time\tvalue\n2026-03-01 09:00\t1234,50 €\n2026-03-01 10:00\t-2,25 €",
        "Value;Other;TIME\n1 234,5;x;2026-03-01T10:00+01:00\n-2,25;y;2026-03-01T10:00Z\n",
        "2026-03-01 09:00,1234.5\n2026-03-01 10:00,-2.25\n",
        "2026-03-01 09:00;Shop;1234.5\n2026-03-01 10:00;Shop;-2.25\n",
        "2026-03-01 09:00;Shop;1'234,5;sales\n2026-03-01 10:00;Shop;-2,25;sales\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_the_same_figures_in_many_forms(read, text, encoding):
    found = read(text, encoding=encoding)
    assert values(found) == EXPECTED
    assert {(row.name, row.site) for row in found.rows} == {("sales", "Shop")}
    assert found.refused == ()


def test_columns_of_other_names_and_a_name_and_site_for_each_line(read):
    text = (
        "Datum;Filiale;Umsatz;Art\n01.03.2026 09:00;Nord;1,5;tea\n01.03.2026 09:00;Süd;2,5;milk\n"
    )
    columns = {"time": "datum", "site": "Filiale", "value": "Umsatz", "name": "Art"}
    found = read(text, encoding="cp1252", columns=columns, site=None)
    assert [(row.name, row.site, row.value) for row in found.rows] == [
        ("milk", "Süd", 2.5),
        ("tea", "Nord", 1.5),
    ]


def test_another_order_of_the_date_has_to_be_said(read):
    text = "time,value\n03/04/2026 09:00,1\n"
    with pytest.raises(
        OutcomeFileError, match=r"Line 2: .*'03/04/2026 09:00'; say how times are written"
    ):
        read(text)
    assert read(text, time_format="%d/%m/%Y %H:%M").rows[0].at == datetime(
        2026, 4, 3, 9, tzinfo=UTC
    )


def test_bad_lines_are_named_and_left_out(read):
    text = (
        "time;site;value\n2026-03-01 09:00;Shop;1,5\n2026-03-01 10:00;Shop;many\n"
        "2026-03-01 11:00\n32.03.2026 09:00;Shop;1\nTotal;;99,5\n2026-03-01 12:00;;1\n"
    )
    found = read(text, site=None)
    assert values(found) == [(NINE, 1.5)]
    assert [refused.line for refused in found.refused] == [3, 4, 5, 6, 7]
    assert "decimal comma, received 'many'" in found.refused[0].why
    assert "at least 3 fields, received 1" in found.refused[1].why
    assert "expected a site" in found.refused[-1].why


@pytest.mark.parametrize("time", ["0001-01-01 00:00", "9999-12-31 23:59", "2026-13-01 00:00"])
def test_times_out_of_range_are_refused(read, time):
    text = f"time,value\n2026-03-01 09:00,1\n{time},2\n"
    for zone in ("America/New_York", "Asia/Tokyo"):
        found = read(text, timezone=zone)
        assert len(found.rows) + len(found.refused) == 2


def test_a_line_of_the_same_time_replaces_the_earlier_one(read):
    found = read("time,value\n2026-03-01 09:00,1\n2026-03-01 09:00,2\n")
    assert (values(found), found.repeated) == ([(NINE, 2.0)], 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time;value\n2026-03-01 09:00;1,5\n2026-03-01 10:00;1.5\n", "name the decimal sign"),
        ("time;value\n2026-03-01 09:00;1.234\n", "1.234 may have"),
        ('time,value\n2026-03-01 09:00,"1,234"\n', "1,234 may have"),
        ("when,what\nsoon,much\n", "names no column time, value"),
        ("", "no outcome that can be read"),
        ("time,value\n", "no outcome that can be read"),
        ("PK\x03\x04\x14\x00\x06\x00[Content_Types].xml", "sales.csv is not text.*as CSV"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(read, text, words):
    with pytest.raises(OutcomeFileError, match=words):
        read(text)


def test_the_decimal_sign_can_be_said(read):
    text = "time;value\n2026-03-01 09:00;1.234\n"
    assert read(text, decimal="comma").rows[0].value == 1234
    assert read(text, decimal="point").rows[0].value == 1.234


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(OutcomeFileError, match="cannot be read"):
        read_outcomes(tmp_path / "none.csv")


def test_clocks_that_change(read):
    back = "time,value\n" + "".join(
        f"2026-10-25 {hour:02}:00,{value}\n" for value, hour in enumerate((1, 2, 2, 3))
    )
    found = read(back, timezone="Europe/Berlin")
    first = datetime(2026, 10, 24, 23, tzinfo=UTC)
    assert values(found) == [(first + hour * HOUR, float(hour)) for hour in range(4)]
    forth = "time,value\n2026-03-29 01:00,1\n2026-03-29 02:30,2\n2026-03-29 03:00,3\n"
    found = read(forth, timezone="Europe/Berlin")
    assert [row.value for row in found.rows] == [1, 3]
    assert "clocks skip it" in found.refused[0].why


@pytest.mark.parametrize(
    ("minutes", "lasts_s"),
    [
        ([0, 60, 120, 300, 360], 3600),  # closed at noon
        ([0, 30, 60, 90], 1800),
        ([0, 7, 45, 101, 103], 0),  # single sales
        ([0], 0),
    ],
)
def test_how_long_a_figure_lasts(read, minutes, lasts_s):
    lines = [f"{NINE + timedelta(minutes=minute):%Y-%m-%d %H:%M},1\n" for minute in minutes]
    text = "time,value\n" + "".join(lines)
    assert {row.lasts_s for row in read(text).rows} == {lasts_s}
    assert {row.lasts_s for row in read(text, lasts_s=900.0).rows} == {900}


@given(
    st.lists(st.decimals(-(10**6), 10**6, places=2), min_size=1, max_size=30),
    st.sampled_from([",", ";", "\t"]),
    st.booleans(),
)
def test_written_figures_are_read_back(tmp_path_factory, figures, separator, comma):
    path = tmp_path_factory.mktemp("file") / "sales.csv"
    sign = "," if comma else "."
    quote = '"' if comma and separator == "," else ""
    lines = [
        f"{NINE + n * HOUR:%Y-%m-%d %H:%M}{separator}{quote}{str(each).replace('.', sign)}{quote}"
        for n, each in enumerate(figures)
    ]
    path.write_text(f"time{separator}value\n" + "\n".join(lines))
    found = read_outcomes(path, OutcomeForm(site="Shop", timezone="UTC"))
    assert [row.value for row in found.rows] == [float(each) for each in figures]
