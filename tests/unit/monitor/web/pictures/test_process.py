"""The process that reads pictures: what it finds, refuses, and what it is killed for."""

from __future__ import annotations

import io
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detector.errors import DetectorError, PictureDecodeError
from monitor.web.pictures import process as picture_process
from monitor.web.pictures.process import PictureProcess
from tests.helpers.waiting import Stopwatch


@pytest.fixture(scope="module")
def process():
    made = PictureProcess(None, "cpu")
    yield made
    made.close()


def written(image: Image.Image, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


GREY = written(Image.new("RGB", (40, 30), "grey"))


def test_a_picture_without_faces(process):
    seen = process.read(GREY)
    assert (seen.width, seen.height, seen.faces) == (40, 30, ())
    assert seen.crops.shape == (0, 48, 48)
    assert Image.open(io.BytesIO(seen.copy)).size == (40, 30)


def test_it_finds_the_same_as_this_process(process, demo_video):
    import av

    from monitor.web.pictures.reader import PictureReader, load_picture_classifier

    with av.open(str(demo_video)) as container:
        content = written(next(container.decode(video=0)).to_image())
    here = PictureReader(load_picture_classifier(None, "cpu"))
    expected = here.read(content)
    here.close()
    seen = process.read(content)
    assert len(seen.faces) == 1
    assert seen.faces == expected.faces
    assert (seen.crops == expected.crops).all()
    assert seen.copy == expected.copy


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_a_picture"),
        (GREY[:-30], "damaged"),
        (written(Image.new("1", (10_000, 5001))), "too_many_pixels"),
    ],
)
def test_what_cannot_be_read_is_said_as_elsewhere(process, content, code):
    with pytest.raises(PictureDecodeError) as told:
        process.read(content)
    assert told.value.code == code
    assert process.read(GREY).width == 40


def test_a_picture_that_kills_the_process_is_refused_and_the_next_one_is_read(process):
    child = process._process.pid
    os.kill(child, signal.SIGSTOP)
    killer = threading.Timer(0.1, os.kill, (child, signal.SIGKILL))
    killer.start()
    with pytest.raises(PictureDecodeError, match="too much time or memory") as told:
        process.read(GREY)
    killer.join()
    assert told.value.code == "too_costly"
    assert process.read(GREY).width == 40


def test_a_picture_has_a_limit_of_time(process, monkeypatch):
    monkeypatch.setattr(process, "_limit_s", 0.3)
    os.kill(process._process.pid, signal.SIGSTOP)
    watch = Stopwatch()
    with pytest.raises(PictureDecodeError, match="too much time or memory"):
        process.read(GREY)
    assert watch.seconds < 60
    monkeypatch.undo()
    assert process.read(GREY).width == 40


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="Linux tells limits there")
def test_the_process_bounds_its_memory_and_writes_no_file(process):
    process.read(GREY)
    limits = Path(f"/proc/{process._process.pid}/limits").read_text()
    values = {line[:26].strip(): line[26:].split()[0] for line in limits.splitlines()[1:]}
    assert values["Max file size"] == values["Max core file size"] == "0"
    assert int(values["Max address space"]) < 20 << 30
    assert int(values["Max cpu time"]) < 60 + picture_process.CPU_LIMIT_S


@pytest.mark.slow
def test_a_large_picture_of_few_bytes_is_read_in_bounded_time(process):
    content = written(Image.fromarray(np.zeros((7060, 7060, 3), np.uint8)), "WEBP")
    assert len(content) < 100_000
    seen = process.read(content)
    assert (seen.width, seen.height) == (7060, 7060)


def test_an_unusable_model_is_named():
    with pytest.raises(DetectorError, match="There is no model 'nothing'"):
        PictureProcess("nothing", "cpu")


def test_it_ends_with_its_owner():
    made = PictureProcess(None, "cpu")
    child = made._process
    made.interrupt()
    made.close()
    assert child.returncode is not None
