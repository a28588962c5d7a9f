"""What `models` says of shadow runs, on a database that has one, and on none."""

from __future__ import annotations

import csv
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from db.engine import open_database
from db.write.records import ModelRecord, ShadowRecord
from db.write.session_writer import SessionWriter
from detector.emotion.labels import EMOTIONS
from detector.emotion.model_card import ModelCard
from detector.emotion.preprocessing import CropGeometry
from detector.types import ShadowCell
from monitor.cli.models.evaluate import judging_faces
from monitor.cli.models.models import _say_shadow_run, models
from tests.helpers.making import START, Make

SHA = "cd" * 32

FACES = Path(__file__).parents[5] / "docs" / "images" / "faces.jpg"


@pytest.fixture
def database(tmp_path: Path) -> str:
    """Six days on which a candidate turned every fifth neutral face into a happy one."""
    path = str(tmp_path / "monitor.db")
    engine = open_database(path)
    session = Make().session(model=ModelRecord("compact-3", "ab" * 32))
    with SessionWriter(engine, session) as writer:
        for day in range(6):
            cells = (
                ShadowCell("neutral", "neutral", 200 + day, 0.0, 0.0, 100.0, 120.0, 200.0, 100.0),
                ShadowCell("neutral", "happy", 50, 0.0, 20.0, 25.0, 30.0, 50.0, 25.0),
            )
            at = START + timedelta(days=day)
            writer.submit(ShadowRecord(at, "compact-4", SHA, cells))
    engine.dispose()
    return path


def test_a_report_for_people_and_for_programs(database: str) -> None:
    said = CliRunner().invoke(models, ["shadow", "--db", database])
    assert said.exit_code == 0, said.output
    assert "compact-4 gave the label of compact-3 to 80% of 1,515 faces on 6 days" in " ".join(
        said.output.split()
    )
    assert "neutral became happy: 19.8% of the faces" in said.output
    document: dict[str, Any] = json.loads(
        CliRunner().invoke(models, ["shadow", "--db", database, "--json"]).stdout
    )
    [report] = document["shadow_runs"]
    assert report["suffices"]
    assert report["cpu_ms"]["shadow"] == pytest.approx(0.5, rel=0.02)


def test_only_since_a_day(database: str) -> None:
    since = f"{START + timedelta(days=4):%Y-%m-%d}"
    found = CliRunner().invoke(models, ["shadow", "--db", database, "--since", since, "--json"])
    assert json.loads(found.stdout)["shadow_runs"][0]["days"] == 2


def test_promote_repeats_it_or_says_how_to_make_one(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _say_shadow_run(database, SHA, "compact-4")
    assert "Shadow run: compact-4 gave the label" in capsys.readouterr().err
    _say_shadow_run(database, "ef" * 32, "compact-5")
    assert "There was no shadow run of compact-5" in capsys.readouterr().err
    _say_shadow_run(str(tmp_path / "nowhere.db"), SHA, "compact-4")
    assert "There was no shadow run of compact-4" in capsys.readouterr().err
    (tmp_path / "letter.db").write_text("no database" * 100)
    _say_shadow_run(str(tmp_path / "letter.db"), SHA, "compact-4")
    assert "Whether there was a shadow run is not known: " in capsys.readouterr().err


def card_that_chose_by(rows: str) -> ModelCard:
    return ModelCard(
        name="any",
        labels=EMOTIONS,
        input_side_px=48,
        crop_scale=1,
        crop_raise=0,
        temperature=1,
        uncertain_below=0,
        sha256="",
        training={"rows": {"training": 30, "validation": 10}, "calibrated_on": rows},
    )


def test_models_are_judged_by_rows_that_both_held_out_or_it_says_why_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "fer2013.csv"
    pictures = np.random.default_rng(2).integers(0, 255, (60, 48 * 48))
    with data.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("emotion", "pixels", "Usage"))
        for number, picture in enumerate(pictures):
            usage = "Training" if number < 40 else "PublicTest"
            table.writerow((number % 7, " ".join(map(str, picture)), usage))
    options: dict[str, Any] = dict.fromkeys(
        ("votes", "overlay", "find_faces", "split", "against", "labels", "seed")
    )
    held_out = card_that_chose_by("held out of Training, 10 rows")
    rows, _, _ = judging_faces(CropGeometry(48), data, **options, unknown_to=(held_out, held_out))
    assert rows.splits() == {"held out of Training": 10}
    assert "are judged by" not in capsys.readouterr().err

    others = (held_out, card_that_chose_by("PublicTest, 10 rows"))
    rows, _, _ = judging_faces(CropGeometry(48), data, **options, unknown_to=others)
    assert rows.splits() == {"PublicTest": 20}
    assert "The models are judged by PublicTest, because" in capsys.readouterr().err

    options["split"] = "validation"
    rows, _, _ = judging_faces(CropGeometry(48), data, **options, unknown_to=others)
    assert rows.splits() == {"PublicTest": 20}
    assert "are judged by" not in capsys.readouterr().err


@pytest.mark.slow
def test_faces_are_cut_out_of_photographs_that_models_are_judged_by(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("mediapipe")
    for split in ("train", "test"):
        folder = tmp_path / split / "happy"
        folder.mkdir(parents=True)
        Image.open(FACES).save(folder / "somebody.png")
        Image.new("RGB", (400, 300), "grey").save(folder / "nobody.png")
    options: dict[str, Any] = dict.fromkeys(("votes", "overlay", "against", "labels", "seed"))
    rows, _, _ = judging_faces(CropGeometry(48), tmp_path, **options, split="test", find_faces=True)
    assert rows.splits() == {"test": 1}
    assert "nobody.png" in capsys.readouterr().err
    rows, _, _ = judging_faces(
        CropGeometry(48), tmp_path, **options, split="test", find_faces=False
    )
    assert rows.splits() == {"test": 2}
