"""Pictures from strangers: decoded as they look, or refused before they cost anything."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from detector.errors import PictureDecodeError, SourceOpenError
from detector.sources.image_decoder import PictureLimits, decode_picture

RED, BLUE = (0, 0, 255), (255, 0, 0)  # BGR
QUICK_S = 5.0
CHEAP_BYTES = 16 << 20


def written(image: Image.Image, kind: str, **settings: object) -> bytes:
    target = io.BytesIO()
    image.save(target, kind, **settings)  # type: ignore[arg-type]
    return target.getvalue()


def left_red_right_blue(width: int = 40, height: int = 20) -> Image.Image:
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, : width // 2, 0] = 255
    picture[:, width // 2 :, 2] = 255
    return Image.fromarray(picture)


def corners(image: np.ndarray) -> list[tuple[int, ...]]:
    """Colours near the left, right, top and bottom edge's middle."""
    height, width = image.shape[:2]
    places = [(height // 2, 2), (height // 2, width - 3), (2, width // 2), (height - 3, width // 2)]
    return [tuple(round(int(value) / 255) * 255 for value in image[place]) for place in places]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "WEBP", "JPEG"])
def test_every_format_comes_as_blue_green_red(kind: str) -> None:
    settings = (
        {"lossless": True}
        if kind == "WEBP"
        else {"quality": 100, "subsampling": 0}
        if kind == "JPEG"
        else {}
    )
    image = decode_picture(written(left_red_right_blue(), kind, **settings))
    assert (image.shape, image.dtype) == ((20, 40, 3), np.uint8)
    assert image.flags.c_contiguous
    assert corners(image)[:2] == [RED, BLUE]


@pytest.mark.parametrize("kind", [".jpg", ".png", ".bmp", ".webp", ".tiff"])
def test_the_same_pixels_as_opencv(kind: str) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    written_, content = cv2.imencode(kind, cv2.GaussianBlur(noise, (9, 9), 3))
    assert written_
    ours, theirs = decode_picture(content.tobytes()), cv2.imdecode(content, cv2.IMREAD_COLOR)
    assert np.abs(ours.astype(int) - theirs).max() <= (2 if kind in {".jpg", ".webp"} else 0)


@pytest.mark.parametrize(
    ("mode", "kind", "expected"),
    [
        ("L", "PNG", (100, 100, 100)),
        ("1", "PNG", (255, 255, 255)),
        ("P", "PNG", (30, 20, 10)),
        ("RGBA", "PNG", (30, 20, 10)),
        ("LA", "PNG", (100, 100, 100)),
        ("CMYK", "TIFF", (30, 20, 10)),
        ("RGBA", "WEBP", (30, 20, 10)),
    ],
)
def test_every_kind_of_pixel(mode: str, kind: str, expected: tuple[int, int, int]) -> None:
    first = {
        "L": 100,
        "1": 1,
        "LA": (100, 0),
        "RGBA": (10, 20, 30, 128),
        "CMYK": (245, 235, 225, 0),
    }.get(mode, 1)
    image = Image.new(mode, (8, 8), first)
    settings: dict[str, object] = {"lossless": True} if kind == "WEBP" else {}
    if mode == "P":
        image.putpalette([0, 0, 0, 10, 20, 30])
        settings["transparency"] = bytes([255, 0])
    assert tuple(decode_picture(written(image, kind, **settings))[4, 4]) == expected


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_and_not_cut(kind: str) -> None:
    grey = Image.fromarray(np.full((8, 8), 0x8040, np.uint16))
    assert tuple(decode_picture(written(grey, kind))[0, 0]) == (0x80, 0x80, 0x80)


def test_values_that_are_no_brightness_are_refused() -> None:
    for values in (np.full((8, 8), 0.5, np.float32), np.full((8, 8), 70000, np.int32)):
        with pytest.raises(PictureDecodeError, match="8 or 16 bits per colour") as caught:
            decode_picture(written(Image.fromarray(values), "TIFF"))
        assert caught.value.code == "damaged"


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, (RED, BLUE, None, None)),
        (2, (BLUE, RED, None, None)),
        (3, (BLUE, RED, None, None)),
        (4, (RED, BLUE, None, None)),
        (5, (None, None, RED, BLUE)),
        (6, (None, None, RED, BLUE)),
        (7, (None, None, BLUE, RED)),
        (8, (None, None, BLUE, RED)),
        (99, (RED, BLUE, None, None)),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_picture_is_turned_upright(
    kind: str, orientation: int, expected: tuple[object, ...]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = written(left_red_right_blue(), kind, exif=exif)
    image = decode_picture(content)
    assert image.shape == ((20, 40, 3) if orientation in {1, 2, 3, 4, 99} else (40, 20, 3))
    for found, wanted in zip(corners(image), expected, strict=True):
        assert wanted is None or found == wanted
    if kind == "JPEG":
        assert (
            np.abs(
                image.astype(int) - cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
            ).max()
            <= 2
        )


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
def test_damaged_metadata_do_not_spoil_a_picture() -> None:
    content = written(left_red_right_blue(), "JPEG", exif=b"Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff")
    assert decode_picture(content).shape == (20, 40, 3)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PNG", "WEBP"])
def test_of_several_frames_the_first(kind: str) -> None:
    frames = [Image.new("RGB", (30, 20), colour) for colour in ("red", "lime", "blue")]
    settings: dict[str, object] = {"lossless": True} if kind == "WEBP" else {}
    image = decode_picture(
        written(frames[0], kind, save_all=True, append_images=frames[1:], **settings)
    )
    assert tuple(image[10, 10]) == RED


# Bombs


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n"]
    for name, content in [(b"IHDR", head), *chunks, (b"IEND", b"")]:
        parts.append(
            struct.pack(">I", len(content))
            + name
            + content
            + struct.pack(">I", zlib.crc32(name + content))
        )
    return b"".join(parts)


def webp_of_16383() -> bytes:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    content = bytearray(written(frames[0], "WEBP", save_all=True, append_images=frames[1:]))
    canvas = content.index(b"VP8X") + 12
    content[canvas : canvas + 6] = (16382).to_bytes(3, "little") * 2
    return bytes(content)


def tiff(width: int, height: int) -> bytes:
    entries = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (278, 4, height),
               (279, 4, width * height)]  # fmt: skip
    fields = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", len(entries)) + fields + bytes(4)


def jpeg(width: int, height: int) -> bytes:
    content = bytearray(written(Image.new("RGB", (16, 16)), "JPEG"))
    size = content.index(b"\xff\xc0") + 5
    content[size : size + 4] = struct.pack(">HH", height, width)
    return bytes(content)


def bmp(width: int, height: int) -> bytes:
    content = bytearray(written(Image.new("RGB", (4, 4)), "BMP"))
    content[18:26] = struct.pack("<ii", width, height)
    return bytes(content)


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(3) + b"," + struct.pack("<HHHH", 0, 0, width, height) + (
        b"\x00\x02\x02\x4c\x01\x00;"
    )  # fmt: skip


def refusal(content: bytes, **settings: object) -> PictureDecodeError:
    """The error of a picture that has to be refused quickly and with little memory."""
    tracemalloc.start()
    began = time.thread_time()
    try:
        with pytest.raises(PictureDecodeError) as caught:
            decode_picture(content, **settings)  # type: ignore[arg-type]
        assert time.thread_time() - began < QUICK_S
        assert tracemalloc.get_traced_memory()[1] < CHEAP_BYTES
    finally:
        tracemalloc.stop()
    assert isinstance(caught.value, SourceOpenError)
    return caught.value


BOMBS: dict[str, Callable[[], bytes]] = {
    "png": lambda: png(50_000, 50_000, (b"IDAT", zlib.compress(bytes(100_000)))),
    "png, just more than allowed": lambda: png(10_000, 5001, (b"IDAT", zlib.compress(bytes(100)))),
    "png, where Pillow would only warn": lambda: png(
        10_000, 10_000, (b"IDAT", zlib.compress(bytes(100)))
    ),
    "png, as wide as can be": lambda: png(0x7FFFFFFF, 1, (b"IDAT", b"")),
    "gif": lambda: gif(65_535, 65_535),
    "tiff": lambda: tiff(50_000, 50_000),
    "jpeg": lambda: jpeg(65_500, 65_500),
    "bmp": lambda: bmp(50_000, 50_000),
    "webp": webp_of_16383,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_picture_that_claims_to_be_huge_is_refused_before_it_is_decoded(name: str) -> None:
    content = BOMBS[name]()
    assert len(content) < 10_000
    error = refusal(content, name="a.png")
    assert (error.code, str(error)) == (
        "too_many_pixels",
        "a.png has too many pixels: expected at most 50 million.",
    )


def test_the_most_pixels_that_are_allowed() -> None:
    content = written(left_red_right_blue(40, 20), "PNG")
    assert decode_picture(content, PictureLimits(pixels=800)).shape == (20, 40, 3)
    assert str(refusal(content, limits=PictureLimits(pixels=799))).endswith(
        "expected at most 0.000799 million."
    )


def profile_bomb() -> bytes:
    return b"icc\x00\x00" + zlib.compress(bytes(80 << 20))


def text_bomb() -> bytes:
    return b"Comment\x00\x00" + zlib.compress(bytes(80 << 20))


@pytest.mark.parametrize(("name", "content"), [(b"iCCP", profile_bomb), (b"zTXt", text_bomb)])
def test_packed_metadata_are_not_unpacked_without_bound(
    name: bytes, content: Callable[[], bytes]
) -> None:
    packed = content()
    pixels = (b"IDAT", zlib.compress((b"\x00" + bytes(12)) * 4))
    assert refusal(png(4, 4, (name, packed), pixels)).code in {"not_a_picture", "damaged"}
    assert refusal(png(4, 4, pixels, (name, packed))).code in {"not_a_picture", "damaged"}


def test_a_jpeg_with_endless_scans_is_refused() -> None:
    content = written(left_red_right_blue(64, 64), "JPEG", progressive=True)
    assert decode_picture(content).shape == (64, 64, 3)
    last_scan = content[content.rindex(b"\xff\xda") : -2]
    error = refusal(content[:-2] + last_scan * 200 + b"\xff\xd9")
    assert error.code == "too_many_scans"
    assert "expected at most 100" in str(error)


# What is no picture


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xd8",
        b"<html>not found</html>",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='4' height='4'/>",
        b"%PDF-1.7\n",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"P6\n2 2\n255\n" + bytes(12),
        b"\x1f\x8b\x08" + bytes(100),
        b"\x00\x00\x01\x00\x01\x00" + bytes(40),
        zlib.compress(bytes(10_000_000)),
    ],
)
def test_what_is_not_one_of_the_formats_is_refused(content: bytes) -> None:
    error = refusal(content)
    assert error.code == "not_a_picture"
    assert str(error) == "The picture is not a picture: expected JPEG, PNG, BMP, WebP, TIFF or GIF."


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF"])
def test_a_picture_that_breaks_off_is_refused(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(5).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    content = written(noise, kind)
    for share in (0.3, 0.6, 0.9):
        error = refusal(content[: int(len(content) * share)])
        assert error.code in {"damaged", "not_a_picture"}


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(st.data())
def test_whatever_bytes_come_it_is_a_picture_within_the_limits_or_a_known_error(
    data: st.DataObject,
) -> None:
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF"]))
    content = bytearray(written(left_red_right_blue(), kind))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        shape = decode_picture(bytes(content), PictureLimits(pixels=100_000)).shape
        reason = None
    except PictureDecodeError as error:
        shape = (0, 0, 3)
        reason = error.code
    assert shape[0] * shape[1] <= 100_000
    assert shape[2] == 3
    assert reason in {None, "damaged", "not_a_picture", "too_many_pixels", "too_many_scans"}


def test_damage_is_raised_and_not_logged_as_well(caplog: pytest.LogCaptureFixture) -> None:
    content = bytearray(written(left_red_right_blue(), "TIFF"))
    samples_per_pixel = struct.pack("<HHI", 277, 3, 1)
    place = content.index(samples_per_pixel) + len(samples_per_pixel)
    content[place : place + 2] = struct.pack("<H", 23299)
    with pytest.raises(PictureDecodeError):
        decode_picture(bytes(content))
    assert not caplog.records


def test_nothing_global_was_changed() -> None:
    assert Image.MAX_IMAGE_PIXELS == 178956970 // 2
    assert PngImagePlugin.MAX_TEXT_CHUNK <= 1 << 20
