"""Every architecture: its parts, what it gives, whether it learns, and whether a file brings it
back.

Tests every module of `training.architectures`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from training.architectures import ARCHITECTURES, compact, find_architecture, vgg16
from training.errors import TrainingError
from training.fit.trainer import TrainingSettings

HEADS = {"votes": 8, "original": 7}
SMALL: dict[str, dict[str, Any]] = {
    "compact": {"side_px": 24, "widths": (8, 8, 8), "blocks": (1, 1, 1)},
    "wide": {"side_px": 24, "widths": (8, 8, 8), "blocks": (1, 1, 1)},
    "sequential": {"side_px": 24, "units": 16},
    "alexnet": {"side_px": 67, "widths": (8, 8, 8, 8, 8), "units": 16},
    "vgg16": {"side_px": 32, "units": 16, "weights": None},
}
"""The same layers at a size that tests can afford."""


ONE_QUICK = [
    "compact",
    *(pytest.param(name, marks=pytest.mark.slow) for name in ARCHITECTURES if name != "compact"),
]


def small(name: str, **options: Any) -> keras.Model:
    keras.utils.set_random_seed(1)
    return find_architecture(name).build(HEADS, **(SMALL[name] | options))


def kinds(network: keras.Model) -> list[str]:
    return [type(layer).__name__ for layer in network.layers]


def grey(faces: Callable[..., np.ndarray], count: int, side_px: int) -> np.ndarray:
    """Pictures of any size, cut or repeated from smooth ones."""
    pictures = np.tile(faces(count), (1, 2, 2))[:, :side_px, :side_px]
    return pictures[..., None].astype(np.float32)


def outputs_of(network: keras.Model, pictures: np.ndarray) -> dict[str, np.ndarray]:
    return {name: np.asarray(values) for name, values in network(pictures, training=False).items()}


def test_all_are_known_by_name() -> None:
    assert list(ARCHITECTURES) == ["compact", "wide", "sequential", "alexnet", "vgg16"]
    assert find_architecture("alexnet") is ARCHITECTURES["alexnet"]
    assert [name for name, architecture in ARCHITECTURES.items() if architecture.pretrained] == [
        "vgg16"
    ]
    assert {name: each.input_side_px for name, each in ARCHITECTURES.items()} == {
        "compact": 48,
        "wide": 48,
        "sequential": 48,
        "alexnet": 227,
        "vgg16": 48,
    }


@pytest.mark.parametrize(
    ("name", "hint"),
    [("AlexNet", "; did you mean alexnet\\?"), ("vgg", "; did you mean vgg16\\?"), ("mlp", r"\.$")],
)
def test_an_unknown_name_is_answered_with_the_known_ones(name: str, hint: str) -> None:
    expected = f"Unknown architecture '{name}': expected one of compact, wide, sequential, alexnet, vgg16{hint}"
    with pytest.raises(TrainingError, match=expected):
        find_architecture(name)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_recipe_ends_at_the_size_the_network_is_made_for(name: str) -> None:
    architecture = find_architecture(name)
    assert isinstance(architecture.recipe(), TrainingSettings)
    assert architecture.recipe().stages[-1].side_px == architecture.input_side_px
    assert architecture.recipe().optimizer == ("sgd" if name in {"compact", "wide"} else "adam")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_head_is_a_dense_layer_on_shared_features(name: str) -> None:
    network = small(name)
    assert network.name == name
    assert sorted(network.output_names) == sorted(HEADS)
    heads = [network.get_layer(head) for head in HEADS]
    assert all(
        isinstance(head, layers.Dense) and head.dtype_policy.name == "float32" for head in heads
    )
    assert heads[0].input is heads[1].input
    shapes = {
        head: values.shape
        for head, values in outputs_of(network, np.zeros((2, *network.input_shape[1:]))).items()
    }
    assert shapes == {"votes": (2, 8), "original": (2, 7)}
    assert not any(isinstance(layer, keras.Model | layers.Lambda) for layer in network.layers)


@pytest.mark.parametrize("name", ONE_QUICK)
def test_a_few_steps_lower_the_loss(name: str, faces: Callable[..., np.ndarray]) -> None:
    network = small(name, dropout=0.0)
    pictures = grey(faces, 8, network.input_shape[1])
    targets = {
        head: np.eye(classes, dtype=np.float32)[np.arange(8) % classes]
        for head, classes in HEADS.items()
    }
    loss = {head: keras.losses.CategoricalCrossentropy(from_logits=True) for head in HEADS}
    network.compile(
        optimizer=keras.optimizers.Adam(1e-3), loss=loss, jit_compile=False, run_eagerly=True
    )
    losses = [float(network.train_on_batch(pictures, targets)[0]) for _ in range(6)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", ONE_QUICK)
def test_a_file_brings_the_same_numbers_back(
    name: str, tmp_path: Path, faces: Callable[..., np.ndarray]
) -> None:
    network = small(name)
    network.save(tmp_path / "kept.keras")
    again = keras.saving.load_model(tmp_path / "kept.keras", safe_mode=True)
    pictures = grey(faces, 3, network.input_shape[1])
    after = outputs_of(again, pictures)
    for head, before in outputs_of(network, pictures).items():
        assert before.std() > 0
        np.testing.assert_allclose(after[head], before, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("name", "smallest"), [("sequential", 8), ("alexnet", 67), ("vgg16", 32)])
def test_a_picture_too_small_for_the_poolings_is_refused(name: str, smallest: int) -> None:
    small(name, side_px=smallest)
    expected = f"The architecture {name} cannot take pictures of {smallest - 1} px: expected a side of {smallest} px or more"
    with pytest.raises(TrainingError, match=expected):
        small(name, side_px=smallest - 1)


@pytest.mark.parametrize("name", ["compact", "wide", "sequential", "alexnet"])
def test_brightness_and_contrast_of_the_picture_do_not_matter(
    name: str, faces: Callable[..., np.ndarray]
) -> None:
    network = small(name)
    pictures = grey(faces, 2, network.input_shape[1])
    darker = outputs_of(network, 40 + pictures / 2)
    for head, before in outputs_of(network, pictures).items():
        np.testing.assert_allclose(darker[head], before, rtol=0.02, atol=0.02)


def test_wide_is_compact_with_more_of_everything() -> None:
    small_one, large_one = (
        find_architecture(name).build({"votes": 8}, side_px=24) for name in ("compact", "wide")
    )
    layers = {layer.name for layer in small_one.layers}
    assert layers < {layer.name for layer in large_one.layers}
    assert large_one.count_params() > 1.9 * small_one.count_params()


def test_compact_takes_any_size_with_the_same_weights() -> None:
    shapes = [
        [
            tuple(weight.shape)
            for weight in compact.build(HEADS, side_px=side, widths=(8, 8, 8)).weights
        ]
        for side in (32, 48)
    ]
    assert shapes[0] == shapes[1]


def test_sequential_is_one_line_of_the_named_layers() -> None:
    network = small("sequential")
    assert {"Conv2D", "BatchNormalization", "MaxPooling2D", "Dropout", "Flatten", "Dense"} <= set(
        kinds(network)
    )
    line, heads = network.layers[1:-2], network.layers[-2:]
    for before, after in pairwise([*line, heads[0]]):
        assert after.input is before.output
    assert {head.name for head in heads} == set(HEADS)


def test_alexnet_has_five_convolutions_and_three_dense_layers() -> None:
    network = find_architecture("alexnet").build({"emotions": 7}, **SMALL["alexnet"])
    assert kinds(network).count("Conv2D") == 5
    assert kinds(network).count("Dense") == 3
    assert kinds(network).count("Dropout") == 2
    assert kinds(network).count("BatchNormalization") == 5
    rectified = [
        layer
        for layer in network.layers
        if getattr(layer, "activation", None) is keras.activations.relu
    ]
    assert kinds(network).count("ReLU") + len(rectified) == 7


@pytest.mark.slow
def test_alexnet_at_its_published_size() -> None:
    network = find_architecture("alexnet").build({"emotions": 7})
    assert network.input_shape == (None, 227, 227, 1)
    assert network.get_layer("pool5").output.shape == (None, 6, 6, 256)
    widths = [network.get_layer(f"conv{number}").filters for number in range(1, 6)]
    assert widths == [96, 256, 384, 384, 256]
    assert [network.get_layer(f"dense{number}").units for number in (6, 7)] == [4096, 4096]


@pytest.mark.slow
def test_vgg16_with_weights_learns_nothing_but_its_classifier(
    published: keras.Model, tmp_path: Path
) -> None:
    published.save_weights(tmp_path / "features.weights.h5")
    network = small("vgg16", weights=tmp_path / "features.weights.h5")
    assert kinds(network).count("Conv2D") == 13
    learnt = {variable.path.split("/")[0] for variable in network.trainable_variables}
    assert learnt == {"dense", "dense_norm", "votes", "original"}
    after = kinds(network)[kinds(network).index("Flatten") :]
    assert after == ["Flatten", "Dense", "BatchNormalization", "Dropout", "Dense", "Dense"]


def test_vgg16_from_scratch_learns_all_of_it_more_slowly() -> None:
    learnt = {variable.path.split("/")[0] for variable in small("vgg16").trainable_variables}
    assert len(learnt) == 13 + 4
    vgg16 = find_architecture("vgg16")
    assert vgg16.recipe("none").peak_learning_rate < vgg16.recipe().peak_learning_rate
    assert vgg16.recipe("imagenet") == vgg16.recipe()


def test_vgg16_sees_grey_as_the_published_weights_expect_it() -> None:
    network = small("vgg16")
    seen = keras.Model(network.input, network.get_layer("mean_subtracted").output)
    picture = np.full((1, 32, 32, 1), 128, dtype=np.float32)
    expected = keras.applications.vgg16.preprocess_input(np.repeat(picture, 3, axis=3))
    np.testing.assert_allclose(np.asarray(seen(picture)), expected, atol=1e-4)


def test_random_features_keep_the_signal() -> None:
    network = small("vgg16")
    deep = keras.Model(network.input, network.get_layer("block5_conv3").output)
    noise = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 1)).astype(np.float32)
    assert 1 < float(np.asarray(deep(noise)).std()) < 1000


@pytest.fixture(scope="module")
def published() -> keras.Model:
    """Stands for the published convolutions: the same network, other numbers."""
    keras.utils.set_random_seed(2)
    return keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))


def check_features(network: keras.Model, published: keras.Model) -> None:
    for layer in published.layers:
        for kept, weight in (
            zip(network.get_layer(layer.name).weights, layer.weights, strict=True)
            if layer.weights
            else ()
        ):
            np.testing.assert_array_equal(np.asarray(kept), np.asarray(weight))


@pytest.mark.slow
def test_vgg16_from_a_file_of_keras_3(published: keras.Model, tmp_path: Path) -> None:
    file = tmp_path / "features.weights.h5"
    published.save_weights(file)
    check_features(small("vgg16", weights=file), published)


def write_notop(model: keras.Model, file: Path) -> None:
    """In the older form of the weights that Keras publishes: one group a layer, names in
    attributes.
    """
    with h5py.File(file, "w") as out:
        out.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        out.attrs["keras_version"] = b"2.0.0"
        for layer in model.layers:
            group = out.create_group(layer.name)
            names = [f"{layer.name}/{weight.name}:0" for weight in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, layer.weights, strict=True):
                group.create_dataset(name, data=np.asarray(weight))


def test_vgg16_from_the_published_form(published: keras.Model, tmp_path: Path) -> None:
    write_notop(published, tmp_path / vgg16.WEIGHTS_FILE)
    check_features(small("vgg16", weights=str(tmp_path / vgg16.WEIGHTS_FILE)), published)


def test_imagenet_weights_come_from_keras_cache(
    published: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / vgg16.WEIGHTS_FILE
    write_notop(published, file)
    asked: dict[str, Any] = {}

    def get_file(name: str, origin: str, **options: Any) -> str:
        asked.update(name=name, origin=origin, timeout=socket.getdefaulttimeout(), **options)
        return str(file)

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    check_features(small("vgg16", weights="imagenet"), published)
    assert asked["name"] == vgg16.WEIGHTS_FILE
    assert asked["origin"].endswith(vgg16.WEIGHTS_FILE)
    assert asked["file_hash"] == "6d6bbae143d832006294945121d1f1fc"
    # A silent server ends the attempt, and nothing else in the process is hurried.
    assert asked["timeout"] == 15.0
    assert socket.getdefaulttimeout() is None


def test_without_a_network_it_is_said_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def get_file(_name: str, origin: str, **_options: Any) -> str:
        print(f"Downloading data from {origin}")  # noqa: T201 (as Keras does)
        raise Exception(
            f"URL fetch failure on {origin}: None -- [Errno -2] Name or service not known"
        )

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    with pytest.raises(TrainingError) as caught:
        small("vgg16", weights="imagenet")
    assert str(caught.value) == (
        "The ImageNet weights of VGG16 could not be fetched ([Errno -2] Name or service not known): fetch "
        f"{vgg16.WEIGHTS_URL} on a machine that reaches it and name the file, --weights {vgg16.WEIGHTS_FILE}; or train without them, --weights none."
    )
    # Standard output may be a JSON document.
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_weights_that_are_not_there_or_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(
        TrainingError,
        match=r"There are no weights at .*gone\.h5: expected a file such as vgg16_weights",
    ):
        small("vgg16", weights=tmp_path / "gone.h5")
    (tmp_path / "text.h5").write_text("not weights")
    with pytest.raises(
        TrainingError,
        match=r"text\.h5 does not hold the convolutions of VGG16: expected vgg16_weights",
    ):
        small("vgg16", weights=tmp_path / "text.h5")
    write_notop(small("sequential"), tmp_path / "other.h5")
    with pytest.raises(TrainingError, match=r"other\.h5 does not hold the convolutions of VGG16"):
        small("vgg16", weights=tmp_path / "other.h5")
    small("sequential").save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(
        TrainingError, match=r"other\.weights\.h5 does not hold the convolutions of VGG16"
    ):
        small("vgg16", weights=tmp_path / "other.weights.h5")
