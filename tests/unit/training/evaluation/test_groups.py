"""Figures by group: known answers, planted differences, withheld groups, and rendered heads."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from detector.emotion.classifier import load_classifier
from detector.emotion.model_store import DEFAULT_MODEL
from monitor.cli.shared.tables import print_groups
from tests.helpers.skin_tones import TONES, write_toned_pictures
from training.datasets.report import ReadingReport
from training.errors import DatasetError
from training.evaluation.group_labels import GroupTable, LabelledPicture, read_group_labels
from training.evaluation.groups import Estimate, Look, by_group, difference_interval, look_at

MISSED = Look(found=False)
READ = Look(True, 0.9, None, 0.8, uncertain=False, right=True)
UNSURE = Look(True, 0.7, None, 0.4, uncertain=True, right=False)
SMALL = Look(True, 0.6, "too small")


def table_of(groups: dict[str, list[Look | None]]) -> tuple[GroupTable, list[Look | None]]:
    """A table with the grouping `tone`, and the looks at its pictures."""
    pictures = [
        LabelledPicture(Path(f"{group}{number}.png"), {"tone": group}, "happy")
        for group, looks in groups.items()
        for number in range(len(looks))
    ]
    table = GroupTable(tuple(pictures), ("tone",), True, ReadingReport())
    return table, [look for looks in groups.values() for look in looks]


def test_figures_of_a_group() -> None:
    looks = [MISSED] * 10 + [READ] * 60 + [UNSURE] * 20 + [SMALL] * 10
    document = by_group(*table_of({"a": looks, "b": [READ] * 40}))
    [a, _] = document["groups"]["tone"]["groups"]
    assert (a["pictures"], a["found"]["n"], a["found"]["value"]) == (100, 100, 0.9)
    assert (a["found"]["low"], a["found"]["high"]) == pytest.approx((0.8256, 0.9448), abs=1e-4)
    assert a["withheld"]["n"] == 90
    assert a["withheld"]["value"] == pytest.approx(1 / 9)
    assert a["withheld"]["reasons"] == {"too small": 10}
    assert (a["uncertain"]["n"], a["uncertain"]["value"]) == (80, 0.25)
    assert a["confidence"]["value"] == pytest.approx(0.7)
    assert a["accuracy"]["value"] == 0.75
    assert document["overall"]["pictures"] == 140
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_a_difference_is_said_with_its_interval() -> None:
    document = by_group(
        *table_of({"a": [READ] * 300, "b": [READ] * 240 + [MISSED] * 60, "c": [READ] * 300})
    )
    tone = document["groups"]["tone"]
    found = tone["differences"]["found"]
    assert found["shown"]
    assert (found["lower"], found["pairs"]) == ("b", 3)
    assert found["low"] < 0.2 < found["high"]
    assert tone["sentences"][0].startswith("Faces found: 20.0 points more for a than for b (1")
    assert not tone["differences"]["confidence"]["shown"]


def test_no_difference_is_bounded() -> None:
    looks: list[Look | None] = [READ] * 95 + [MISSED] * 5
    tone = by_group(*table_of({"a": looks, "b": looks}))["groups"]["tone"]
    bound = tone["differences"]["found"]["bound"]
    assert 0.05 < bound < 0.1
    assert tone["sentences"][0] == (
        "Faces found: no difference between groups is shown; none is larger than "
        f"{100 * bound:.1f} points."
    )


def test_small_groups_are_withheld_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    document = by_group(*table_of({"a": [READ] * 40, "b": [READ] * 29, "c": [None] * 40}))
    tone = document["groups"]["tone"]
    assert [group["group"] for group in tone["groups"]] == ["a", "b"]
    assert tone["groups"][1]["found"] is None
    assert tone["differences"] == {}
    assert tone["sentences"] == ["Withheld, because fewer than 30 pictures show nothing: b (29)."]
    print_groups(document)
    said = capsys.readouterr().out
    assert "100.0% (91.2-100.0)" in said
    assert "b (29)" in said


def test_groups_are_in_the_order_of_their_numbers() -> None:
    bands = ("more than 70", "10-19", "3-9", "0-2")
    document = by_group(*table_of({band: [READ] for band in bands}))
    assert [group["group"] for group in document["groups"]["tone"]["groups"]] == list(
        reversed(bands)
    )


def test_the_interval_of_two_shares_by_known_answer() -> None:
    # Newcombe (1998), table II: 56/70 against 48/80, method 10.
    first = Estimate(70, 56 / 70, 0, share=True)
    second = Estimate(80, 48 / 80, 0, share=True)
    assert difference_interval(first, second) == pytest.approx((0.0524, 0.3339), abs=1e-4)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=40), st.booleans())
def test_intervals_hold_the_mean_and_stay_within_bounds(values: list[float], share: bool) -> None:
    numbers = [float(round(value)) for value in values] if share else values
    estimate = Estimate.of(numbers, share=share)
    low, high = estimate.interval()
    assert 0 <= low <= estimate.mean + 1e-9
    assert estimate.mean - 1e-9 <= high <= 1
    below, above = difference_interval(estimate, estimate)
    assert below <= 0 <= above
    assert math.isfinite(below)


def test_rendered_heads_of_two_skin_tones(tmp_path: Path) -> None:
    table = read_group_labels(write_toned_pictures(tmp_path, ("light", "dark"), 3))
    (tmp_path / "faces" / "light0.png").write_bytes(b"damaged")
    (tmp_path / "faces" / "dark0.png").unlink()
    done: list[tuple[int, int]] = []
    looks = look_at(table, load_classifier(DEFAULT_MODEL), lambda *at: done.append(at))
    assert done == [(number, 6) for number in range(1, 7)]
    document = by_group(table, looks, min_pictures=2)
    assert document["pictures"] == 4
    groups = {group["group"]: group for group in document["groups"]["skin_tone"]["groups"]}
    for group in groups.values():
        assert group["found"]["value"] == 1.0
        assert group["detection_confidence"]["value"] > 0.8
        assert group["confidence"]["n"] == group["accuracy"]["n"] == 2
    assert "2 left out" in document["reading"][0]


def test_nothing_to_look_at(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("file,race\na.png,x\nb.png,y\n")
    with pytest.raises(DatasetError, match="None of the pictures can be read"):
        look_at(read_group_labels(table), load_classifier(DEFAULT_MODEL))


@pytest.mark.parametrize(
    ("option", "named"),
    [
        (["--split", "test"], "--split"),
        (["--overlay", "o.csv"], "--overlay"),
        (["--flip"], "--flip"),
    ],
)
def test_options_of_a_dataset_are_refused_beside_groups(
    tmp_path: Path, option: list[str], named: str
) -> None:
    from monitor.cli.main import cli

    table = tmp_path / "labels.csv"
    table.write_text("file,race\na.png,x\nb.png,y\n")
    done = CliRunner().invoke(cli, ["evaluate", "--groups", str(table), *option])
    assert done.exit_code == 2
    assert f"leave {named} out" in done.output


@pytest.mark.slow
def test_the_command_on_four_skin_tones(tmp_path: Path) -> None:
    from monitor.cli.main import cli

    table = write_toned_pictures(tmp_path / "set", tuple(TONES), 30)
    before = set(tmp_path.rglob("*"))
    done = CliRunner().invoke(cli, ["evaluate", "--groups", str(table), "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    for group in document["groups"]["skin_tone"]["groups"]:
        assert group["found"]["low"] > 0.85
    shares = np.array([g["found"]["value"] for g in document["groups"]["skin_tone"]["groups"]])
    assert document["groups"]["skin_tone"]["differences"]["found"]["bound"] >= np.ptp(shares)
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("file", ["a\0b.png", "/dev/zero", "x" * 400, "."])
def test_what_is_no_file_is_left_out(tmp_path: Path, file: str) -> None:
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "b.png")
    (tmp_path / "labels.csv").write_text(f"file,age\n{file},old\nb.png,young\n")
    table = read_group_labels(tmp_path / "labels.csv")
    assert look_at(table, load_classifier(DEFAULT_MODEL)) == [None, MISSED]
    assert "files that cannot be read" in " ".join(table.reading.sentences())
