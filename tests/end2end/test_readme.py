"""The first commands of the README, as they stand there, in an empty home."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from tools.pictures import people
from tools.pictures.people import Expression

from .serving import serve

__all__ = ["serve"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
SHOWN = {
    "angry": Expression(frown=1.3, smile=-0.3, lids=0.8),
    "disgust": Expression(frown=0.8, smile=-0.5, lids=0.5, opened=0.15),
    "fear": Expression(brows=1.0, frown=-1.0, opened=0.3, lids=1.7, smile=-0.3),
    "happy": people.HAPPY,
    "sad": Expression(smile=-0.6, frown=-1.0),
    "surprise": people.SURPRISE,
    "neutral": people.NEUTRAL,
}


def commands(heading):
    """Return the commands of a section, each as its words, without comments."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    block = section.partition("```sh\n")[2].partition("```")[0]
    return [shlex.split(line, comments=True) for line in block.splitlines()]


def draw_faces(folder, each):
    """Write drawn faces that differ in place, size, light and noise, a folder for each label."""
    rng = np.random.default_rng(1)
    for label, expression in SHOWN.items():
        drawn = [people.portrait(looks, expression) for looks in people.PEOPLE]
        (folder / label).mkdir(parents=True)
        for number in range(each):
            portrait = drawn[number % len(drawn)]
            x, y = (round((axis + rng.uniform(-4, 4)) * people.UNIT_PX) for axis in people.CENTRE)
            half = round(rng.uniform(46, 60) * people.UNIT_PX)
            cut = portrait[y - half : y + half, x - half : x + half]
            opacity = cut[:, :, 3:] / 255
            lit = (cut[:, :, 2::-1] * opacity + 150 * (1 - opacity)) * rng.uniform(0.6, 1)
            noisy = np.clip(lit + rng.normal(0, 8, lit.shape), 0, 255).astype(np.uint8)
            small = cv2.resize(noisy, (96, 96), interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(folder / label / f"{number:03}.png"), small)


def test_a_report_to_share(program):
    program.run("run", "--headless", "--source", "demo", "--loops", "1")
    first = commands("Read the reports")[0]
    assert first[:2] == ["ad-monitor", "report"]
    program.run(*first[1:])
    for ending, begin in ((".html", b"<!DOCTYPE html>"), (".pdf", b"%PDF"), (".pptx", b"PK")):
        written = (program.folder / "reactions").with_suffix(ending)
        assert written.read_bytes().startswith(begin)


def test_a_model_trained_on_500_faces_and_promoted(program):
    pytest.importorskip("tensorflow", reason="the extra `training` is not installed")
    program.environment["AD_MONITOR_MODELS"] = str(program.folder / "models")
    draw_faces(program.folder / "faces", 72)
    train, compare, promote = commands("Train your own model")
    program.run(*train[1:], limit_s=600)
    # On these drawn faces it is far better than the shipped model.
    assert "hardly chance" in program.run(*compare[1:]).stdout
    said = program.run(*promote[1:]).stderr
    assert "shop is in use now" in said
    # Who trains a model need not have a kiosk.
    assert "database" not in said


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_first_request(serve):
    start, curl = commands("Use it from other programs")
    assert start == ["ad-monitor", "serve"]
    served = serve()
    command = [re.sub(r":8080/", f":{served.port}/", word) for word in curl]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    [image] = json.loads(answer.stdout)["images"]
    assert [face["label"] for face in image["faces"]] == ["happy", "surprise"]
