"""The drawn people of the documentation's pictures, and how pictures are kept."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from detector.emotion.classifier import classify, load_classifier
from detector.emotion.labels import EMOTIONS
from detector.emotion.model_store import DEFAULT_MODEL
from detector.emotion.preprocessing import face_crops
from detector.faces.detector import MediaPipeFaceDetector
from tools.pictures import film, kiosk, people
from tools.pictures.__main__ import keep


def png(picture):
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def page():
    """A page with a line of text, as grey blocks on white."""
    picture = np.full((300, 400, 3), 255, dtype=np.uint8)
    picture[100:120, 50:350:10] = 30
    return picture


def test_a_picture_that_hardly_differs_is_left(tmp_path, page, capsys):
    keep(tmp_path, "page.png", png(page))
    before = (tmp_path / "page.png").stat().st_mtime_ns
    page[100:105, 50:60] = 200
    keep(tmp_path, "page.png", png(page))
    assert (tmp_path / "page.png").stat().st_mtime_ns == before
    assert capsys.readouterr().out.splitlines()[1].endswith("unchanged")
    page[200:260] = 90
    keep(tmp_path, "page.png", png(page))
    with Image.open(tmp_path / "page.png") as kept:
        assert kept.convert("RGB").getpixel((10, 230)) == (90, 90, 90)


def test_a_page_gets_a_palette_and_a_photo_keeps_its_colours(tmp_path, page):
    keep(tmp_path, "page.png", png(page))
    photo = np.random.default_rng(1).integers(0, 255, (90, 160, 3), dtype=np.uint8)
    keep(tmp_path, "photo.png", png(photo))
    with Image.open(tmp_path / "page.png") as kept:
        assert kept.mode == "P"
        assert (np.asarray(kept.convert("RGB")) == page).all()
    with Image.open(tmp_path / "photo.png") as kept:
        assert kept.mode == "RGB"


def test_a_film_moves_and_is_small(tmp_path):
    pictures = [
        (Image.fromarray(np.full((54, 96, 3), 40 * number, dtype=np.uint8)), 125)
        for number in range(6)
    ]
    kiosk.save_film(pictures, tmp_path / "kiosk.webp")
    with Image.open(tmp_path / "kiosk.webp") as shown:
        assert shown.n_frames == 6


def test_what_is_missing_is_named_before_anything_starts(tmp_path):
    command = [sys.executable, "-m", "tools.pictures", "--out", str(tmp_path / "out")]
    done = subprocess.run(
        command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[:2] == [
        "Xvfb is needed, and was not found: sudo apt-get install xvfb",
        "Chromium is needed, and was not found: sudo apt-get install chromium",
    ]
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_drawn_people_are_found_and_read():
    classifier = load_classifier(DEFAULT_MODEL)
    with MediaPipeFaceDetector() as detector:
        for at_s in (1.0, 7.0, 12.5):
            picture = film.scene(at_s)
            faces = sorted(detector.detect_still(picture), key=lambda one: one.box.x)
            crops = face_crops(picture, [one.box for one in faces])
            read = [EMOTIONS[place] for place in classify(classifier, crops).argmax(axis=1)]
            shown = {people.NEUTRAL: "neutral", people.HAPPY: "happy", people.SURPRISE: "surprise"}
            acts = [[act for act in role.acts if act[0] <= at_s][-1][1] for role in film.CAST]
            assert read == [shown[act] for act in acts], at_s
