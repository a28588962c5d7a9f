"""The data scientist's job: train, stop and go on, measure, compare, promote or not, go back."""

from __future__ import annotations

import csv
import json
import signal

import numpy as np
import pytest

from detector.emotion.model_store import DEFAULT_MODEL

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
COLUMNS = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)
VOTED = {"angry": "anger", "happy": "happiness", "sad": "sadness", "surprise": "surprise"}


def drawn_face(emotion: int, random: np.random.Generator) -> np.ndarray:
    """A picture whose class shows anywhere in it: stripes in a direction of their own, on noise."""
    rows, columns = np.mgrid[:48, :48]
    angle = np.pi * emotion / 7
    stripes = np.sin(0.8 * (rows * np.sin(angle) + columns * np.cos(angle)) + random.uniform(0, 6))
    return np.clip(128 + 60 * stripes + random.normal(0, 20, (48, 48)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """FER2013 in small: 210 rows to train on and 70 to validate with, a broken one among them, and
    votes.
    """
    folder = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(1)
    with (
        (folder / "fer2013.csv").open("w", newline="") as data,
        (folder / "votes.csv").open("w", newline="") as votes,
    ):
        rows, tally = csv.writer(data), csv.writer(votes)
        rows.writerow(("emotion", "pixels", "Usage"))
        tally.writerow(("Usage", "Image name", *COLUMNS))
        for number in range(281):
            emotion, usage = number % 7, "Training" if number < 211 else "PublicTest"
            pixels = " ".join(map(str, drawn_face(emotion, random).ravel()))
            rows.writerow((emotion, pixels if number != 3 else "1 2 3", usage))
            name = VOTED.get(EMOTIONS[emotion], EMOTIONS[emotion])
            tally.writerow(
                (usage, f"fer{number:07}.png", *(10 if column == name else 0 for column in COLUMNS))
            )
    return folder


@pytest.fixture
def offline(program, dataset):
    program.environment["AD_MONITOR_MODELS"] = str(program.folder / "models")
    program.data = ["--data", str(dataset / "fer2013.csv"), "--votes", str(dataset / "votes.csv")]
    return program


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_train_stop_go_on_measure_and_promote(offline, wait_for):
    command = [
        "train", *offline.data, "--out", "runs/first", "--stages", "32:12,48:2", "--batch-size", "16",
        "--learning-rate", "0.05", "--augmentation", "none",
    ]  # fmt: skip
    running = offline.start(*command)
    state = offline.folder / "runs" / "first" / "state.json"
    wait_for(state.exists, 180)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=180)
    assert running.returncode == 1
    assert "280 rows read, 1 left out" in said
    assert "The same command continues after the last whole epoch" in said
    done = json.loads(state.read_text())["epochs_done"]
    assert 1 <= done < 14

    finished = offline.run(*command, limit_s=300)
    assert "Epoch 1 " not in finished.stderr
    folder = offline.folder / "runs" / "first"
    for name in (
        "first.keras",
        "first.tflite",
        "first.md",
        "first-original.keras",
        "curves.png",
        "confusion.png",
    ):
        assert (folder / name).stat().st_size > 1000, name
    card = json.loads((folder / "first.json").read_text())
    assert card["labels"] == list(EMOTIONS)
    assert len(json.loads(state.read_text())["history"]) == 14

    model = str(folder / "first.keras")
    figures = offline.json("evaluate", "--model", model, *offline.data, "--against", "majority")
    assert (figures["n"], figures["labels"]) == (70, list(EMOTIONS))
    assert figures["accuracy"] > 0.6
    pair = offline.json(
        "evaluate", "--model", model, *offline.data, "--against", "happy-sad", "--flip"
    )
    assert (pair["n"], pair["labels"]) == (20, ["happy", "sad"])

    # On these drawn faces it is far better than the shipped model.
    compared = offline.json("models", "compare", DEFAULT_MODEL, model, *offline.data)
    assert compared["difference"] > 0.3
    assert compared["p_value"] < 0.001
    promoted = offline.json("models", "promote", model, *offline.data)
    assert (promoted["event"], promoted["model"]) == ("promoted", "first")
    listed = {entry["name"]: entry for entry in offline.json("models", "list")["models"]}
    assert listed["first"]["in_use"]
    assert listed["first"]["origin"] == "own"
    refused = offline.complaint("models", "promote", DEFAULT_MODEL, *offline.data, status=1)
    assert f"{DEFAULT_MODEL} was not promoted" in refused
    assert "points lower than that of first" in refused
    assert offline.json("models", "promote", DEFAULT_MODEL, *offline.data, "--force")["forced"]
    assert offline.json("models", "rollback")["model"] == "first"
    assert offline.json("models", "show")["name"] == "first"
    log = (offline.folder / "models" / "promotions.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in log] == [
        "promoted",
        "refused",
        "promoted",
        "rolled back",
    ]


@pytest.mark.slow
def test_what_cannot_be_trained_is_one_sentence(offline, tmp_path):
    train = ["train", "--out", str(tmp_path / "run")]
    missing = offline.complaint(*train, "--data", "nowhere.csv", status=2)
    assert "nowhere.csv" in missing
    lion = offline.complaint(*train, *offline.data, "--labels", "happy,hapy", status=2)
    assert "hapy" in lion
    (tmp_path / "photos" / "happy").mkdir(parents=True)
    empty = offline.complaint(*train, "--data", str(tmp_path / "photos"), status=2)
    assert "photos" in empty
