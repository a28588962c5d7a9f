"""The pages of a label review: each choice, what is shown of a face, and what is refused."""

from __future__ import annotations

import base64
import html
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from flask.testing import FlaskClient

from monitor.web.review_app import KEYS, create_review_app, label_keys
from tests.helpers.classifiers import ScriptedClassifier
from training.datasets.faces import FaceDataset
from training.datasets.overlay import LabelOverlay
from training.errors import DatasetError
from training.evaluation.review import LabelReview

pytest.importorskip("cleanlab", reason="the extra `training` is not installed")

TOKEN = "a token for the tests"  # noqa: S105
PAGE = {"Origin": "http://localhost"}


class Knowing(ScriptedClassifier):
    """A classifier that reads the emotion from the first pixel."""

    def answer(self, crops: np.ndarray) -> np.ndarray:
        return 4.0 * np.eye(7)[crops[:, 0, 0]]


@pytest.fixture
def review(tmp_path: Path) -> LabelReview:
    """Three faces with a wrong label, of seventy."""
    random = np.random.default_rng(1)
    images = random.integers(0, 255, (70, 48, 48), dtype=np.uint8)
    labels = np.arange(70) % 7
    images[:, 0, 0] = labels
    votes = np.zeros((70, 10))
    votes[np.arange(70), labels] = 8
    votes[:, 9] = 2
    labels[[5, 6, 7]] = 1
    faces = FaceDataset(images, labels, votes, np.array(["Training"] * 70))
    return LabelReview(faces, Knowing(), tmp_path / "overlay.csv", limit=3)


@pytest.fixture
def client(review: LabelReview) -> FlaskClient:
    client = create_review_app(review, TOKEN).test_client()
    client.post("/login", data={"token": TOKEN}, headers=PAGE)
    return client


def decide(client: FlaskClient, review: LabelReview, number: int, choice: str) -> Any:
    form = {"choice": choice, "face": review.face(number - 1).key}
    return client.post(f"/faces/{number}", data=form, headers=PAGE)


def test_nobody_sees_a_face_without_the_token(review: LabelReview) -> None:
    client = create_review_app(review, TOKEN).test_client()
    assert client.get("/faces/1", headers={"Accept": "text/html"}).status_code == 303
    assert client.get("/faces/1").status_code == 401
    assert decide(client, review, 1, "drop").status_code == 401
    assert review.face(0).decision is None


def test_the_face_its_votes_and_the_opinions(client: FlaskClient, review: LabelReview) -> None:
    assert client.get("/").location == "/faces/1"
    answer = client.get("/faces/1")
    page = answer.text
    face = review.face(0)
    assert "Is this face disgust?" in page
    assert "1 of 3" in page
    found = re.search(r'src="data:image/png;base64,([^"]+)"', page)
    assert found is not None
    pixels = cv2.imdecode(np.frombuffer(base64.b64decode(found[1]), np.uint8), cv2.IMREAD_GRAYSCALE)
    small = cv2.resize(pixels, (48, 48), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(small.ravel(), face.image.ravel())[0, 1] > 0.95
    assert "not a face" in page
    assert ">8<" in page
    assert answer.headers["Cache-Control"] == "no-store"
    for key in (*"1234567", "k", "d", "u", "ArrowRight"):
        assert f'data-key="{key}"' in page


def test_each_choice_leads_on_and_is_saved(client: FlaskClient, review: LabelReview) -> None:
    assert decide(client, review, 1, "label:happy").location == "/faces/2"
    assert decide(client, review, 2, "drop").location == "/faces/3"
    assert decide(client, review, 3, "keep").location == "/done"
    stored = LabelOverlay.read(review.path)
    assert stored.counts == {"change": 1, "drop": 1, "keep": 1}
    done = client.get("/done").text
    assert "All faces are decided" in done
    assert f"--overlay {review.path}" in html.unescape(done)
    assert client.get("/").location == "/done"
    assert "You changed the label to happy." in client.get("/faces/1").text
    assert decide(client, review, 3, "undo").location == "/faces/3"
    assert LabelOverlay.read(review.path).counts == {"change": 1, "drop": 1}


def test_choosing_the_same_label_keeps_it(client: FlaskClient, review: LabelReview) -> None:
    decide(client, review, 1, f"label:{review.face(0).label}")
    decision = review.face(0).decision
    assert decision is not None
    assert decision.decision == "keep"


def test_undo_of_nothing_stays_where_it_is(client: FlaskClient, review: LabelReview) -> None:
    assert decide(client, review, 2, "undo").location == "/faces/2"


def test_skip_and_back_decide_nothing(client: FlaskClient, review: LabelReview) -> None:
    page = client.get("/faces/2").text
    assert 'href="/faces/1" data-key="ArrowLeft"' in page
    assert 'href="/faces/3" data-key="ArrowRight"' in page
    assert 'href="/done" data-key="ArrowRight"' in client.get("/faces/3").text
    assert sum(review.counts.values()) == 0


@pytest.mark.parametrize("choice", ["", "burn", "label:", "label:bored"])
def test_other_choices_are_refused(client: FlaskClient, review: LabelReview, choice: str) -> None:
    answer = decide(client, review, 1, choice)
    assert answer.status_code == 400
    assert "There is no such choice" in answer.text
    assert review.face(0).decision is None


def test_a_page_of_an_earlier_review_saves_nothing(
    client: FlaskClient, review: LabelReview
) -> None:
    form = {"choice": "drop", "face": review.face(1).key}
    answer = client.post("/faces/1", data=form, headers=PAGE)
    assert answer.status_code == 409
    assert "of an earlier review" in answer.text
    assert sum(review.counts.values()) == 0


def test_numbers_of_no_face(client: FlaskClient) -> None:
    assert client.get("/faces/0").status_code == 404
    answer = client.get("/faces/4")
    assert answer.status_code == 404
    assert 'href="/"' in answer.text


def test_a_full_disk_is_told(
    client: FlaskClient, review: LabelReview, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise DatasetError("Cannot write the overlay x.csv: No space left on device.")

    monkeypatch.setattr(LabelOverlay, "save", full)
    answer = decide(client, review, 1, "drop")
    assert answer.status_code == 503
    assert "No space left on device" in answer.text
    assert review.face(0).decision is None


def test_german(client: FlaskClient) -> None:
    page = client.get("/faces/1", headers={"Accept-Language": "de"}).text
    assert "Zeigt dieses Gesicht „Ekel“?" in page
    assert "Gesicht verwerfen" in page


@pytest.mark.parametrize("labels", [2, 7, 10, 26, 60])
def test_every_key_does_one_thing(labels: int) -> None:
    keys = [*label_keys(labels), *KEYS.values()]
    assert len(keys) == len(set(keys))
    assert len(label_keys(labels)) == min(labels, 33)
