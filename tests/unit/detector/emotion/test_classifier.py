"""The two runtimes agree, probabilities are calibrated, and what is no model is refused in one
sentence.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from detector.emotion import classifier as module
from detector.emotion.classifier import (
    EmotionClassifier,
    KerasClassifier,
    LiteRTClassifier,
    classify,
    crop_geometry,
    load_classifier,
    load_network,
    probabilities,
)
from detector.emotion.model_card import read_card, sha256_of
from detector.emotion.model_store import DEFAULT_MODEL, find_model
from detector.errors import ModelLoadError
from tests.helpers.classifiers import write_card

BATCHES = (0, 1, 2, 3, 5, 8, 13)
SIDE = 16

needs_tensorflow = pytest.mark.skipif(
    find_spec("tensorflow") is None, reason="needs the extra training"
)


@pytest.fixture(scope="module")
def twin() -> LiteRTClassifier:
    model = find_model()
    return LiteRTClassifier(model.with_suffix(".tflite"), read_card(model))


@pytest.fixture(scope="module")
def network() -> KerasClassifier:
    pytest.importorskip("tensorflow", reason="needs the extra training")
    model = find_model()
    return KerasClassifier(model, read_card(model))


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    """Noise, flat pictures and gradients."""
    random = np.random.default_rng(7)
    noise = random.integers(0, 256, (7, 48, 48), dtype=np.uint8)
    flat = np.stack([np.full((48, 48), level, np.uint8) for level in (0, 128, 255)])
    ramp = np.tile(np.linspace(0, 255, 48).astype(np.uint8), (48, 1))
    return np.concatenate([noise, flat, [ramp, ramp.T, 255 - ramp]])


def agrees(litert: np.ndarray, network: np.ndarray) -> None:
    """The LiteRT form has 8 bits: 2 % of the largest logit is rounding."""
    np.testing.assert_allclose(litert, network, atol=0.02 * float(np.abs(network).max()))


def test_the_runtimes_agree_whatever_the_number_of_faces(
    twin: LiteRTClassifier, network: KerasClassifier, crops: np.ndarray
) -> None:
    for count in BATCHES:
        by_twin, by_network = twin.logits(crops[:count]), network.logits(crops[:count])
        assert by_twin.shape == by_network.shape == (count, 7)
        # The LiteRT form has 8 bits.
        np.testing.assert_allclose(
            classify(twin, crops[:count]), classify(network, crops[:count]), atol=0.03
        )


@pytest.mark.parametrize("runtime", ["twin", "network"])
def test_a_face_is_read_the_same_alone_and_in_company(
    runtime: str, crops: np.ndarray, request: pytest.FixtureRequest
) -> None:
    classifier: EmotionClassifier = request.getfixturevalue(runtime)
    alone = np.concatenate(
        [classifier.logits(crops[index : index + 1]) for index in range(len(crops))]
    )
    np.testing.assert_allclose(classifier.logits(crops), alone, atol=1e-3, rtol=1e-3)


def test_the_verdict_depends_on_the_face(twin: LiteRTClassifier, crops: np.ndarray) -> None:
    scores = classify(twin, crops)
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    assert np.ptp(scores, axis=0).max() > 0.05


def test_the_runtimes_name_themselves(twin: LiteRTClassifier, network: KerasClassifier) -> None:
    assert twin.runtime == "LiteRT on CPU"
    assert network.runtime in {"Keras on CPU", "Keras on GPU"}


def test_the_card_gives_framing_and_temperature(twin: LiteRTClassifier, crops: np.ndarray) -> None:
    geometry = crop_geometry(twin.card)
    assert (geometry.side_px, geometry.scale) == (twin.card.input_side_px, twin.card.crop_scale)
    assert geometry.raise_by == twin.card.crop_raise
    np.testing.assert_allclose(
        classify(twin, crops), probabilities(twin.logits(crops), twin.card.temperature)
    )


def test_probabilities_by_known_answer() -> None:
    logits = np.log([[1.0, 2.0, 5.0]])
    np.testing.assert_allclose(probabilities(logits, 1.0), [[0.125, 0.25, 0.625]])
    np.testing.assert_allclose(probabilities(2 * logits, 2.0), [[0.125, 0.25, 0.625]])
    np.testing.assert_allclose(probabilities(logits, 0.5), [[1 / 30, 4 / 30, 25 / 30]])
    assert probabilities(np.zeros((0, 7)), 1.0).shape == (0, 7)


LOGITS = hnp.arrays(np.float64, (3, 7), elements=st.floats(-1e3, 1e3))


@given(LOGITS, st.floats(0.05, 20), st.floats(-100, 100))
def test_probabilities_keep_sum_order_and_shift(
    logits: np.ndarray, temperature: float, shift: float
) -> None:
    scores = probabilities(logits, temperature)
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    assert (
        np.take_along_axis(scores, logits.argmax(axis=1)[:, None], axis=1)[:, 0]
        == scores.max(axis=1)
    ).all()
    np.testing.assert_allclose(probabilities(logits + shift, temperature), scores, atol=1e-9)


@given(LOGITS)
def test_a_higher_temperature_is_less_sure(logits: np.ndarray) -> None:
    assert (
        probabilities(logits, 2.0).max(axis=1) <= probabilities(logits, 1.0).max(axis=1) + 1e-12
    ).all()


def write_model(
    folder: Path,
    content: bytes | None = None,
    *,
    outputs: int = 7,
    side: int = SIDE,
    twin_sha256: str = "",
) -> Path:
    """A model with a valid card and no twin: any bytes, or a network of one layer."""
    model = folder / "tiny.keras"
    if content is not None:
        model.write_bytes(content)
    else:
        keras = pytest.importorskip("keras", reason="needs the extra training")
        inputs = keras.Input((side, side, 1))
        flat = keras.layers.Flatten()(inputs)
        keras.Model(inputs, keras.layers.Dense(outputs)(flat)).save(model)
    write_card(model, input_side_px=SIDE, twin_sha256=twin_sha256)
    return model


@needs_tensorflow
@pytest.mark.parametrize("device", ["cpu", "gpu"])
@pytest.mark.parametrize(
    "content", [b"this is a shopping list\n", b"", b"PK\x03\x04 and then nothing"]
)
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes, device: Any) -> None:
    model = write_model(tmp_path, content)
    with pytest.raises(
        ModelLoadError, match=r"tiny\.keras is not a Keras model: expected a \.keras file"
    ) as refused:
        load_classifier(model, device)
    assert "not found" not in str(refused.value)


@needs_tensorflow
def test_a_cut_off_model_is_refused(tmp_path: Path) -> None:
    shipped = find_model().read_bytes()
    model = write_model(tmp_path, shipped[: len(shipped) // 2])
    with pytest.raises(ModelLoadError, match="is not a Keras model"):
        load_network(model)


def test_a_missing_model_is_refused() -> None:
    with pytest.raises(ModelLoadError, match="There is no model 'nowhere"):
        load_classifier("nowhere.keras")


def test_a_model_that_was_swapped_is_refused(tmp_path: Path) -> None:
    model = write_model(tmp_path, b"one")
    model.write_bytes(b"other")
    with pytest.raises(ModelLoadError, match="not the one its card describes"):
        load_classifier(model)


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_a_network_with_other_outputs_than_its_card_is_refused(tmp_path: Path, device: Any) -> None:
    with pytest.raises(ModelLoadError, match=r"expected .*\(1, 7\).*\(1, 5\)"):
        load_classifier(write_model(tmp_path, outputs=5), device)


def test_a_network_with_another_input_than_its_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="does not take the faces that its card describes"):
        load_classifier(write_model(tmp_path, side=2 * SIDE), "gpu")


def test_a_file_that_is_no_twin_is_refused(tmp_path: Path, twin: LiteRTClassifier) -> None:
    wrong = tmp_path / "wrong.tflite"
    wrong.write_bytes(b"this is a shopping list\n" * 50)
    with pytest.raises(
        ModelLoadError, match=r"wrong\.tflite is not a usable LiteRT form of .*delete it"
    ):
        LiteRTClassifier(wrong, twin.card)


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    made: list[int] = []
    convert = module.convert_to_litert

    def counted(network: Any, side_px: int) -> bytes:
        made.append(side_px)
        return convert(network, side_px)

    monkeypatch.setattr(module, "convert_to_litert", counted)
    return made


def test_a_missing_twin_is_made_once_and_kept_in_the_cache(
    tmp_path: Path, conversions: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    model = write_model(tmp_path)
    with caplog.at_level(logging.INFO, logger="detector.emotion.classifier"):
        first = load_classifier(model, "cpu")
    assert "Converting tiny.keras for this machine" in caplog.text
    [kept] = (platformdirs.user_cache_path("ad-monitor") / "litert").glob("*.tflite")
    assert kept.name == f"{sha256_of(model)}.tflite"
    second = load_classifier(model, "cpu")
    assert conversions == [SIDE]
    faces = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE), dtype=np.uint8)
    np.testing.assert_array_equal(first.logits(faces), second.logits(faces))
    agrees(first.logits(faces), load_classifier(model, "gpu").logits(faces))
    assert list(tmp_path.glob("*.tflite")) == []


@pytest.mark.parametrize("damage", [b"", b"cut off", None])
def test_a_kept_twin_that_is_not_whole_is_made_again(
    tmp_path: Path, conversions: list[int], damage
) -> None:
    model = write_model(tmp_path)
    load_classifier(model, "cpu")
    [kept] = (platformdirs.user_cache_path("ad-monitor") / "litert").glob("*.tflite")
    if damage is None:
        kept.with_suffix(".sha256").unlink()
    else:
        kept.write_bytes(damage)
    load_classifier(model, "cpu")
    assert conversions == [SIDE, SIDE]
    assert kept.with_suffix(".sha256").read_text() == sha256_of(kept)
    load_classifier(model, "cpu")
    assert conversions == [SIDE, SIDE]


def test_the_conversion_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    network = load_network(write_model(tmp_path))
    capfd.readouterr()
    module.convert_to_litert(network, SIDE)
    print("and the console is back")  # noqa: T201
    assert capfd.readouterr() == ("and the console is back\n", "")


def test_a_network_that_only_takes_one_face_at_a_time_gets_one(tmp_path: Path) -> None:
    """`Flatten` keeps the batch size that it was converted with."""
    model = write_model(tmp_path)
    faces = np.random.default_rng(0).integers(0, 256, (13, SIDE, SIDE), dtype=np.uint8)
    by_twin, by_network = (
        load_classifier(model, device).logits(faces) for device in ("cpu", "gpu")
    )
    agrees(by_twin, by_network)


@pytest.mark.parametrize("twin_sha256", ["", "0" * 64])
def test_a_twin_of_another_model_is_not_used(
    tmp_path: Path, conversions: list[int], twin_sha256: str
) -> None:
    model = write_model(tmp_path, twin_sha256=twin_sha256)
    model.with_suffix(".tflite").write_bytes(find_model().with_suffix(".tflite").read_bytes())
    assert load_classifier(model, "cpu").logits(np.zeros((1, SIDE, SIDE), np.uint8)).shape == (1, 7)
    assert conversions == [SIDE]


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_model(tmp_path, b"any")
    (tmp_path / "taken").write_text("a file where a folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "taken"))
    monkeypatch.setattr(module, "load_network", lambda _model: None)
    monkeypatch.setattr(module, "convert_to_litert", lambda _network, _side: b"twin")
    with pytest.raises(ModelLoadError, match=r"cannot be kept in .*make that folder writable"):
        load_classifier(model, "cpu")


def test_the_shipped_twin_needs_no_conversion(conversions: list[int]) -> None:
    assert isinstance(load_classifier(device="cpu"), LiteRTClassifier)
    assert conversions == []


@pytest.fixture
def recorded_choice(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    chosen: list[str] = []
    monkeypatch.setattr(module, "KerasClassifier", lambda _model, _card: chosen.append("keras"))
    monkeypatch.setattr(module, "LiteRTClassifier", lambda _twin, _card: chosen.append("twin"))
    return chosen


@pytest.mark.parametrize(
    ("device", "gpu", "expected"),
    [
        ("auto", True, "keras"),
        ("auto", False, "twin"),
        ("cpu", True, "twin"),
        ("gpu", False, "keras"),
    ],
)
def test_the_runtime_follows_the_machine(
    device: Any,
    gpu: bool,
    expected: str,
    recorded_choice: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "gpu_available", lambda: gpu)
    load_classifier(device=device)
    assert recorded_choice == [expected]


@pytest.mark.slow
def test_the_shipped_model_means_the_same_under_jax(tmp_path: Path) -> None:
    """Any Keras backend can load it. JAX is no dependency: the test runs where it is installed."""
    pytest.importorskip("jax", reason="JAX is not installed")
    crops = np.random.default_rng(3).integers(0, 256, (4, 48, 48), dtype=np.uint8)
    np.save(tmp_path / "crops.npy", crops)
    script = (
        "import sys, numpy as np, keras\n"
        "assert keras.backend.backend() == 'jax'\n"
        "network = keras.saving.load_model(sys.argv[1], compile=False, safe_mode=True)\n"
        "faces = np.load(sys.argv[2])[..., None].astype('float32')\n"
        "np.save(sys.argv[3], np.asarray(network(faces)))\n"
    )
    model = find_model(DEFAULT_MODEL)
    subprocess.run(
        [
            sys.executable,
            "-c",
            script,
            str(model),
            str(tmp_path / "crops.npy"),
            str(tmp_path / "logits.npy"),
        ],
        env=os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        check=True,
        capture_output=True,
        timeout=300,
    )
    classifier = load_classifier(model, "cpu")
    expected = classify(classifier, crops)
    received = probabilities(
        np.load(tmp_path / "logits.npy").astype(float), classifier.card.temperature
    )
    np.testing.assert_allclose(received, expected, atol=1e-4)
