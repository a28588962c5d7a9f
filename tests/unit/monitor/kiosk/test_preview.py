"""What `doctor --preview` draws, from the real windows.

Also tests `monitor/cli/kiosk/doctor.py` and `monitor/kiosk/notice.py`.
"""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from monitor.cli.main import cli

COLOUR = (20, 160, 60)


@pytest.fixture
def draw(tmp_path, monkeypatch):
    monkeypatch.setattr("monitor.kiosk.preview.screen_available", lambda: False)
    monkeypatch.setattr("monitor.cli.kiosk.doctor.silence_native_libraries", lambda: None)
    Image.new("RGB", (160, 90), COLOUR).save(tmp_path / "ad.png")
    (tmp_path / "kiosk.yaml").write_text(
        "ads:\n  playlist: ads.yaml\n"
        "window:\n  fullscreen: true\n"
        "notice:\n  languages: [en, de]\n  url: example.org/privacy\n"
    )
    (tmp_path / "ads.yaml").write_text("ads:\n  - file: ad.png\n    duration_s: 0.2\n")

    def run(*more):
        file = tmp_path / "seen.png"
        arguments = ["doctor", "--preview", str(file), "--config", str(tmp_path / "kiosk.yaml")]
        return CliRunner().invoke(cli, [*arguments, *more])

    return run


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def is_ad(picture):
    return (abs(picture - np.array(COLOUR)) <= 4).all(axis=-1)


@pytest.mark.parametrize("size", ["640x480", "480x854"])
def test_it_shows_the_ad_and_below_it_the_notice(draw, size):
    done = draw("--preview-size", size, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["preview"]
    width, height = map(int, size.split("x"))
    assert (found["width"], found["height"], found["overlay"]) == (width, height, False)
    left, top, ad_width, ad_height = found["ad"]
    assert found["notice"] == [0, ad_height, width, height - ad_height]
    assert (left, top, ad_width) == (0, 0, width)
    picture = pixels(found["file"])
    assert picture.shape == (height, width, 3)
    assert is_ad(picture[:ad_height]).sum() > 0.3 * ad_height * width
    strip = picture[ad_height:]
    assert not is_ad(strip).any()
    assert (strip > 200).all(axis=-1).sum() > 500, "its text and code"
    assert found["notice_file"] is None


@pytest.mark.slow
def test_what_is_asked_for_is_there_too(draw):
    done = draw("--preview-size", "1280x720", "--overlay", "--notice", "required")
    assert done.exit_code == 0, done.output
    assert "with people's own faces" in done.stdout
    [line] = [one for one in done.stdout.splitlines() if "before the measurement" in one]
    assert pixels(line.split(": ")[1]).shape == (720, 1280, 3)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--preview-size", "wide"), "such as 1080x1920"),
        (("--preview-size", "10x10"), "from 240 to 8192"),
        (("--preview", "kiosk.yaml"), "a file that ends in .png, received 'kiosk.yaml'"),
        (("--notice-language", "xx"), "expected one of de, en"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, more, words):
    done = draw(*more)
    assert done.exit_code == 2 or done.exception is not None
    assert words in done.output or words in str(done.exception)


def test_opencv_is_not_loaded_before_qt():
    # Where a display is there, the application would abort: OpenCV brings a Qt of its own.
    program = "import sys, monitor.kiosk.preview; print('cv2' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout.strip() == "False", done.stderr
