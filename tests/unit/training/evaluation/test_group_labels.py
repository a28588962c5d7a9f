"""Tables of group labels in the forms that people have; wrong ones are refused in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from training.errors import DatasetError
from training.evaluation.group_labels import MAX_GROUPS, GroupTable, read_group_labels

FAIRFACE = (
    "file,age,gender,race,service_test\n"
    "val/1.jpg,3-9,Male,East Asian,False\n"
    "val/2.jpg,50-59,Female,East Asian,True\n"
    "val/3.jpg,30-39,female,White,True\n"
)


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], GroupTable]:
    def read(text: str) -> GroupTable:
        path = tmp_path / "labels.csv"
        path.write_text(text, encoding="utf-8")
        return read_group_labels(path)

    return read


def test_fairface(read: Callable[[str], GroupTable], tmp_path: Path) -> None:
    table = read(FAIRFACE)
    assert table.columns == ("age", "gender", "race")
    assert [picture.file for picture in table.pictures] == [
        tmp_path / "val" / f"{number}.jpg" for number in (1, 2, 3)
    ]
    assert table.pictures[2].groups == {"age": "30-39", "gender": "Female", "race": "White"}
    assert not table.has_expressions


def test_names_in_any_case_semicolons_and_further_columns(
    read: Callable[[str], GroupTable],
) -> None:
    table = read(
        "\ufeff;FILE;Skin_Tone;Glasses;Expression\n0;a.png;V;yes;Happiness\n1;b.png;I;;fear\n"
        "2;c.png;I;no;bored\n"
    )
    assert table.columns == ("skin_tone", "glasses")
    assert [picture.expression for picture in table.pictures] == ["happy", "fear", None]
    assert table.pictures[1].groups == {"skin_tone": "I"}
    assert table.has_expressions


def test_columns_that_are_no_groupings_are_named(read: Callable[[str], GroupTable]) -> None:
    rows = "".join(f"{n}.png,{n},{n % 2},same\n" for n in range(MAX_GROUPS + 1))
    table = read("file,age,race,country\n" + rows)
    assert table.columns == ("race",)
    assert "column age is not used: it has 31 different values" in " ".join(table.reading.notes)
    assert "column country is not used: it has a single value" in " ".join(table.reading.notes)


def test_broken_and_repeated_rows_are_left_out(read: Callable[[str], GroupTable]) -> None:
    table = read("file,race\na.png,x\nb.png\n,y\na.png,y\nc.png,y\n")
    assert [picture.file.name for picture in table.pictures] == ["a.png", "c.png"]
    assert {skipped.count for skipped in table.reading.skipped.values()} == {1}
    assert len(table.reading.skipped) == 3


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("age,race\n1,2\n", "has no column of files"),
        ("", "has no column of files"),
        ("file,country\na.png,x\n", "has no column of groups"),
        ("file,race\n", "has no column of groups"),
        ("file,race\n,x\n,y\n", "names no picture"),
    ],
)
def test_tables_of_no_use(read: Callable[[str], GroupTable], text: str, complaint: str) -> None:
    with pytest.raises(DatasetError, match=complaint):
        read(text)


def test_a_file_that_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(b"\xff\xd8\xff\xe0 picture")
    with pytest.raises(DatasetError, match="Cannot read the group labels"):
        read_group_labels(path)
    with pytest.raises(DatasetError, match="expected a CSV"):
        read_group_labels(tmp_path / "missing.csv")


def test_a_column_that_is_there_twice_counts_once(read: Callable[[str], GroupTable]) -> None:
    table = read("file,age,Age\na.png,old,1\nb.png,young,2\n")
    assert table.columns == ("age",)
    assert [picture.groups for picture in table.pictures] == [{"age": "old"}, {"age": "young"}]
    assert "column age is there more than once: the first one is used" in table.reading.notes[0]
