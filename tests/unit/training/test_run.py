"""A plan, end to end on a small dataset: what is read, what is kept of the run, and what is
refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
import pytest

from detector.emotion.classifier import load_classifier
from detector.emotion.labels import EMOTIONS
from detector.emotion.model_card import read_card
from detector.emotion.model_store import DEFAULT_MODEL
from detector.errors import ModelLoadError
from tests.helpers.classifiers import write_card
from training import run
from training.architectures import compact, find_architecture
from training.datasets.faces import FaceDataset
from training.datasets.labels import Head
from training.errors import DatasetError, TrainingError
from training.fit.augmentation import NO_AUGMENTATION
from training.fit.batches import Rows
from training.fit.schedule import Stage
from training.fit.trainer import TrainingSettings
from training.run import TrainingPlan, train

Faces = Callable[..., np.ndarray]
SHORT = TrainingSettings(
    stages=(Stage(48, 1),), batch_size=16, peak_learning_rate=0.02, augmentation=NO_AUGMENTATION
)


@pytest.fixture
def fer2013(
    faces: Faces, write_fer: Callable[..., Path], write_votes: Callable[..., Path]
) -> tuple[Path, Path]:
    """Happy and sad faces with votes: 40 to train on, 12 to validate, one of them also among the
    training rows.
    """
    images = faces(52, 3)
    images[5] = images[45]
    usage = ["Training"] * 40 + ["PublicTest"] * 12
    emotions = [3 if row % 2 else 4 for row in range(52)]
    names = {3: "happiness", 4: "sadness"}
    votes = [(usage[row], {names[emotions[row]]: 8, "neutral": 2}) for row in range(52)]
    return write_fer(list(zip(emotions, images, usage, strict=True))), write_votes(votes)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compact network with few channels: the real one takes longer to prepare than to train
    here.
    """
    monkeypatch.setattr(
        "training.architectures.Architecture.build",
        lambda _self, heads, *, side_px: compact.build(
            heads, side_px=side_px, widths=(8, 16, 24), blocks=(1, 1, 1)
        ),
    )


@pytest.mark.slow
def test_a_plan_leaves_a_model_that_others_can_use(
    fer2013: tuple[Path, Path], tiny: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data, votes = fer2013
    plan = TrainingPlan(data, votes, labels="happy-sad", targets="votes")
    shares: list[float] = []
    with caplog.at_level("INFO", logger="training"):
        model = train(
            plan,
            tmp_path / "run",
            name="mood",
            settings=SHORT,
            tell=lambda progress, _: shares.append(progress.share),
        )
    assert "52 rows read" in caplog.text
    assert "1 training faces also occur in another split and are dropped" in caplog.text
    assert "Measuring mood on 12 faces" in caplog.text
    assert shares[-1] == 1
    card = read_card(model)
    assert (card.name, card.labels) == ("mood", ("happy", "sad"))
    assert card.training["rows"] == {
        "training": 40,
        "validation": 12,
        "twins_left_out": 1,
        "used": 39,
    }
    assert card.training["settings"]["seed"] == SHORT.seed
    assert str(tmp_path) not in json.dumps(card.model_dump(mode="json")), "no path of this machine"
    faces = run.read_faces(plan, 48, SHORT.seed)
    logits = load_classifier(model, "cpu").logits(faces.images[:4])
    network = keras.saving.load_model(model)
    np.testing.assert_allclose(
        network.predict(faces.images[:4, ..., None].astype("float32"), verbose=0),
        logits,
        atol=0.05,  # the LiteRT form has 8 bits
    )
    for name in (
        "mood.tflite",
        "mood.md",
        "curves.png",
        "confusion.png",
        "reliability.png",
        "scores.json",
    ):
        assert (tmp_path / "run" / name).stat().st_size > 100, name


@pytest.mark.slow
def test_the_same_plan_goes_on_and_another_one_is_refused(
    fer2013: tuple[Path, Path], tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, votes = fer2013
    plan = TrainingPlan(data, votes, labels="happy-sad", targets="majority")
    train(plan, tmp_path / "run", settings=SHORT)
    monkeypatch.setattr(
        keras.Model, "fit", lambda *_args, **_options: pytest.fail("it was trained again")
    )
    train(plan, tmp_path / "run", settings=SHORT)
    with pytest.raises(
        TrainingError, match="other settings: targets was 'majority', now it is 'original'"
    ):
        train(replace(plan, targets="original"), tmp_path / "run", settings=SHORT)
    with pytest.raises(TrainingError, match="other settings: seed was 20261121, now it is 1"):
        train(plan, tmp_path / "run", settings=replace(SHORT, seed=1))
    with pytest.raises(
        TrainingError,
        match="stages was 48 px for 1 epoch, now it is 40 px for 2 epochs, 48 px for 3 epochs",
    ):
        train(plan, tmp_path / "run", settings=replace(SHORT, stages=(Stage(40, 2), Stage(48, 3))))


def test_weights_are_only_for_networks_that_have_pretrained_ones(
    fer2013: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="compact has no pretrained part: leave --weights out"):
        train(
            TrainingPlan(*fer2013, labels="happy-sad", weights="imagenet"),
            tmp_path / "run",
            settings=SHORT,
        )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"start": "nowhere"}, "There is no model 'nowhere'"),
        ({"teachers": ("nowhere",)}, "There is no model 'nowhere'"),
        ({"teachers": ("compact-3",), "unlabelled": Path("nowhere")}, "which --unlabelled names"),
        ({"architecture": "vgg16", "weights": "nowhere.h5"}, "which --weights names"),
        ({}, "expected a folder, found a file"),
    ],
)
def test_what_is_not_there_is_refused_before_a_face_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object], sentence: str
) -> None:
    monkeypatch.setattr(run, "read_faces", lambda *_args: pytest.fail("faces were read"))
    (tmp_path / "file").touch()
    out = tmp_path / ("run" if changes else "file/run")
    with pytest.raises((TrainingError, ModelLoadError), match=sentence):
        train(TrainingPlan(tmp_path, **changes), out, settings=SHORT)


def test_one_class_only_is_refused_before_a_picture_is_read(
    tmp_path: Path,
    faces: Faces,
    write_pictures: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "training.datasets.folders._face", lambda *_args: pytest.fail("a picture was read")
    )
    folder = write_pictures({f"happy/{n}.png": face for n, face in enumerate(faces(10))})
    plan = TrainingPlan(folder)
    with pytest.raises(
        DatasetError, match=r"has pictures of one class only \(happy\): expected at least two"
    ):
        train(plan, tmp_path / "run", name="one", settings=SHORT)
    assert not (tmp_path / "run").exists()


def test_fewer_faces_than_a_batch_are_refused_at_once(
    tmp_path: Path, faces: Faces, write_pictures: Callable[..., Path]
) -> None:
    four = {f"train/{'happy' if n % 2 else 'sad'}/{n}.png": face for n, face in enumerate(faces(4))}
    plan = TrainingPlan(write_pictures(four))
    with pytest.raises(
        DatasetError, match=r"has too few faces to train on: .*a batch of 16, received 2\. Add"
    ):
        train(plan, tmp_path / "run", settings=SHORT)
    assert not (tmp_path / "run").exists()


def test_the_faster_precision_is_measured_once_for_a_run(
    fer2013: tuple[Path, Path],
    tiny: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    times = {"float32": 843.0, "mixed_bfloat16": 581.0}
    measured: list[object] = []
    policies: list[str] = []

    def step_times_ms(make: Callable[[], keras.Model], batch: tuple, _policies: object) -> dict:
        measured.append((type(make().optimizer), len(batch[0]), list(batch[1])))
        return times

    def fit(*_args: object, **_options: object) -> None:
        policies.append(keras.config.dtype_policy().name)
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "step_times_ms", step_times_ms)
    monkeypatch.setattr(run, "multiplies_bfloat16", lambda: True)
    monkeypatch.setattr(run, "fit", fit)
    plan = TrainingPlan(*fer2013, labels="happy-sad", targets="votes")
    long = replace(SHORT, stages=(Stage(48, 200),))
    before = keras.config.dtype_policy()
    try:
        with caplog.at_level("INFO", logger="training"):
            for settings, folder in ((long, "long"), (long, "long"), (SHORT, "short")):
                with pytest.raises(KeyboardInterrupt):
                    train(plan, tmp_path / folder, settings=settings)
    finally:
        keras.config.set_dtype_policy(before)
    assert policies == ["mixed_bfloat16", "mixed_bfloat16", "float32"]
    assert measured == [(keras.optimizers.SGD, 16, ["votes"])], (
        "not again when resumed, and not for a short run"
    )
    assert "16 faces takes 843 ms in float32, 581 ms in mixed_bfloat16" in caplog.text
    assert json.loads((tmp_path / "long" / "run.json").read_text())["step_ms"] == times


def test_a_run_from_before_rows_were_held_out_keeps_its_rows(
    fer2013: tuple[Path, Path], tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "fit", lambda *_args, **_options: pytest.fail("it was trained"))
    plan = TrainingPlan(*fer2013, labels="happy-sad", hold_out=0.0)
    run._refuse_another_plan(plan, SHORT, tmp_path)
    stored = json.loads(json.dumps({"plan": asdict(plan), "settings": asdict(SHORT)}, default=str))
    del stored["plan"]["hold_out"]
    (tmp_path / "run.json").write_text(json.dumps(stored))
    with pytest.raises(TrainingError, match=r"hold out was 0\.0, now it is None"):
        train(replace(plan, hold_out=None), tmp_path, settings=SHORT)
    assert run._refuse_another_plan(plan, SHORT, tmp_path)["plan"]["hold_out"] == 0


def test_teachers_label_what_has_no_label(
    faces: Faces,
    write_fer: Callable[..., Path],
    write_votes: Callable[..., Path],
    write_pictures: Callable[..., Path],
    tiny: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear")
    images = faces(52, 3)
    usage = ["Training"] * 40 + ["PublicTest"] * 12
    data = write_fer([(row % 7, images[row], usage[row]) for row in range(52)])
    votes = [(usage[row], {names[row % 7]: 8}) for row in range(52)]
    votes[0] = ("Training", {"unknown": 9})
    further = faces(5, 8)
    more = write_pictures(
        {"a/1.png": further[0], "2.png": further[1], "twin.png": images[45]}, "more"
    )
    found: list[tuple[Rows, object]] = []

    def fit(_build: object, rows: Rows, *_args: object, **_options: object) -> None:
        found.append((rows, keras.config.dtype_policy()))
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "fit", fit)
    monkeypatch.setattr(run, "find_teachers", lambda *_args: ())
    monkeypatch.setattr(run, "taught_once", lambda heads, *_args: heads)
    plan = TrainingPlan(
        data, write_votes(votes), targets="votes", unlabelled=more, teachers=(DEFAULT_MODEL,)
    )
    with pytest.raises(KeyboardInterrupt):
        train(plan, tmp_path / "run", settings=SHORT)
    [(rows, _)] = found
    assert np.array_equal(rows.images[-3], images[0]), "without usable votes"
    assert np.array_equal(rows.images[-2:], further[[1, 0]]), "not what is measured on"
    assert rows.heads[0].known.tolist() == [True] * 39 + [False] * 3
    with pytest.raises(TrainingError, match="learnt from teachers: name at least one"):
        train(replace(plan, teachers=()), tmp_path / "other", settings=SHORT)


def test_a_start_is_named_once_however_often_the_network_is_built(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tiny: None
) -> None:
    monkeypatch.setattr(run, "start_from", lambda *_args: "33 layers start from trained weights")
    head = Head("original", EMOTIONS, np.zeros((0, 7), np.float32), np.zeros(0, np.bool_))
    plan = TrainingPlan(Path("faces"), start=DEFAULT_MODEL)
    with caplog.at_level("INFO", logger="training"):
        build = run._builder(plan, find_architecture("compact"), [head])
        build(32)
        build(48)
    assert caplog.messages == [
        f"Starting from {DEFAULT_MODEL}: 33 layers start from trained weights"
    ]


def test_a_start_that_learnt_the_rows_that_choose_is_named(
    tmp_path: Path, dataset: Callable[..., FaceDataset], caplog: pytest.LogCaptureFixture
) -> None:
    models = []
    for name, data, chose in (
        ("same", "fer2013.csv", "held out of Training, 2260 rows"),
        ("older", "fer2013.csv", "PublicTest, 3549 rows"),
        ("shop", "photos", "validation, 30 rows"),
    ):
        model = tmp_path / f"{name}.keras"
        model.write_bytes(b"network")
        write_card(model, training={"data": data, "calibrated_on": chose})
        models.append(model)
    rows = dataset(14, 1, "held out of Training")
    assert run._divided_otherwise(models, "fer2013.csv", rows) == ["older"]
    assert "older learnt from fer2013.csv while other rows chose" in caplog.text
    assert run._divided_otherwise(models[:1], "fer2013.csv", rows) == []
