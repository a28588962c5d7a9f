"""Fine-tuning: which weights a fresh network gets, and when it is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import pytest

from detector.emotion.labels import EMOTIONS
from tests.helpers.classifiers import write_card
from training.architectures import compact, sequential
from training.datasets.labels import Head
from training.errors import TrainingError
from training.fit.transfer import Transfer, start_from

pytestmark = pytest.mark.slow  # whatever makes, trains or converts whole networks

NARROW = (8, 8, 16)


def head(name: str, labels: Sequence[str]) -> Head:
    classes = len(labels)
    return Head(
        name, tuple(labels), np.full((1, classes), 1 / classes, np.float32), np.ones(1, bool)
    )


def fresh(heads: dict[str, int], seed: int = 9, widths: tuple[int, ...] = NARROW) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return compact.build(heads, side_px=24, widths=widths)


def add_card(model: Path, architecture: str | None, labels: Sequence[str] = EMOTIONS) -> None:
    training = {} if architecture is None else {"architecture": architecture}
    write_card(model, labels=tuple(labels), input_side_px=24, training=training)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, keras.Model]:
    """A trained model as it is served: one output, `emotions`, on the features of the network."""
    network = fresh({"votes": 8}, seed=4)
    for layer in network.layers:  # as after training: nothing stands at its start
        layer.set_weights([weight + 0.1 for weight in layer.get_weights()])
    output = keras.layers.Dense(7, name="emotions")(network.get_layer("votes").input)
    model = keras.Model(network.input, output, name="own-1")
    path = tmp_path_factory.mktemp("served") / "own-1.keras"
    model.save(path)
    add_card(path, "compact")
    return path, model


def same(one: keras.Model, other: keras.Model, layer: str) -> bool:
    pairs = zip(
        one.get_layer(layer).get_weights(), other.get_layer(layer).get_weights(), strict=True
    )
    return all(np.array_equal(first, second) for first, second in pairs)


def test_the_network_gives_the_same_numbers(
    served: tuple[Path, keras.Model], faces: Callable[..., np.ndarray]
) -> None:
    path, trained = served
    network = fresh({"mine": 7})
    transfer = start_from(network, path, head("mine", EMOTIONS))
    assert transfer.left == ()
    assert {"stem", "stem_norm", "stage3_block2_second", "mine"} <= set(transfer.copied)
    assert transfer.labels == EMOTIONS
    pictures = faces(3)[:, :24, :24, None].astype(np.float32)
    np.testing.assert_allclose(
        np.asarray(network(pictures)["mine"]), np.asarray(trained(pictures)), atol=1e-5
    )
    assert str(transfer) == f"{len(transfer.copied)} layers start from trained weights"


def test_without_the_labels_the_outputs_start_fresh(served: tuple[Path, keras.Model]) -> None:
    path, trained = served
    network = fresh({"emotions": 7})
    before = network.get_layer("emotions").get_weights()
    transfer = start_from(network, path)
    assert (transfer.left, transfer.labels) == (("emotions",), ())
    assert same(network, trained, "stem")
    np.testing.assert_array_equal(network.get_layer("emotions").get_weights()[0], before[0])
    assert str(transfer).endswith("; fresh: emotions")


@pytest.mark.parametrize(
    "labels", [("happy", "sad"), (*EMOTIONS, "contempt"), ("bored", "happy", "neutral")]
)
def test_shared_classes_start_from_what_is_known_of_them(
    served: tuple[Path, keras.Model], labels: tuple[str, ...]
) -> None:
    path, trained = served
    kernel, bias = trained.get_layer("emotions").get_weights()
    network = fresh({"mine": len(labels), "second": 3})
    untouched = network.get_layer("mine").get_weights()[0]
    transfer = start_from(network, path, head("mine", labels))
    assert transfer.labels == tuple(label for label in labels if label in EMOTIONS)
    assert "mine" in transfer.copied
    assert transfer.left == ("second",)
    new_kernel, new_bias = network.get_layer("mine").get_weights()
    for column, label in enumerate(labels):
        if label in EMOTIONS:
            np.testing.assert_array_equal(new_kernel[:, column], kernel[:, EMOTIONS.index(label)])
            assert new_bias[column] == bias[EMOTIONS.index(label)]
        else:
            np.testing.assert_array_equal(new_kernel[:, column], untouched[:, column])
            assert bias.min() - 1e-6 <= new_bias[column] <= bias.max() + 1e-6


def test_labels_that_the_model_does_not_know_start_fresh(served: tuple[Path, keras.Model]) -> None:
    transfer = start_from(fresh({"mine": 2}), served[0], head("mine", ("bored", "keen")))
    assert (transfer.left, transfer.labels) == (("mine",), ())


def test_a_model_inside_a_model_is_looked_into(
    served: tuple[Path, keras.Model], tmp_path: Path
) -> None:
    _, trained = served
    inputs = keras.Input((24, 24, 1))
    path = tmp_path / "nested.keras"
    keras.Model(inputs, trained(inputs)).save(path)
    add_card(path, "compact")
    network = fresh({"mine": 7})
    assert "stem" in start_from(network, path).copied
    assert same(network, trained, "stem")


def test_another_architecture_is_refused_by_its_card(served: tuple[Path, keras.Model]) -> None:
    network = sequential.build({"mine": 7}, side_px=24, units=8)
    expected = "own-1 is a network of the architecture compact, this run trains sequential; choose --architecture compact"
    with pytest.raises(TrainingError, match=expected):
        start_from(network, served[0])


def test_a_network_of_other_widths_is_refused_and_left_as_it_was(
    served: tuple[Path, keras.Model],
) -> None:
    network = fresh({"mine": 7}, widths=(9, 10, 17))
    before = network.get_weights()
    with pytest.raises(
        TrainingError,
        match=r"only [1-9]\d* of \d+ layers of compact have a namesake of the same shape",
    ):
        start_from(network, served[0])
    for one, other in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_model_without_a_card_or_with_a_wrong_one_is_refused(
    served: tuple[Path, keras.Model], tmp_path: Path
) -> None:
    bare = tmp_path / "bare.keras"
    bare.write_bytes(served[0].read_bytes())
    with pytest.raises(TrainingError, match=r"Fine-tuning cannot start: .*bare\.keras has no card"):
        start_from(fresh({"mine": 7}), bare)
    bare.with_suffix(".json").write_text(served[0].with_suffix(".json").read_text())
    bare.write_bytes(b"damaged")
    with pytest.raises(TrainingError, match="is not the one its card describes"):
        start_from(fresh({"mine": 7}), bare)


def test_a_transfer_says_what_is_fresh() -> None:
    assert (
        str(Transfer(("stem",), ("votes", "original")))
        == "1 layers start from trained weights; fresh: votes, original"
    )


def test_other_heads_start_from_the_models_beside_it(
    served: tuple[Path, keras.Model], tmp_path: Path
) -> None:
    path, trained = served
    for source in (path, path.with_suffix(".json")):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    second = keras.models.clone_model(trained)
    second.set_weights([weight + 1 for weight in trained.get_weights()])
    beside = tmp_path / "own-1-original.keras"
    second.save(beside)
    add_card(beside, "compact")
    heads = (head("mine", EMOTIONS), head("original", EMOTIONS), head("third", EMOTIONS))
    network = fresh({"mine": 7, "original": 7, "third": 7})
    transfer = start_from(network, tmp_path / path.name, heads[0], heads[1:])
    assert transfer.left == ("third",)
    assert same(network, trained, "stem")
    for name, source in (("mine", trained), ("original", second)):
        for mine, theirs in zip(
            network.get_layer(name).get_weights(),
            source.get_layer("emotions").get_weights(),
            strict=True,
        ):
            np.testing.assert_array_equal(mine, theirs)
