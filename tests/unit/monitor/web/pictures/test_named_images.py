"""`ad-monitor classify` with addresses: the own network is allowed, everything else is as strict as
for strangers.
"""

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, features

from monitor.errors import PictureError, SetupError
from monitor.web.pictures.named_images import MAX_FILE_BYTES, expand, read_picture
from tests.media.heic_maker import heic


def png(width: int = 30, height: int = 20) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(target, "PNG")
    return target.getvalue()


def test_a_picture_of_the_own_network_on_any_port(server) -> None:
    content = png()
    server.answers["/old"] = lambda: [b"HTTP/1.1 302 Found\r\nLocation: /new\r\n\r\n"]
    server.answers["/new"] = lambda: [
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n",
        content,
    ]
    image = read_picture(server.url("/old"))
    assert image.shape == (20, 30, 3)
    assert np.array_equal(image[0, 0], (0, 0, 255))


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (b"200 OK", b"<html>", "is not a picture: expected JPEG, PNG, BMP, WebP, TIFF or GIF."),
        (b"200 OK", gzip.compress(png()), "is not a picture: expected JPEG"),
        (b"200 OK", png()[:60], "is damaged or of a rare kind: expected a whole"),
        (
            b"404 Not Found",
            png(),
            "cannot be fetched: 127.0.0.1 answered with status 404: expected 200 and a picture.",
        ),
    ],
)
def test_what_went_wrong_is_said_with_the_address(
    server, status: bytes, body: bytes, sentence: str
) -> None:
    server.answers["/a.png"] = lambda: [b"HTTP/1.1 " + status + b"\r\n\r\n", body]
    with pytest.raises(PictureError) as caught:
        read_picture(server.url("/a.png"))
    assert str(caught.value).startswith(f"{server.url('/a.png')} {sentence}")


@pytest.mark.parametrize(
    "address",
    ["http://[::1", "HTTP://a b/", "https:", "http://user:word@127.0.0.1/", "http://0x7f.1/"],
)
def test_an_address_that_is_spelt_wrong_gets_a_sentence(address: str) -> None:
    assert expand([address]) == [address]
    with pytest.raises(PictureError, match=r"cannot be fetched: The (address|host)"):
        read_picture(address)


@pytest.mark.parametrize(
    "name", ["", "file:///etc/hostname", "ftp://example.org/a.png", "data:image/png;base64,AAAA"]
)
def test_what_is_neither_a_file_nor_an_address_is_refused(name: str) -> None:
    with pytest.raises(SetupError, match="expected a file, a folder, or an http or https address"):
        expand([name])


def test_files_have_the_same_limits(tmp_path: Path) -> None:
    large, broken, missing = (
        tmp_path / "large.png",
        tmp_path / "broken.png",
        tmp_path / "missing.png",
    )
    with large.open("wb") as sparse:
        sparse.truncate(MAX_FILE_BYTES + 1)
    broken.write_bytes(png()[:60])
    for path, sentence in (
        (large, "has 30 MiB: expected at most 30"),
        (broken, "is damaged"),
        (missing, "cannot be read"),
    ):
        with pytest.raises(PictureError, match=sentence):
            read_picture(str(path))


def test_a_folder_gives_its_pictures_also_animated_ones(tmp_path: Path) -> None:
    for name in ("b.GIF", "a.png", "c.txt"):
        (tmp_path / name).write_bytes(png())
    assert expand([str(tmp_path)]) == [str(tmp_path / "a.png"), str(tmp_path / "b.GIF")]


def test_a_folder_that_may_not_be_read_is_not_called_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    with pytest.raises(SetupError, match="cannot be read"):
        expand([str(tmp_path)])


@pytest.mark.parametrize("name", ["photo.heic", "photo.avif", "photo.jfif"])
def test_pictures_as_telephones_and_browsers_store_them(tmp_path: Path, name: str) -> None:
    red = np.full((20, 30, 3), (200, 30, 60), np.uint8)
    if name.endswith("heic"):
        if "libx265" not in av.codecs_available:
            pytest.skip("PyAV was built without an encoder for HEVC")
        (tmp_path / name).write_bytes(heic(red))
    else:
        if name.endswith("avif") and not features.check("avif"):
            pytest.skip("Pillow was built without AVIF")
        Image.fromarray(red).save(tmp_path / name, "AVIF" if name.endswith("avif") else "JPEG")
    assert expand([str(tmp_path)]) == [str(tmp_path / name)]
    image = read_picture(str(tmp_path / name))
    assert image.shape == (20, 30, 3)
    assert np.abs(image.astype(int) - (60, 30, 200)).max() <= 5


def test_folders_in_folders_without_what_systems_leave(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    odd = os.fsdecode(b"caf\xe9.png")
    wanted = ("a/b/c.png", "a/d.png", f"a/{odd}", "z.png")
    others = ("Thumbs.db", "._z.png", "@eaDir/z.png", "__MACOSX/z.png", ".hidden/z.png")
    for name in (*wanted, *others, "a/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(png())
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    assert expand([str(tmp_path)]) == [
        str(tmp_path / name) for name in ("z.png", f"a/{odd}", "a/d.png", "a/b/c.png")
    ]
    [line] = caplog.messages
    assert line.endswith("because they are no pictures: a/notes.txt")
    assert read_picture(str(tmp_path / "a" / odd)).shape == (20, 30, 3)


def test_a_path_that_no_file_can_have() -> None:
    with pytest.raises(SetupError, match=r"cannot be looked up \(File name too long\)"):
        expand(["x" * 5000])
