"""The page on which a picture is classified, without a browser."""

from __future__ import annotations

import io
import tempfile

import numpy as np
import pytest

from .conftest import embedded, face, picture


def upload(client, content: bytes, name: str = "faces.png"):
    # Put together here, because the test client would do it in a file.
    head = f'--edge\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'
    body = head.encode() + content + b"\r\n--edge--\r\n"
    return client.post("/", data=body, content_type="multipart/form-data; boundary=edge")


def test_the_form_needs_no_script(client):
    answer = client.get("/")
    page = answer.text
    assert answer.status_code == 200
    assert '<form class="panel" method="post" action="/">' in page
    assert 'enctype="multipart/form-data"' in page
    assert "<style" not in page
    assert "style=" not in page
    assert page.count("<script") == 1
    assert '<script src="/static/classify.js" defer></script>' in page
    for asset in ("page.css", "classify.js", "live.js", "login.js", "icon.svg", "report-bar.css"):
        with client.get(f"/static/{asset}") as answer:
            assert answer.status_code == 200


def test_an_upload_is_shown_with_its_faces(make_app):
    faces = [
        face("happy", 0.76, (-10, 15, 50, 30)),
        face("sad", 0.31, (60, 0, 40, 30), uncertain=True),
    ]
    answer = upload(make_app(faces).test_client(), picture(80, 60), "holiday/beach <1>.png")
    page = answer.text
    assert answer.status_code == 200
    assert "2 faces found" in page
    assert "beach &lt;1&gt;.png · 80 \N{MULTIPLICATION SIGN} 60 pixels" in page
    assert "holiday" not in page
    assert page.count("Uncertain.") == 1
    assert "48 \N{MULTIPLICATION SIGN} 48 pixels without colour" in page
    for label in ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"):
        assert page.count(f'<span class="label">{label}</span>') in {2, 3}
    # Cut at the border: from 0 to 40 of 80 pixels, and from 60 to 80.
    assert 'x="0.0%" y="25.0%" width="50.0%" height="50.0%"' in page
    assert 'x="75.0%" y="0.0%" width="25.0%" height="50.0%"' in page
    kinds, pixels = zip(*embedded(page), strict=True)
    assert kinds == ("image/jpeg", "image/png", "image/png")
    assert pixels[0].shape == (60, 80, 3)
    assert all(crop.shape == (48, 48) and (crop == 128).all() for crop in pixels[1:])


def test_a_large_picture_is_scaled_down_for_the_page_only(make_app):
    from .conftest import FakeClassifier

    classifier = FakeClassifier([])
    page = upload(make_app(classifier=classifier).test_client(), picture(2400, 100)).text
    assert classifier.shapes == [(100, 2400, 3)]
    assert embedded(page)[0][1].shape == (50, 1200, 3)
    assert "2,400 \N{MULTIPLICATION SIGN} 100 pixels" in page


def test_no_face(make_app):
    page = upload(make_app([]).test_client(), picture()).text
    assert "No face found" in page
    assert "smaller than about 20 pixels" in page
    assert "without colour" not in page


def test_labels_of_another_model(make_app):
    from detector.image_analysis import PictureFace

    other = PictureFace((0, 0, 10, 10), "yes", 0.8, {"yes": 0.8, "no": 0.2}, uncertain=False)
    page = upload(make_app([other]).test_client(), picture()).text
    assert '<span class="label">yes</span>' in page
    assert 'class="c-happy" width="20.0%"' in page
    assert "surprise" not in page


@pytest.mark.parametrize(
    ("form", "status", "words"),
    [
        ({}, 400, "Give the address of a picture, or choose a file"),
        ({"url": "  "}, 400, "Give the address"),
        ({"url": "ftp://example.org/a.jpg"}, 400, "expected one that begins with http"),
        ({"url": "http://127.0.0.1/a.jpg"}, 422, "not public"),
        ({"image": (io.BytesIO(b"<html>"), "page.jpg")}, 422, "not a picture"),
        ({"image": (io.BytesIO(b""), "empty.jpg")}, 400, "No picture was sent"),
    ],
)
def test_what_is_wrong_is_said_on_the_page(client, form, status, words):
    answer = client.post("/", data=form)
    assert answer.status_code == status
    assert 'role="alert"' in answer.text
    assert words in answer.text
    assert '<input id="url"' in answer.text
    assert f'value="{form.get("url", "").strip()}"' in answer.text


def test_too_much_is_refused(client):
    answer = upload(client, bytes(32 << 20))
    assert answer.status_code == 413
    assert "More than 31 MiB" in answer.text


def test_uploads_stay_in_memory(client, monkeypatch):
    def refuse(*_args, **_more):
        raise AssertionError("a file was asked for")

    for name in ("TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, refuse)
    monkeypatch.setattr("werkzeug.formparser.SpooledTemporaryFile", refuse)
    content = picture(900, 900, ".bmp")
    assert len(content) > 2_000_000
    assert upload(client, content).status_code == 200


def test_headers(client):
    headers = client.get("/").headers
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"


def test_the_real_network_finds_the_demo_viewer(database, demo_video):
    import av
    import cv2

    from monitor.settings.models import WebSettings
    from monitor.web.app import close_app, create_app

    with av.open(str(demo_video)) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="bgr24")
    app = create_app(WebSettings(database=database, device="cpu"))
    try:
        answer = upload(app.test_client(), cv2.imencode(".jpg", frame)[1].tobytes())
        assert "One face found" in answer.text
        crop = embedded(answer.text)[1][1]
        assert crop.shape == (48, 48)
        assert np.ptp(crop) > 50
        document = app.test_client().post(
            "/api/v1/classify",
            data=cv2.imencode(".png", frame)[1].tobytes(),
            content_type="image/png",
        )
        (found,) = document.json["images"][0]["faces"]
        assert sum(found["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    finally:
        close_app(app)
