"""Animations entered late, files named otherwise, and thumbnails; see also tests/media."""

from __future__ import annotations

import io
import re
from itertools import islice

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from ads.errors import MediaError
from ads.media import pictures
from ads.media.decode import frames, probe
from ads.media.picture_file import PictureFile
from ads.media.pictures import animation_frames
from ads.media.thumbnails import thumbnails, thumbnails_at
from ads.media.types import ENDLESS_NS, KNOWN_ENDINGS, PICTURE_ENDINGS, require_media_file
from tests.helpers.icc_profiles import swapped_profile

MS = 1_000_000


@pytest.fixture(scope="module")
def rounds(tmp_path_factory):
    """An animation of the greys 0, 120 and 240 for 200, 70 and 330 ms, in three rounds."""
    path = tmp_path_factory.mktemp("rounds") / "three.webp"
    pictures = [Image.new("L", (8, 8), level) for level in (0, 120, 240)]
    pictures[0].save(
        path,
        save_all=True,
        append_images=pictures[1:],
        duration=[200, 70, 330],
        loop=3,
        lossless=True,
    )
    return path


@settings(max_examples=25, deadline=None)
@given(start_ms=st.integers(0, 3000))
def test_wherever_an_animation_is_entered_it_shows_what_is_due_there(rounds, start_ms):
    def size():
        return (8, 8)

    first = next(animation_frames(rounds, size, loop=True, start_ns=start_ms * MS))
    every = list(animation_frames(rounds, size, loop=True))
    assert len(every) == 9
    due = next(frame for frame in every if start_ms * MS < frame.until_ns)
    assert (first.position_ns, first.until_ns) == (due.position_ns, due.until_ns)
    assert np.array_equal(first.rgb, due.rgb)


def test_an_animation_without_end_is_entered_late_at_no_cost(make_animation, monkeypatch):
    path = make_animation("blink.gif", [0, 120, 240], [200, 70, 330])
    looks = []
    monkeypatch.setattr(
        "ads.media.pictures._shown_ms", lambda _, index: looks.append(index) or 200.0
    )
    start_ns = 24 * 3600 * 1000 * MS + 250 * MS
    first = next(animation_frames(path, lambda: (8, 8), loop=True, start_ns=start_ns))
    assert first.position_ns == start_ns - 50 * MS
    assert len(looks) <= 6


def test_the_last_picture_stands_after_the_last_round(rounds):
    (*_, last) = animation_frames(rounds, lambda: (8, 8), loop=True)
    assert (last.position_ns, last.until_ns) == ((2 * 600 + 270) * MS, ENDLESS_NS)


@pytest.mark.parametrize("size", [(8, 8), (50, 50)])
@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
def test_a_round_is_decoded_once_if_it_can_be_kept(make_animation, monkeypatch, ending, size):
    path = make_animation(f"blink.{ending}", [0, 120, 240], [200, 70, 330])
    decoded = []
    draw = PictureFile.draw
    monkeypatch.setattr(
        PictureFile, "draw", lambda file, index: (decoded.append(index), draw(file, index))[1]
    )
    kept = list(islice(animation_frames(path, lambda: size, loop=True), 9))
    assert decoded == [0, 1, 2]
    monkeypatch.setattr(pictures, "MAX_KEPT_BYTES", 0)
    again = list(islice(animation_frames(path, lambda: size, loop=True), 9))
    assert decoded[3:] == [0, 1, 2] * 3
    for one, other in zip(kept, again, strict=True):
        assert (one.position_ns, one.until_ns) == (other.position_ns, other.until_ns)
        assert np.array_equal(one.rgb, other.rgb)


def test_a_kept_round_follows_the_size_of_the_screen(make_animation):
    path = make_animation("blink.gif", [0, 120, 240], [200, 70, 330])
    size = [(48, 32)]
    source = animation_frames(path, lambda: size[0], loop=True)
    shapes = [next(source).rgb.shape for _ in range(5)]
    size[0] = (24, 16)
    shapes += [next(source).rgb.shape for _ in range(5)]
    assert shapes == [(32, 48, 3)] * 5 + [(16, 24, 3)] * 5


def test_late_pictures_of_a_large_animation_are_left_out(make_animation, monkeypatch):
    path = make_animation("blink.gif", list(range(10, 250, 10)), [50] * 24)
    # All of them are late by an hour, so one is shown for each half second.
    late = {"wanted_ns": lambda: 3600 * 1000 * MS}
    kept = list(islice(animation_frames(path, lambda: (8, 8), loop=True, **late), 24))
    assert [frame.left_out for frame in kept] == [0] * 24
    monkeypatch.setattr(pictures, "MAX_KEPT_BYTES", 0)
    shown = list(islice(animation_frames(path, lambda: (8, 8), loop=True, **late), 5))
    assert [frame.position_ns // MS for frame in shown] == [0, 500, 1000, 1500, 2000]
    assert [frame.left_out for frame in shown] == [0, 9, 9, 9, 9]


def still_of(path, second=0.0) -> np.ndarray:
    info = probe(path)
    (found,) = thumbnails_at(path, info.kind, [second], 40)
    return np.asarray(Image.open(io.BytesIO(found.jpeg)).convert("RGB")).astype(int)


def test_the_poster_of_an_animation_is_never_a_thumbnail(tmp_path):
    path = tmp_path / "poster.png"
    pictures = [Image.new("RGB", (40, 40), colour) for colour in ("red", "lime", "blue")]
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], default_image=True, duration=500
    )
    found = thumbnails(path, 1.0, "animation", every_s=0.5)
    levels = [np.asarray(Image.open(io.BytesIO(one.jpeg))).mean(axis=(0, 1)) for one in found]
    assert np.argmax(levels, axis=1).tolist() == [1, 2]


def test_nothing_of_a_poster_shows_through_the_animation(tmp_path):
    path = tmp_path / "poster.png"
    pictures = [
        Image.new("RGBA", (40, 40), colour)
        for colour in ((255, 0, 0, 255), (0, 0, 255, 0), (0, 0, 255, 128))
    ]
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], default_image=True, duration=500, blend=1
    )
    for second in (0.1, 1.1):
        assert still_of(path, second).min() >= 250
    assert still_of(path, 0.6).mean(axis=(0, 1)) == pytest.approx([127, 127, 255], abs=4)


def test_a_thumbnail_is_turned_and_coloured_like_the_ad(tmp_path):
    path = tmp_path / "turned.webp"
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.new("RGBA", (80, 40), (0, 0, 0, 0))
    picture.paste((0, 0, 255, 255), (0, 0, 40, 40))
    picture.save(path, exif=exif, lossless=True)
    found = still_of(path)
    assert found.shape[:2] == (40, 20)
    assert found[:18].mean(axis=(0, 1)) == pytest.approx([0, 0, 255], abs=6)
    assert found[22:].min() > 240


@pytest.mark.parametrize(
    "ending", ["jpg", "JPG", "Jpe", "jfif", "JPEG", "tif", "bmp", "dib", "avif"]
)
def test_endings_of_pictures_in_any_capitals(make_image, tmp_path, ending):
    kind = {"jpe": "jpg", "jfif": "jpg", "jpeg": "jpg"}.get(ending.lower(), ending.lower())
    made = make_image(f"made.{kind}", (200, 30, 60), (48, 32))
    path = made.rename(tmp_path / f"picture.{ending}")
    assert probe(path).kind == "image"


@pytest.mark.parametrize(
    ("ending", "container", "codec"),
    [
        ("MTS", "mpegts", "libx264"),
        ("m2ts", "mpegts", "mpeg2video"),
        ("flv", "flv", "libx264"),
        ("3gp", "3gp", "libx264"),
        ("wmv", "asf", "wmv2"),
        ("mxf", "mxf", "mpeg2video"),
        ("vob", "vob", "mpeg2video"),
    ],
)
def test_containers_of_cameras_and_old_programs(tmp_path, ending, container, codec):
    path = tmp_path / f"clip.{ending}"
    options = {"mpegts_m2ts_mode": "1"} if ending == "m2ts" else {}
    with av.open(str(path), "w", format=container, options=options) as file:
        stream = file.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 176, 144, "yuv420p"
        for number in range(10):
            frame = av.VideoFrame(176, 144, "yuv420p")
            frame.pts = number
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    info = probe(path)
    assert (info.kind, info.width, info.height) == ("video", 176, 144)
    assert len(list(frames(path, "video", lambda: (44, 36)))) == 10


@pytest.mark.parametrize("ending", ["jpg", "png", "gif", "tif"])
def test_a_clip_under_the_name_of_a_picture(make_clip, tmp_path, ending):
    path = make_clip("made.mp4", frames=3).rename(tmp_path / f"clip.{ending}")
    assert probe(path).kind == "video"


@pytest.mark.parametrize("ending", ["mp4", "mkv", "webm", "mpg", "png"])
def test_a_picture_under_the_name_of_another_kind(make_image, make_animation, tmp_path, ending):
    still = make_image("made.jpg").rename(tmp_path / f"still.{ending}")
    moving = make_animation("made.gif", [0, 250], [100, 100]).rename(tmp_path / f"moving.{ending}")
    assert (probe(still).kind, probe(moving).kind) == ("image", "animation")
    assert len(list(frames(still, "image", lambda: (8, 8)))) == 1


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("logo.svg", "export it as PNG."),
        ("talk.pptx", "is a presentation; export it as an MP4 video or as PNG pictures."),
        ("raw.NEF", "is the raw picture of a camera; develop it to JPEG."),
        ("jingle.mp3", "is sound without a picture; make an MP4 video of it."),
        ("old.rmvb", "convert it to MP4."),
        ("list.xyz", "received the ending .xyz."),
        ("IMG_1234", "received a name without an ending."),
    ],
)
def test_files_of_other_kinds_are_named_with_what_to_do(tmp_path, name, sentence):
    path = tmp_path / name
    path.write_bytes(b"x")
    with pytest.raises(MediaError) as caught:
        require_media_file(path)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).endswith(sentence)


def test_no_ending_is_both_a_picture_and_unplayable():
    from ads.media.types import _UNPLAYABLE

    assert not KNOWN_ENDINGS & set(_UNPLAYABLE)
    assert PICTURE_ENDINGS < KNOWN_ENDINGS


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
@settings(max_examples=25, deadline=None)
@given(noise=st.binary(max_size=120))
def test_damaged_exif_data_never_spoil_a_picture(tmp_path_factory, noise):
    path = tmp_path_factory.mktemp("exif") / "a.jpg"
    Image.new("RGB", (16, 8), "red").save(path, exif=b"Exif\0\0" + noise)
    (frame,) = frames(path, "image", lambda: (16, 16))
    assert frame.rgb.mean(axis=(0, 1)) == pytest.approx([254, 0, 0], abs=3)


@pytest.fixture(scope="module")
def whole() -> dict[str, bytes]:
    """A picture in each format, and two where it takes several."""
    files = {}
    one, other = Image.new("RGB", (16, 8), "red"), Image.new("RGB", (16, 8), "blue")
    both = {"save_all": True, "append_images": [other], "duration": 200}
    for kind in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF"):
        for options in ({}, both) if kind in {"PNG", "GIF", "WEBP", "TIFF", "AVIF"} else ({},):
            if kind != "AVIF" or features.check("avif"):
                file = io.BytesIO()
                one.save(file, kind, **options)
                files[f"{kind} {len(options)}"] = file.getvalue()
    return files


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_pictures_are_shown_or_refused_with_a_sentence(tmp_path_factory, whole, data):
    content = bytearray(whole[data.draw(st.sampled_from(sorted(whole)))])
    for _ in range(data.draw(st.integers(0, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "a.png"
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        info = probe(path)
        shown = list(islice(frames(path, info.kind, lambda: (16, 8), loop=True), 4))
        assert all(frame.rgb.ndim == 3 for frame in shown)
    except MediaError as error:
        assert re.search(rf"{path.name} .*[.]$", str(error))  # noqa: PT017


@pytest.mark.skipif(not features.check("avif"), reason="Pillow was built without AVIF")
def test_an_avif_file_without_its_picture_is_refused(make_image):
    path = make_image("a.avif")
    path.write_bytes(path.read_bytes().replace(b"av01Color", b"av02Color"))
    with pytest.raises(MediaError, match=r"a\.avif cannot be decoded as a picture"):
        probe(path)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("lost", [2, 3, 10, 400])
def test_a_jpeg_may_lack_its_end_but_no_lines(tmp_path, progressive, lost):
    noise = np.random.default_rng(1).integers(0, 256, (96, 128, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG", progressive=progressive)
    path = tmp_path / "a.jpg"
    path.write_bytes(file.getvalue()[:-lost])
    if lost == 2:
        (frame,) = frames(path, "image", lambda: (128, 96))
        assert np.array_equal(frame.rgb, np.asarray(Image.open(file)))
    else:
        with pytest.raises(MediaError, match=r"a\.jpg cannot be .* \(the file is cut off\)"):
            probe(path)


@pytest.mark.parametrize(
    ("icc", "is_said"), [(None, False), (swapped_profile(), False), (b"none" * 50, True)]
)
def test_a_profile_that_is_not_used_is_said(tmp_path, icc, is_said):
    path = tmp_path / "a.png"
    Image.new("RGB", (8, 8), "red").save(path, icc_profile=icc)
    remarks = probe(path).remarks
    assert bool(remarks) == is_said
    assert all(f"{path} has a colour profile that is damaged" in remark for remark in remarks)
