"""The public names, and photographs turned into faces."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import training
from detector.emotion.preprocessing import CropGeometry
from detector.image_analysis import FaceCutter
from detector.sources.video_source import DEMO_VIDEO


def test_every_public_name_exists_and_an_unknown_one_is_refused() -> None:
    for name in training.__all__:
        assert getattr(training, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'cheat'"):
        training.cheat  # noqa: B018 (the access is the test)


def test_the_package_switches_on_fast_convolutions_and_imports_nothing_heavy() -> None:
    script = (
        "import os, sys, training; "
        "assert os.environ['TF_ENABLE_ONEDNN_OPTS'] == '1'; "
        "assert not {'keras', 'tensorflow', 'cv2'} & set(sys.modules), sorted(sys.modules)"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, timeout=300)


def test_training_needs_no_tensorflow() -> None:
    """On a GPU machine there may be only Keras with JAX or PyTorch."""
    script = """
import builtins
imported = builtins.__import__
def checked(name, names=None, *rest, **others):
    ours = (names or {}).get("__name__", "").split(".")[0] in {"training", "detector", "tools"}
    assert not ours or name.split(".")[0] not in {"tensorflow", "mediapipe", "ai_edge_litert"}
    return imported(name, names, *rest, **others)
builtins.__import__ = checked
import training.run, tools.shipped_model
from training.architectures import find_architecture
find_architecture("wide").build({"votes": 8}, side_px=24, widths=(8, 8, 8))
"""
    root = Path(training.__file__).parents[1]
    subprocess.run([sys.executable, "-c", script], cwd=root, check=True, timeout=300)


@pytest.mark.slow
def test_the_training_loop_does_not_import_tensorflow_itself() -> None:
    """Under another backend nothing of TensorFlow is loaded."""
    pytest.importorskip("jax", reason="JAX, the other backend, is not installed")
    script = (
        "import sys, training.run, tools.shipped_model; "
        "assert not [name for name in sys.modules if name.split('.')[0] == 'tensorflow']"
    )
    subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(training.__file__).parents[1],
        env=os.environ | {"KERAS_BACKEND": "jax"},
        check=True,
        timeout=300,
    )


def test_a_photograph_becomes_the_face_that_the_camera_would_cut_out() -> None:
    video = cv2.VideoCapture(str(DEMO_VIDEO))
    read, image = video.read()
    video.release()
    assert read
    with FaceCutter(CropGeometry(48)) as cutter:
        face = cutter.largest(image)
        assert face is not None
        assert face.shape == (48, 48)
        assert face.dtype == np.uint8
        assert face.std() > 20
        assert cutter.largest(np.full((240, 320, 3), 128, np.uint8)) is None
