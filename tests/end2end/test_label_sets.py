"""A kiosk with a model of other labels: it runs, and its report says only what it knows."""

from __future__ import annotations

import hashlib
import json

import pytest

from detector.emotion.classifier import convert_to_litert, load_network
from detector.emotion.labels import EMOTIONS
from detector.emotion.model_card import read_card, sha256_of
from detector.emotion.model_store import shipped_default

pytestmark = pytest.mark.slow

SETS = {
    "happy-sad": (("happy", "sad"), ("happy", "sad")),
    "marketing": (("happy", "surprise", "disgust", "neutral"),) * 2,
    "shop": (("engaged", "bored", "smiling"), ("surprise", "neutral", "happy")),
}
"""Labels of models, and the emotions whose outputs of the shipped network they are."""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The shipped network with some of its outputs, under names of their own."""
    keras = pytest.importorskip("keras", reason="needs the extra training")
    folder = tmp_path_factory.mktemp("models")
    shipped = shipped_default()
    network, card = load_network(shipped), read_card(shipped)
    last = network.layers[-1]
    kernel, bias = last.get_weights()
    for name, (labels, outputs) in SETS.items():
        columns = [EMOTIONS.index(output) for output in outputs]
        head = keras.layers.Dense(len(columns), name="cut", dtype="float32")
        cut = keras.Model(network.inputs[0], head(last.input), name=name)
        head.set_weights([kernel[:, columns], bias[columns]])
        model = folder / f"{name}.keras"
        cut.save(model)
        litert = convert_to_litert(cut, card.input_side_px)
        model.with_suffix(".tflite").write_bytes(litert)
        changed = {
            "name": name,
            "labels": labels,
            "sha256": sha256_of(model),
            "twin_sha256": hashlib.sha256(litert).hexdigest(),
            "prevalence": None,
        }
        model.with_suffix(".json").write_text(card.model_copy(update=changed).model_dump_json())
    return folder


@pytest.mark.parametrize("name", SETS)
def test_a_kiosk_reports_only_what_its_model_knows(program, models, name):
    labels, _ = SETS[name]
    model = str(models / f"{name}.keras")
    run = ["--source", "demo", "--headless", "--duration", "25", "--model", model]
    done = program.run("run", *run, "--policy", "mood")
    assert f"the model {name} tells" in done.stderr
    report = program.json("report", "1")
    assert report["report"]["labels"] == list(labels)
    assert any(name in entry["why"] for entry in report["withheld"])
    seen = [ad for ad in report["ads"] if ad["emotion_viewers"]]
    assert seen
    for ad in seen:
        means = ad["mean_probabilities"]
        assert {label for label, mean in means.items() if mean is not None} == set(labels)
        assert (ad["mean_valence"] is not None) == ("happy" in labels)
        assert (ad["expressiveness"] is not None) == ("neutral" in labels)
        assert ad["shares"] is ad["valence_corrected_mean"] is ad["score"] is None
    assert program.rows("SELECT count(*) FROM plays WHERE reward IS NOT NULL") == [(0,)]
    stored = program.rows("SELECT p_own FROM readings WHERE withheld IS NULL LIMIT 1")[0][0]
    assert (stored is not None) == (name == "shop")
    if stored is not None:
        assert set(json.loads(stored)) == set(labels)
