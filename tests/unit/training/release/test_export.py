"""What is shipped: the network without contempt, its calibration, and files that belong together.

Also tests `training.release.card_text`, with `test_card_text.py` for the shipped cards.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from detector.emotion.classifier import classify, load_classifier, load_network
from detector.emotion.labels import EMOTIONS
from detector.emotion.model_card import read_card, sha256_of
from detector.emotion.prevalence import calibration_of
from training.datasets.faces import VOTE_LABELS, FaceDataset
from training.datasets.labels import Head
from training.errors import DatasetError
from training.evaluation.evaluate import evaluate
from training.evaluation.robustness import CONDITIONS
from training.fit.augmentation import plain
from training.release import export as module
from training.release.card_text import FER2013_LICENCES, OTHER_LICENCES, card_text
from training.release.export import NetworkClassifier, TrainedNetwork, export, serving_network

pytestmark = pytest.mark.slow  # whatever makes, trains or converts whole networks

SIDE = 48
NO_ROWS = np.zeros((0, 0), np.float32), np.zeros(0, np.bool_)
VOTES, ORIGINAL = Head("votes", VOTE_LABELS, *NO_ROWS), Head("original", EMOTIONS, *NO_ROWS)
HISTORY = [
    {
        "epoch": epoch,
        "side_px": 48,
        "loss": 2.0,
        "votes_loss": 1.5,
        "votes_accuracy": 0.4,
        "val_loss": 1 / epoch,
        "val_accuracy": 0.5,
    }
    for epoch in (1, 2)
]
FACTS = {
    "data": "random faces",
    "rows": {"training": 1234, "twins_left_out": 5},
    "reading": ["1,239 rows read, 0 left out."],
    "settings": {"seed": np.int64(4), "stages": (1, 2)},
    "where": Path("somewhere"),
}


def tiny(heads: dict[str, int], *, seed: int = 3, side_px: int = SIDE) -> keras.Model:
    """Every kind of layer that the compact network starts and ends with, and little between."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((side_px, side_px, 1))
    x = keras.layers.LayerNormalization(axis=[1, 2, 3], center=False, scale=False, epsilon=1.0)(
        inputs
    )
    x = keras.layers.Conv2D(
        6, 5, strides=3, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-4)
    )(x)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.BatchNormalization()(x))
    x = keras.layers.Dropout(0.2)(x)
    # Fresh networks say almost the same of every face; sharper outputs leave something to compare
    # and to calibrate.
    sharp = keras.initializers.RandomNormal(stddev=10, seed=seed)
    outputs = {
        name: keras.layers.Dense(classes, name=name, dtype="float32", kernel_initializer=sharp)(x)
        for name, classes in heads.items()
    }
    return keras.Model(inputs, outputs, name="tiny-net")


@pytest.fixture(scope="module")
def trained() -> keras.Model:
    return tiny({"votes": len(VOTE_LABELS), "original": len(EMOTIONS)})


@pytest.fixture(scope="module")
def exported(
    tmp_path_factory: pytest.TempPathFactory,
    trained: keras.Model,
    dataset: Callable[..., FaceDataset],
) -> tuple[Path, FaceDataset]:
    validation = dataset(70, 4, "PublicTest")
    folder = tmp_path_factory.mktemp("exported") / "made" / "on the way"
    model = export(
        TrainedNetwork(trained, (VOTES, ORIGINAL), EMOTIONS, FACTS, history=HISTORY),
        folder,
        "tiny",
        validation,
        h5=True,
    )
    return model, validation


def test_the_serving_network_is_the_votes_head_without_contempt(
    trained: keras.Model, faces: Callable[..., np.ndarray]
) -> None:
    network = serving_network(trained, VOTES, EMOTIONS)
    pictures = plain(faces(9), SIDE)
    votes = np.asarray(trained(pictures)["votes"])
    np.testing.assert_allclose(np.asarray(network(pictures)), votes[:, :7], atol=1e-4)
    assert VOTE_LABELS[:7] == EMOTIONS
    assert (network.name, network.output_names, network.output_shape) == (
        "tiny-net",
        ["emotions"],
        (None, 7),
    )


def test_some_labels_in_another_order(
    trained: keras.Model, faces: Callable[..., np.ndarray]
) -> None:
    pictures = plain(faces(9), SIDE)
    network = serving_network(trained, ORIGINAL, ("sad", "happy"))
    original = np.asarray(trained(pictures)["original"])
    columns = [EMOTIONS.index("sad"), EMOTIONS.index("happy")]
    np.testing.assert_allclose(np.asarray(network(pictures)), original[:, columns], atol=1e-4)


def test_half_precision_is_left_behind(faces: Callable[..., np.ndarray]) -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        trained = tiny({"votes": 8})
    finally:
        keras.config.set_dtype_policy("float32")
    network = serving_network(trained, VOTES, EMOTIONS)
    assert {layer.compute_dtype for layer in network.layers} == {"float32"}
    pictures = plain(faces(5), SIDE)
    half = np.asarray(trained(pictures)["votes"])[:, :7]
    np.testing.assert_allclose(np.asarray(network(pictures)), half, atol=0.1 * np.abs(half).max())
    assert [weight.shape for weight in network.get_weights()][-1] == (7,)


def test_all_files_are_there_and_belong_together(exported: Any) -> None:
    model, _ = exported
    figures = [
        f"{kind}{which}.png"
        for kind in ("conditions", "confusion", "per_class", "reliability")
        for which in ("", "-original")
    ]
    assert sorted(file.name for file in model.parent.iterdir()) == sorted(
        [
            *figures,
            "curves.png",
            "scores.json",
            *(f"tiny.{ending}" for ending in ("h5", "json", "keras", "md", "tflite")),
            *(f"tiny-original.{ending}" for ending in ("h5", "json", "keras", "md")),
        ]
    )
    card = read_card(model)
    assert (card.name, card.labels, card.input_side_px) == ("tiny", EMOTIONS, SIDE)
    assert (card.crop_scale, card.crop_raise) == (1.18, 0.10)
    assert card.sha256 == sha256_of(model)
    assert card.twin_sha256 == sha256_of(model.with_suffix(".tflite"))
    assert card.temperature > 0
    assert 0 <= card.uncertain_below <= 1
    second = read_card(model.with_name("tiny-original.keras"))
    assert (second.name, second.labels, second.twin_sha256) == ("tiny-original", EMOTIONS, "")


def test_the_card_tells_where_the_model_came_from(exported: Any) -> None:
    model, validation = exported
    card = read_card(model)
    assert card.training["data"] == "random faces"
    assert card.training["settings"] == {"seed": 4, "stages": [1, 2]}
    assert (card.training["architecture"], card.training["where"]) == ("tiny-net", "somewhere")
    assert card.training["parameters"] > 0
    assert card.training["twin_difference"] < 1e-3
    assert card.training["calibrated_on"] == "PublicTest, 70 rows"
    assert {"keras", "tensorflow", "numpy", "python", "backend"} <= set(card.training["versions"])
    assert list(card.scores) == [
        f"PublicTest, {name}" for name in ("majority", "plurality", "original", "happy-sad")
    ]
    for score in card.scores.values():
        assert 0 < score["n"] <= len(validation)
        assert 0 <= score["accuracy"] <= 1
    measured = {name: tuple(entry["value"] for entry in of) for name, of in card.conditions.items()}
    # In some of these random pictures landmarks are found, too.
    assert all(
        measured[name] == condition.values
        for name, condition in CONDITIONS.items()
        if not condition.by_landmarks or name in measured
    )
    assert card.licences == FER2013_LICENCES
    assert "ICML 2013" in " ".join(card.licences)
    json.dumps(card.model_dump(mode="json"), allow_nan=False)


def test_a_model_that_tells_emotions_apart_gets_a_calibration_for_audiences(
    tmp_path: Path, dataset: Callable[..., FaceDataset], caplog: pytest.LogCaptureFixture
) -> None:
    validation = dataset(140, 4, "PublicTest")
    grey = (30 * validation.original).astype(np.uint8)
    validation = replace(
        validation, images=np.broadcast_to(grey[:, None, None], (140, SIDE, SIDE)).copy()
    )
    inputs = keras.Input((SIDE, SIDE, 1))
    output = keras.layers.Dense(len(EMOTIONS), name="original", dtype="float32")
    network = keras.Model(inputs, {"original": output(keras.layers.Flatten()(inputs))})
    # The nearest grey: -(g - 30 k)^2 / 400, but for what all have in common.
    levels = 30.0 * np.arange(len(EMOTIONS))
    output.set_weights([np.tile(levels / 200 / SIDE**2, (SIDE**2, 1)), -(levels**2) / 400])
    model = export(
        TrainedNetwork(network, (ORIGINAL,), EMOTIONS, FACTS),
        tmp_path,
        "grey",
        validation,
        conditions=False,
    )
    card = read_card(model)
    assert card.prevalence is not None
    assert card.prevalence.rows == 140
    assert card.prevalence.split == "PublicTest, majority"
    assert calibration_of(json.loads(model.with_suffix(".json").read_text())) == card.prevalence
    assert np.diag(card.prevalence.confusion).min() > 0.8
    assert "## Shares of an audience" in model.with_suffix(".md").read_text()

    # One that says the same of every face has none, and says so.
    output.set_weights([np.zeros((SIDE**2, 7)), np.zeros(7)])
    blind = export(
        TrainedNetwork(network, (ORIGINAL,), EMOTIONS, FACTS),
        tmp_path,
        "same",
        validation,
        conditions=False,
    )
    assert read_card(blind).prevalence is None
    assert "cannot measure shares of an audience" in caplog.text


def test_the_scores_are_what_evaluate_says(exported: Any) -> None:
    model, validation = exported
    everything = json.loads((model.parent / "scores.json").read_text())
    assert everything["history"] == HISTORY
    assert list(everything["models"]) == ["tiny", "tiny-original"]
    for name, found in everything["models"].items():
        classifier = load_classifier(model.with_name(f"{name}.keras"), "gpu")
        for where, score in found["scores"].items():
            again = evaluate(classifier, validation, where.removeprefix("PublicTest, "))  # type: ignore[arg-type]
            assert again["confusion"] == score["confusion"]
            assert again["ece"] == pytest.approx(score["ece"], abs=1e-4)
        assert list(found["reliability"]) == ["before", "after"]


def test_each_head_is_calibrated_to_what_it_learnt(exported: Any) -> None:
    model, validation = exported
    first, second = read_card(model), read_card(model.with_name("tiny-original.keras"))
    assert (first.calibration["fitted_to"], first.calibration["against"]) == (
        "the distribution of the votes",
        "majority",
    )
    assert (second.calibration["fitted_to"], second.calibration["against"]) == (
        "the original labels",
        "the original labels",
    )
    assert next(iter(second.scores)) == "PublicTest, original"
    for card in (first, second):
        assert card.calibration["ece_after"] < card.calibration["ece_before"]
        assert card.temperature > 1  # the outputs were sharpened
    without = evaluate(
        load_classifier(model.with_name("tiny-original.keras"), "gpu"),
        replace(validation, votes=None),
        "original",
    )
    assert without["ece"] == pytest.approx(second.calibration["ece_after"], abs=1e-4)
    with_votes = evaluate(load_classifier(model, "gpu"), validation, "majority")
    assert with_votes["ece"] == pytest.approx(first.calibration["ece_after"], abs=1e-4)


def test_the_card_can_be_read_by_people(exported: Any) -> None:
    model, _ = exported
    text = model.with_suffix(".md").read_text(encoding="utf-8")
    card = read_card(model)
    figures = ("curves.png", "confusion.png", "reliability.png", "per_class.png", "conditions.png")
    assert text == card_text(card, figures)
    assert text.startswith("# Model tiny\n")
    assert card.sha256 in text
    assert all(sentence in text for sentence in (*card.limits, *card.licences, card.framing))
    assert all(f"- `{name}`" in text for name in figures)
    assert "| PublicTest, majority | " in text
    assert "Rows: training 1,234, near-duplicates left out 5." in text
    assert "1,239 rows read, 0 left out." in text
    assert "ECE against majority: " in text
    assert "| blur: sigma in pixels, at 48 px | " in text
    for emotion in EMOTIONS:
        assert f"| {emotion} | " in text
    widths = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert set(widths) <= {3, 4, 6, 7}


@pytest.mark.usefixtures("no_conversion")
def test_test_rows_stand_first_and_chose_nothing(
    trained: keras.Model, tmp_path: Path, dataset: Callable[..., FaceDataset]
) -> None:
    aside, public = dataset(70, 4, "held out of Training"), dataset(35, 5, "PublicTest")
    without, with_test = (
        export(
            TrainedNetwork(trained, (VOTES,), EMOTIONS, FACTS),
            tmp_path / str(test is None),
            "tiny",
            aside,
            test=test,
            conditions=False,
        )
        for test in (None, public)
    )
    card, before = read_card(with_test), read_card(without)
    kinds = ("majority", "plurality", "original", "happy-sad")
    assert list(card.scores) == [
        f"{split}, {kind}" for split in ("PublicTest", "held out of Training") for kind in kinds
    ]
    assert {key: score["used_for"] for key, score in card.scores.items() if "majority" in key} == {
        "PublicTest, majority": "test",
        "held out of Training, majority": "validation",
    }
    assert card.temperature == before.temperature
    assert (card.uncertain_below, card.calibration) == (before.uncertain_below, before.calibration)
    assert {key: card.scores[key] for key in before.scores} == before.scores
    assert card.scores["PublicTest, majority"]["n"] <= 35
    assert card.training["measured_on"] == "PublicTest, 35 rows"
    assert card.training["calibrated_on"] == "held out of Training, 70 rows"
    assert card.licences == FER2013_LICENCES, "still the published table"
    text = with_test.with_suffix(".md").read_text()
    assert "| PublicTest, majority | test | " in text
    assert "| held out of Training, majority | validation | " in text
    assert "The test rows decided nothing" in text
    assert "The test rows" not in without.with_suffix(".md").read_text()
    found = json.loads((with_test.parent / "scores.json").read_text())["models"]["tiny"]
    score = found["scores"]["PublicTest, majority"]
    assert sum(found["reliability"]["after"]["counts"]) == score["n"]


@pytest.mark.usefixtures("no_conversion")
def test_test_rows_without_any_of_the_labels_are_left_out(
    trained: keras.Model,
    tmp_path: Path,
    dataset: Callable[..., FaceDataset],
    caplog: pytest.LogCaptureFixture,
) -> None:
    test = dataset(20, 5, "test")
    angry = test.subset(test.original == 0)
    model = export(
        TrainedNetwork(trained, (VOTES,), ("happy", "sad")),
        tmp_path,
        "pair",
        dataset(70, 4, "validation"),
        test=angry,
        conditions=False,
    )
    assert "The test rows are left out: No row of the dataset has a label" in caplog.text
    assert {score["used_for"] for score in read_card(model).scores.values()} == {"validation"}


def test_shipped_cards_of_an_earlier_form_can_still_be_shown(exported: Any) -> None:
    model, _ = exported
    card = read_card(model)
    old = card.model_copy(
        update={"calibration": {}, "conditions": {}, "licences": (), "framing": "", "scores": {}}
    )
    bare = card_text(old.model_copy(update={"training": {}}))
    assert "Accuracy by condition" not in bare
    assert "## Limits" in bare


def test_the_exported_model_runs_and_agrees_in_both_runtimes(exported: Any) -> None:
    model, validation = exported
    by_twin, by_network = (load_classifier(model, device) for device in ("cpu", "gpu"))
    pictures = validation.images[:11]
    np.testing.assert_allclose(
        classify(by_twin, pictures), classify(by_network, pictures), atol=1e-3
    )


def test_the_older_form_gives_the_same_numbers(exported: Any) -> None:
    model, validation = exported
    older = keras.models.load_model(model.with_suffix(".h5"), compile=False)
    pictures = plain(validation.images[:5], SIDE)
    expected = np.asarray(load_network(model)(pictures))
    np.testing.assert_allclose(
        np.asarray(older(pictures)), expected, atol=1e-4 * np.abs(expected).max()
    )
    assert np.ptp(expected, axis=0).max() > 0.1


def test_a_network_that_does_not_survive_the_older_form_is_refused(tmp_path: Path) -> None:
    inputs = keras.Input((16, 16, 1))
    # Keras forgets the two axes when it reads the file.
    x = keras.layers.LayerNormalization(axis=[1, 2], center=False, scale=False)(inputs)
    network = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(x)), name="odd")
    with pytest.raises(
        module.TrainingError, match="network odd has layers that do not survive the HDF5 form"
    ):
        module.write_h5(network, tmp_path / "odd.h5")
    assert not (tmp_path / "odd.h5").exists()


@pytest.fixture
def no_conversion(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conversion takes seconds and is tried above."""

    def converted(_network: object, _model: Path, twin: Path, _side_px: int) -> None:
        twin.write_bytes(b"twin")

    class Same:
        def __init__(self, _twin: Path, card: Any) -> None:
            self._labels = len(card.labels)

        def logits(self, crops: np.ndarray) -> np.ndarray:
            return np.zeros((len(crops), self._labels))

    monkeypatch.setattr(module, "_convert", converted)
    monkeypatch.setattr(module, "LiteRTClassifier", Same)


@pytest.mark.usefixtures("no_conversion")
def test_own_classes_without_votes(tmp_path: Path, faces: Callable[..., np.ndarray]) -> None:
    classes = ("bored", "keen", "neutral")
    validation = FaceDataset(
        faces(30), np.arange(30) % 3, None, np.array(["validation"] * 30), classes
    )
    head = Head("original", classes, *NO_ROWS)
    model = export(
        TrainedNetwork(
            tiny({"original": 3}, side_px=32),
            (head,),
            classes,
            {"licences": ["Made here."], "limits": ["Few faces."]},
        ),
        tmp_path,
        "own",
        validation,
        conditions=False,
    )
    card = read_card(model)
    assert (card.labels, card.input_side_px, card.conditions) == (classes, 32, {})
    assert list(card.scores) == ["validation, original"]
    assert (card.licences, card.limits) == (("Made here.",), ("Few faces.",))
    assert not list(tmp_path.glob("*-original*"))
    assert not (tmp_path / "curves.png").exists()
    text = model.with_suffix(".md").read_text()
    assert "Gives the probabilities of bored, keen, neutral" in text
    assert "- `confusion.png`" in text
    assert "conditions.png" not in text


@pytest.mark.usefixtures("no_conversion")
def test_two_of_the_seven_and_a_twin_that_disagrees(
    tmp_path: Path, dataset: Callable[..., FaceDataset], caplog: pytest.LogCaptureFixture
) -> None:
    pair = ("happy", "sad")
    head = Head("votes", pair, *NO_ROWS)
    validation = replace(dataset(70, 4), usage=np.array(["validation"] * 70))
    with caplog.at_level(logging.WARNING, logger="training.release.export"):
        model = export(
            TrainedNetwork(tiny({"votes": 2}), [head], pair),
            tmp_path,
            "pair",
            validation,
            conditions=False,
        )
    card = read_card(model)
    assert list(card.scores) == [
        f"validation, {name}" for name in ("majority", "plurality", "original", "happy-sad")
    ]
    assert card.scores["validation, happy-sad"]["n"] == 20
    assert card.licences == OTHER_LICENCES
    assert "The LiteRT form pair.tflite differs from its network by 0." in caplog.text
    assert load_classifier(model, "gpu").logits(validation.images[:2]).shape == (2, 2)


def test_rows_that_say_nothing_are_refused_before_anything_is_written(
    trained: keras.Model, tmp_path: Path, dataset: Callable[..., FaceDataset]
) -> None:
    without = dataset(14, 4, voted=False)
    with pytest.raises(DatasetError, match="does not know bored"):
        export(
            TrainedNetwork(trained, [VOTES], ("bored", "happy")), tmp_path / "out", "tiny", without
        )
    assert not (tmp_path / "out").exists()


def test_a_network_in_memory_is_a_classifier(exported: Any) -> None:
    model, validation = exported
    classifier = NetworkClassifier(load_network(model), read_card(model))
    by_file = load_classifier(model, "gpu")
    np.testing.assert_allclose(
        classifier.logits(validation.images[:5]), by_file.logits(validation.images[:5]), atol=1e-4
    )
    assert classifier.logits(validation.images[:0]).shape == (0, 7)


def test_another_backend_converts_in_a_process_of_its_own(
    exported: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = exported
    called: list[Any] = []

    def run(command: list[str], **options: Any) -> Any:
        called.append((command, options["env"]["KERAS_BACKEND"]))
        return type(
            "Done",
            (),
            {
                "returncode": 1,
                "stderr": "Traceback\nModuleNotFoundError: No module named 'tensorflow'",
            },
        )

    monkeypatch.setattr(module.keras.config, "backend", lambda: "jax")
    monkeypatch.setattr(module.subprocess, "run", run)
    with pytest.raises(
        module.TrainingError,
        match=r"LiteRT form cannot be made \(ModuleNotFoundError: No module named",
    ):
        module._convert(None, model, tmp_path / "twin.tflite", 48)
    [(command, backend)] = called
    assert command[-3:] == [str(model), str(tmp_path / "twin.tflite"), "48"]
    assert backend == "tensorflow"


def test_without_tensorflow_the_litert_form_is_made_later(
    trained: keras.Model,
    tmp_path: Path,
    dataset: Callable[..., FaceDataset],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _name: None)
    rows = dataset(70, 4, "PublicTest")
    model = export(
        TrainedNetwork(trained, (VOTES,), EMOTIONS), tmp_path, "tiny", rows, conditions=False
    )
    assert "run `ad-monitor models convert` with it on a machine with TensorFlow" in caplog.text
    assert not model.with_suffix(".tflite").exists()
    before = read_card(model)
    assert before.twin_sha256 == ""
    difference = module.add_litert(model)
    card = read_card(model)
    assert card.twin_sha256 == sha256_of(model.with_suffix(".tflite"))
    assert card.training["twin_difference"] == pytest.approx(difference, rel=0.1)
    assert card.scores == before.scores
    network = load_classifier(model, "gpu")
    np.testing.assert_allclose(
        classify(load_classifier(model, "cpu"), rows.images[:5]),
        classify(network, rows.images[:5]),
        atol=0.05,
    )


def test_that_process_makes_the_same_twin(
    exported: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, validation = exported
    monkeypatch.setattr(module.keras.config, "backend", lambda: "jax")
    module._convert(None, model, tmp_path / "twin.tflite", SIDE)
    monkeypatch.undo()
    twins = [
        module.LiteRTClassifier(path, read_card(model))
        for path in (tmp_path / "twin.tflite", model.with_suffix(".tflite"))
    ]
    first, second = (twin.logits(validation.images[:3]) for twin in twins)
    np.testing.assert_allclose(first, second, atol=1e-5)
