"""Networks without a card: what their file does not say, and what cannot be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.emotion.classifier import classify, load_classifier
from detector.emotion.labels import EMOTIONS
from detector.emotion.own_network import LABEL_ORDERS, OwnModel
from detector.errors import ModelLoadError

keras = pytest.importorskip("keras")


def network(
    side: int = 48, channels: int = 1, outputs: int = 7, activation: str | None = "softmax"
) -> Any:
    """A network whose output n is large where the picture is n / 10 bright."""
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((side, side, channels)),
            layers.GlobalAveragePooling2D(),
            layers.Dense(outputs, activation=activation, name="out"),
        ]
    )
    places = np.arange(outputs) / 10
    kernel = np.tile(40 * places, (channels, 1)) / channels
    model.get_layer("out").set_weights([kernel, -20 * places**2])
    return model


@pytest.fixture(scope="module")
def h5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own") / "emotion_model.h5"
    network().save(path)
    return path


def faces(brightness: float, side: int = 48) -> np.ndarray:
    return np.full((3, side, side), round(255 * brightness), np.uint8)


@pytest.mark.parametrize("order", ["fer2013", "alphabetical"])
def test_an_h5_file_with_its_labels(h5: Path, order: str) -> None:
    found = load_classifier(h5, own=OwnModel(order))
    assert found.card.labels == LABEL_ORDERS[order]
    assert (found.card.name, found.card.input_side_px) == ("emotion_model", 48)
    for place in (1, 3, 5):
        shares = classify(found, faces(place / 10))
        assert shares.shape == (3, 7)
        np.testing.assert_allclose(shares.sum(axis=1), 1)
        assert shares.argmax(axis=1).tolist() == [place] * 3
    assert found.logits(faces(0)[:0]).shape == (0, 7)


def test_labels_must_be_named(h5: Path) -> None:
    with pytest.raises(
        ModelLoadError,
        match=r"has 7 outputs, but no card .*: expected --model-labels with one of fer2013 \(angry, "
        r"disgust, fear, happy, sad, surprise, neutral\); alphabetical \(angry, .*\), or 7 names",
    ):
        load_classifier(h5, own=OwnModel())
    for wrong in ("happy,sad", "a,a,b,c,d,e,f", "ferplus"):
        with pytest.raises(ModelLoadError, match="expected --model-labels with 7 different names"):
            load_classifier(h5, own=OwnModel(wrong))
    with pytest.raises(ModelLoadError, match="has no card"):
        load_classifier(h5)


@pytest.mark.parametrize(("pixels", "place"), [("0-1", 4), ("-1-1", 0), ("0-255", 6), ("auto", 4)])
def test_pixels_are_scaled_as_asked(h5: Path, pixels: Any, place: int) -> None:
    found = load_classifier(h5, own=OwnModel("fer2013", pixels))
    assert classify(found, faces(0.4)).argmax(axis=1).tolist() == [place] * 3


def test_colour_logits_and_a_network_that_scales_itself(tmp_path: Path) -> None:
    inner = network(64, 3, 2, None)
    path = tmp_path / "mood.keras"
    keras.Sequential(
        [keras.layers.Input((64, 64, 3)), keras.layers.Rescaling(1 / 255), inner]
    ).save(path)
    found = load_classifier(path, own=OwnModel("calm, glad"))
    assert found.card.labels == ("calm", "glad")
    logits = found.logits(faces(1.0, 64))
    np.testing.assert_allclose(logits, np.tile([0, 4 - 0.2], (3, 1)), atol=1e-4)


def old_file(path: Path) -> Path:
    """Write what Keras 2 wrote: HDF5 with its words for input, types and axes."""
    h5py = pytest.importorskip("h5py")
    dense = network().get_layer("out").get_weights()
    layers = [
        {
            "class_name": "BatchNormalization",
            "config": {
                "name": "norm",
                "trainable": True,
                "batch_input_shape": [None, 48, 48, 1],
                "dtype": "float32",
                "axis": [3],
                "momentum": 0.99,
                "epsilon": 1e-3,
                "center": True,
                "scale": True,
                "beta_initializer": {"class_name": "Zeros", "config": {}},
                "gamma_initializer": {"class_name": "Ones", "config": {}},
                "moving_mean_initializer": {"class_name": "Zeros", "config": {}},
                "moving_variance_initializer": {"class_name": "Ones", "config": {}},
                "beta_regularizer": None,
                "gamma_regularizer": None,
                "beta_constraint": None,
                "gamma_constraint": None,
            },
        },
        {
            "class_name": "GlobalAveragePooling2D",
            "config": {
                "name": "pool",
                "trainable": True,
                "dtype": "float32",
                "data_format": "channels_last",
            },
        },
        {
            "class_name": "Dense",
            "config": {
                "name": "out",
                "trainable": True,
                "dtype": "float32",
                "units": 7,
                "activation": "softmax",
                "use_bias": True,
                "kernel_initializer": {
                    "class_name": "VarianceScaling",
                    "config": {
                        "scale": 1.0,
                        "mode": "fan_avg",
                        "distribution": "uniform",
                        "seed": None,
                    },
                },
                "bias_initializer": {"class_name": "Zeros", "config": {}},
                "kernel_regularizer": None,
                "bias_regularizer": None,
                "activity_regularizer": None,
                "kernel_constraint": None,
                "bias_constraint": None,
            },
        },
    ]
    config = {"class_name": "Sequential", "config": {"name": "sequential_1", "layers": layers}}
    norm = [np.ones(1), np.zeros(1), np.zeros(1), np.full(1, 0.999)]
    weights = {
        "norm": dict(zip(("gamma", "beta", "moving_mean", "moving_variance"), norm, strict=True)),
        "pool": {},
        "out": dict(zip(("kernel", "bias"), dense, strict=True)),
    }
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = b"2.2.4", b"tensorflow"
        file.attrs["model_config"] = json.dumps(config).encode()
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in weights]
        group.attrs["backend"], group.attrs["keras_version"] = b"tensorflow", b"2.2.4"
        for layer, arrays in weights.items():
            part = group.create_group(layer)
            names = [f"{layer}/{name}:0" for name in arrays]
            part.attrs["weight_names"] = [name.encode() for name in names]
            for name, array in zip(names, arrays.values(), strict=True):
                part.create_dataset(name, data=np.asarray(array, np.float32))
    return path


def test_a_file_of_an_old_keras(tmp_path: Path) -> None:
    found = load_classifier(old_file(tmp_path / "old.hdf5"), own=OwnModel("fer2013"))
    assert classify(found, faces(0.3)).argmax(axis=1).tolist() == [EMOTIONS.index("happy")] * 3


def test_what_cannot_be_used_is_said(tmp_path: Path) -> None:
    weights = tmp_path / "only.weights.h5"
    network().save_weights(weights)
    with pytest.raises(ModelLoadError, match="holds weights without their network"):
        load_classifier(weights, own=OwnModel("fer2013"))
    (tmp_path / "text.h5").write_bytes(b"not a model" * 50)
    with pytest.raises(
        ModelLoadError, match=r"is not a Keras model: expected a \.keras file, or an \.h5"
    ):
        load_classifier(tmp_path / "text.h5", own=OwnModel("fer2013"))
    flat = keras.Sequential([keras.layers.Input((10,)), keras.layers.Dense(7)])
    flat.save(tmp_path / "flat.keras")
    with pytest.raises(ModelLoadError, match=r"takes input of shape \(None, 10\): expected one"):
        load_classifier(tmp_path / "flat.keras", own=OwnModel("fer2013"))
    picture = keras.Sequential([keras.layers.Input((48, 48, 1)), keras.layers.Conv2D(3, 3)])
    picture.save(tmp_path / "picture.keras")
    with pytest.raises(ModelLoadError, match=r"gives output of shape .*: expected one number for"):
        load_classifier(tmp_path / "picture.keras", own=OwnModel("fer2013"))


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "lambda.h5"
    model = keras.Sequential(
        [
            keras.layers.Input((48, 48, 1)),
            keras.layers.Lambda(lambda x: x * 2),
            keras.layers.Flatten(),
            keras.layers.Dense(7),
        ]
    )
    model.save(path)
    with pytest.raises(ModelLoadError, match=r"is not a Keras model"):
        load_classifier(path, own=OwnModel("fer2013"))
