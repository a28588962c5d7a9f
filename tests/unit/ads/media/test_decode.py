"""Decoding: modules decode, types, pictures, clips, clip_file, clip_length, clip_timing, clip_sound.

What the world does to the time of clips and to their sound is tested in tests/media.
"""

from __future__ import annotations

import os
import struct
import zlib
from itertools import islice, pairwise

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ads.errors import MediaError
from ads.media.clip_sound import SAMPLE_RATE_HZ, sound_blocks
from ads.media.clips import video_frames
from ads.media.decode import frames, probe
from ads.media.pictures import animation_frames, image_frames
from ads.media.types import ENDLESS_NS, fit
from tests.unit.ads.conftest import ENCODER_OPTIONS


def at(width: int, height: int):
    return lambda: (width, height)


def positions_ms(source) -> list[float]:
    return [frame.position_ns / 1e6 for frame in source]


def level(frame) -> float:
    return float(frame.rgb.mean())


@given(*[st.integers(1, 5000)] * 4)
def test_fit_fills_the_viewport_one_way_and_keeps_the_shape(width, height, view_width, view_height):
    fitted = fit((width, height), (view_width, view_height))
    assert 1 <= fitted[0] <= view_width
    assert 1 <= fitted[1] <= view_height
    assert fitted[0] == view_width or fitted[1] == view_height
    scale = min(view_width / width, view_height / height)
    assert abs(fitted[0] - max(1, width * scale)) <= 0.51
    assert abs(fitted[1] - max(1, height * scale)) <= 0.51


# --- pictures ---


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "tiff", "webp", "gif"])
def test_still_pictures(make_image, ending):
    path = make_image(f"red.{ending}", (200, 30, 60), (90, 60))
    info = probe(path)
    assert (info.kind, info.width, info.height, info.duration_s, info.has_sound) == (
        "image",
        90,
        60,
        None,
        False,
    )
    (frame,) = image_frames(path, at(180, 180))
    assert frame.position_ns == 0
    assert frame.rgb.shape == (120, 180, 3)
    assert frame.rgb.flags.c_contiguous
    assert np.abs(frame.rgb.astype(int) - (200, 30, 60)).max() <= 6


def test_a_picture_is_turned_upright(tmp_path):
    path = tmp_path / "phone.jpg"
    picture = Image.new("RGB", (80, 40), "white")
    picture.paste("black", (0, 0, 40, 40))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn by a quarter to the right
    picture.save(path, exif=exif, quality=95)
    assert (probe(path).width, probe(path).height) == (40, 80)
    (frame,) = image_frames(path, at(40, 80))
    assert frame.rgb.shape == (80, 40, 3)
    assert frame.rgb[:36].mean() < 20
    assert frame.rgb[44:].mean() > 235


def test_transparent_parts_show_white(tmp_path):
    path = tmp_path / "logo.png"
    Image.new("RGBA", (20, 20), (255, 0, 0, 0)).save(path)
    (frame,) = image_frames(path, at(40, 40))
    assert frame.rgb.min() == 255


@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
def test_animations_keep_their_own_timing(make_animation, ending):
    path = make_animation(f"blink.{ending}", [0, 120, 240], [200, 70, 330])
    info = probe(path)
    assert (info.kind, info.width, info.height) == ("animation", 48, 32)
    assert info.duration_s == pytest.approx(0.6)
    shown = list(animation_frames(path, at(48, 32)))
    assert positions_ms(shown) == [0, 200, 270]
    assert [level(frame) for frame in shown] == pytest.approx([0, 120, 240], abs=2)
    again = list(islice(animation_frames(path, at(48, 32), loop=True), 5))
    assert positions_ms(again) == [0, 200, 270, 600, 800]
    assert [level(frame) for frame in again[3:]] == pytest.approx([0, 120], abs=2)


def test_animations_without_timing_run_as_in_a_browser(make_animation):
    path = make_animation("quick.gif", [0, 120, 240], [0, 0, 0])
    assert probe(path).duration_s == pytest.approx(0.3)


# --- clips ---


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.mov", "clip.avi"])
def test_every_frame_of_a_clip_comes_with_its_time(make_clip, grey, name):
    path = make_clip(name, frames=25)
    info = probe(path)
    assert (info.kind, info.width, info.height, info.has_sound) == ("video", 96, 64, False)
    assert info.duration_s == pytest.approx(1.0, abs=0.05)
    assert info.frames_per_second == pytest.approx(25, rel=0.05)
    shown = list(video_frames(path, at(96, 64)))
    assert positions_ms(shown) == pytest.approx([40 * index for index in range(25)], abs=1)
    assert [level(frame) for frame in shown] == pytest.approx(
        [grey(index) for index in range(25)], abs=2
    )


def test_uneven_frame_times_are_kept(make_clip, grey):
    times = [0, 40, 400, 420, 1000, 1500]
    shown = list(video_frames(make_clip("uneven.mp4", times_ms=times), at(96, 64)))
    assert positions_ms(shown) == pytest.approx(times, abs=1)
    assert [level(frame) for frame in shown] == pytest.approx(
        [grey(index) for index in range(6)], abs=2
    )


@pytest.mark.parametrize("name", ["late.mkv", "late.mp4"])
@pytest.mark.parametrize("count", [3, 30])
def test_a_clip_that_does_not_start_at_zero_is_shifted(make_clip, name, count):
    path = make_clip(name, times_ms=[5000 + 40 * index for index in range(count)])
    assert probe(path).duration_s == pytest.approx(0.04 * count, abs=0.05)
    assert positions_ms(video_frames(path, at(96, 64))) == pytest.approx(
        [40 * index for index in range(count)]
    )


@pytest.mark.parametrize("viewport", [(101, 1000), (1000, 33), (96, 64), (640, 427)])
def test_odd_sizes_give_whole_rows(make_clip, grey, viewport):
    path = make_clip("odd.mp4", frames=2, size=(97, 63))
    for index, frame in enumerate(video_frames(path, at(*viewport))):
        width, height = fit((97, 63), viewport)
        assert frame.rgb.shape == (height, width, 3)
        assert frame.rgb.flags.c_contiguous
        # A row that starts in the wrong place would shear the picture and let its edges in.
        assert np.abs(frame.rgb.astype(int) - grey(index)).max() <= 3


def test_rotated_clips_are_turned_upright(make_clip):
    path = make_clip("phone.mp4", frames=3, size=(96, 64), rotation=90)
    info = probe(path)
    assert (info.width, info.height) == (64, 96)
    for frame in video_frames(path, at(64, 96)):
        assert frame.rgb.shape == (96, 64, 3)
        assert frame.rgb.flags.c_contiguous
        # The upper half is white; a quarter turn to the left brings it to the left.
        assert frame.rgb[:, :28].mean() > 245
        assert frame.rgb[:, 36:].mean() < 60


def test_late_frames_are_left_out_but_the_one_to_show_is_not(make_clip, grey):
    path = make_clip("slow.mp4", frames=50)
    source = video_frames(path, at(96, 64), wanted_ns=lambda: 490_000_000)
    # Less than a tenth of a second late counts as in time.
    assert positions_ms(source) == [0, *(40.0 * index for index in range(10, 50))]
    uneven = make_clip("uneven.mp4", times_ms=[0, 40, 80, 400, 440])
    assert positions_ms(video_frames(uneven, at(96, 64), wanted_ns=lambda: 350_000_000)) == [
        0,
        80,
        400,
        440,
    ]


def test_a_decoder_that_cannot_keep_up_still_shows_something(make_clip, monkeypatch):
    monkeypatch.setitem(ENCODER_OPTIONS["libx264"], "g", "1000")
    path = make_clip("hopeless.mp4", frames=75)
    shown = positions_ms(video_frames(path, at(96, 64), wanted_ns=lambda: 60_000_000_000))
    assert shown[0] == 0
    assert all(later - first <= 540 for first, later in pairwise(shown))
    assert len(shown) < 10


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.webm", "a.avi"])
def test_far_behind_the_show_decoding_goes_on_at_the_newest_key_frame(make_clip, grey, name):
    """With a key frame in every ten, at 0.4 s, 0.8 s and so on."""
    path = make_clip(name, frames=100, codec="libvpx-vp9" if name == "a.webm" else "libx264")
    reached = [0]
    frames = video_frames(path, at(96, 64), wanted_ns=lambda: reached[0])
    shown = [next(frames)]
    reached[0] = 2_500_000_000
    shown += list(frames)
    positions = [round(frame.position_ns / 1e6) for frame in shown]
    assert positions[0] == 0
    later = [position for position in positions if position >= 2400]
    # Everything after the jump, in its place, and little before it.
    assert later[-1] == 3960
    assert all(b - a == 40 for a, b in pairwise(later))
    assert len(positions) - len(later) <= 5
    # All are accounted for, but those that the decoder held when it jumped.
    assert 97 <= sum(frame.left_out for frame in shown) + len(shown) <= 100
    for frame in shown[-30:]:
        number = round(frame.position_ns / 40e6)
        assert abs(frame.rgb.mean() - grey(number)) < 4


def test_a_truncated_clip_plays_as_far_as_it_goes(make_clip, grey):
    path = make_clip("cut.mp4", frames=100)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    source = video_frames(path, at(96, 64))
    shown = list(islice(source, 40))
    with pytest.raises(
        MediaError, match=r"cut.mp4 breaks off at \d\.\d s of 4.0 s; replace the file"
    ):
        shown.extend(source)
    assert 40 < len(shown) < 75
    assert [level(frame) for frame in shown[:40]] == pytest.approx(
        [grey(index) for index in range(40)], abs=2
    )


def test_a_damaged_stretch_is_passed_over(make_clip):
    path = make_clip("scratched.mkv", frames=100)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(range(40))
    path.write_bytes(content)
    shown = positions_ms(video_frames(path, at(96, 64)))
    assert 30 < len(shown) < 100
    assert shown[-1] == pytest.approx(3960)


@pytest.mark.parametrize("name", ["x.mp4", "x.jpg", "x.gif", "x.webm", "x.png"])
@pytest.mark.parametrize(
    "content", [b"", b"hello world" * 50, b"\x89PNG\r\n\x1a\n" + b"\0" * 40, b"GIF89a\1\0\1\0"]
)
def test_files_that_are_no_media_are_refused(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(MediaError, match=f"{name} (cannot be decoded|is empty|holds no picture)"):
        probe(path)


def test_sound_alone_is_no_ad(make_clip, tmp_path):
    with_sound = make_clip("a.mp4", frames=5)
    with pytest.raises(MediaError, match="no sound"):
        next(sound_blocks(with_sound))


def test_giants_are_refused_before_they_are_decoded(tmp_path, make_clip, monkeypatch):
    path = tmp_path / "bomb.png"
    header = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    content = b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in (header, b"IDAT" + zlib.compress(bytes(100)), b"IEND")
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    with pytest.raises(MediaError, match=r"bomb.png claims .* million pixels"):
        probe(path)
    clip = make_clip("large.mp4", frames=2)
    monkeypatch.setattr("ads.media.types.MAX_PIXELS", 96 * 64 - 1)
    with pytest.raises(MediaError, match=r"large.mp4 claims 96 x 64 pixels"):
        probe(clip)


def test_wrong_places(tmp_path):
    with pytest.raises(MediaError, match="does not exist"):
        probe(tmp_path / "a.mp4")
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(MediaError, match="is not a file"):
        probe(tmp_path / "folder.mp4")
    with pytest.raises(MediaError, match="of no known kind"):
        probe(tmp_path / "a.docx")


def test_frames_picks_the_reader(make_image, make_animation, make_clip):
    assert len(list(frames(make_image("a.png"), "image", at(96, 64)))) == 1
    assert (
        len(list(frames(make_animation("b.gif", [0, 200], [100, 100]), "animation", at(48, 32))))
        == 2
    )
    assert len(list(frames(make_clip("c.mp4", frames=3), "video", at(96, 64)))) == 3


CODECS = [
    ("h264", ["libx264"], "clip.mp4"),
    ("hevc", ["libx265"], "clip.mp4"),
    ("vp9", ["libvpx-vp9"], "clip.webm"),
    ("av1", ["libsvtav1", "libaom-av1"], "clip.mp4"),
    ("av1", ["libsvtav1", "libaom-av1"], "clip.webm"),
]


@pytest.mark.parametrize(("codec", "encoders", "name"), CODECS)
def test_every_codec_gives_every_frame_at_its_time(make_clip, grey, codec, encoders, name):
    encoder = next((encoder for encoder in encoders if encoder in av.codecs_available), None)
    if encoder is None:
        pytest.skip(f"PyAV was built without an encoder for {codec} ({', '.join(encoders)})")
    policy = os.sched_getscheduler(0)
    path = make_clip(name, frames=30, codec=encoder)
    assert os.sched_getscheduler(0) == policy, "other tests would starve"
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name in (codec, f"lib{codec}", "libdav1d")
    assert probe(path).frames_per_second == pytest.approx(25, rel=0.05)
    shown = list(video_frames(path, at(96, 64)))
    assert positions_ms(shown) == pytest.approx([40 * index for index in range(30)], abs=1)
    assert [level(frame) for frame in shown] == pytest.approx(
        [grey(index) for index in range(30)], abs=3
    )
    assert [frame.until_ns for frame in shown] == [frame.position_ns for frame in shown[1:]] + [
        ENDLESS_NS
    ]
    for start_ms, frame in ((0, 0), (39, 0), (401, 10), (799, 19), (5000, 29)):
        first = next(video_frames(path, at(96, 64), start_ns=start_ms * 1_000_000))
        assert first.position_ns / 1e6 == pytest.approx(40 * frame, abs=1)
        assert level(first) == pytest.approx(grey(frame), abs=3)


@pytest.mark.parametrize(
    "name", ["clip.mp4", "clip.mkv", "clip.mov", "clip.avi", "clip.ts", "clip.mpg"]
)
@pytest.mark.parametrize("start_ms", [0, 10, 400, 1234, 1990])
def test_a_clip_is_entered_at_the_frame_that_is_seen_there(make_clip, grey, name, start_ms):
    shown = list(
        video_frames(make_clip(name, frames=50), at(96, 64), start_ns=start_ms * 1_000_000)
    )
    first = start_ms // 40
    assert positions_ms(shown) == pytest.approx([40 * index for index in range(first, 50)], abs=1)
    assert [level(frame) for frame in shown] == pytest.approx(
        [grey(index) for index in range(first, 50)], abs=2
    )


def test_a_clip_that_cannot_be_entered_is_read_from_its_start(make_clip, grey, monkeypatch):
    monkeypatch.setattr("ads.media.clip_timing.PictureTrack._decoded_from", lambda *_: None)
    shown = list(video_frames(make_clip("clip.mp4", frames=50), at(96, 64), start_ns=1_000_000_000))
    assert positions_ms(shown) == pytest.approx([40 * index for index in range(25, 50)])
    assert level(shown[0]) == pytest.approx(grey(25), abs=2)


def test_an_animation_is_entered_in_any_of_its_rounds(make_animation):
    path = make_animation("blink.gif", [0, 120, 240], [200, 70, 330])

    def first(start_ms: int, *, loop: bool):
        return next(animation_frames(path, at(48, 32), loop=loop, start_ns=start_ms * 1_000_000))

    assert [
        first(ms, loop=True).position_ns // 1_000_000 for ms in (0, 199, 200, 269, 270, 805)
    ] == [
        *(0, 0, 200, 200, 270, 800),
    ]
    assert level(first(805, loop=True)) == pytest.approx(120, abs=2)
    assert first(805, loop=True).until_ns == 870_000_000
    assert first(5000, loop=False).position_ns == 270_000_000
    assert first(5000, loop=False).until_ns == ENDLESS_NS


def test_what_was_left_out_is_counted(make_clip):
    path = make_clip("slow.mp4", frames=50)
    shown = list(video_frames(path, at(96, 64), wanted_ns=lambda: 490_000_000))
    assert [frame.left_out for frame in shown[:3]] == [0, 9, 0]
    assert len(shown) + sum(frame.left_out for frame in shown) == 50


def test_a_clip_without_key_frames_holds_no_picture(make_clip, without_key_frames):
    path = without_key_frames(make_clip("whole.mkv", frames=60), "no-key.mkv")
    assert path.stat().st_size > 1000
    for read in (probe, lambda path: list(video_frames(path, at(96, 64)))):
        with pytest.raises(
            MediaError, match="holds no picture that can be decoded; replace the file"
        ):
            read(path)


def test_files_that_are_gone_or_empty_are_named_so_when_they_are_played(tmp_path):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "empty.png").touch()
    for kind, ending in (("video", "mp4"), ("image", "png")):
        with pytest.raises(MediaError, match="is empty; copy the file again"):
            list(frames(tmp_path / f"empty.{ending}", kind, at(96, 64)))
        with pytest.raises(MediaError, match="does not exist; expected a media file there"):
            list(frames(tmp_path / f"gone.{ending}", kind, at(96, 64)))


def test_fine_lines_of_a_4k_picture_become_an_even_grey(tmp_path):
    path = tmp_path / "lines.png"
    board = (np.indices((2160, 3840)).sum(0) % 2 * 255).astype(np.uint8)
    Image.fromarray(board).save(path)
    for size in ((1280, 720), (960, 540)):
        (frame,) = image_frames(path, at(*size))
        assert frame.rgb.shape == (size[1], size[0], 3)
        # Leaving out pixels would give stripes from black to white.
        assert frame.rgb.std() < 4
        assert frame.rgb.mean() == pytest.approx(127.5, abs=2)


def test_a_4k_picture_keeps_its_edges_sharp(tmp_path):
    path = tmp_path / "edge.png"
    picture = np.zeros((2160, 3840, 3), np.uint8)
    picture[:, 1920:] = 255
    Image.fromarray(picture).save(path)
    (frame,) = image_frames(path, at(1280, 720))
    row = frame.rgb[360, :, 0].astype(int)
    assert row[:636].max() <= 12
    assert row[644:].min() >= 243
    # From dark to bright within two pixels.
    assert np.count_nonzero((row > 25) & (row < 230)) <= 2


# --- sound ---


def heard(path, start_s: float = 0.0):
    blocks = list(sound_blocks(path, start_s))
    expected = start_s
    for position_s, samples in blocks:
        assert position_s == pytest.approx(expected, abs=1e-6)
        assert samples.dtype == np.int16
        assert samples.shape[1] == 2
        expected += len(samples) / SAMPLE_RATE_HZ
    return np.concatenate([samples for _, samples in blocks])


def test_sound_has_the_right_pitch_and_length(make_clip):
    path = make_clip("tone.mp4", frames=50, tone_hz=1000)
    assert probe(path).has_sound
    samples = heard(path)
    assert len(samples) / 48_000 == pytest.approx(2.0, abs=0.05)
    spectrum = np.abs(np.fft.rfft(samples[:48_000, 0]))
    assert np.argmax(spectrum) == pytest.approx(1000, abs=2)
    assert (
        np.array_equal(samples[:, 0], samples[:, 1])
        or np.abs(np.diff(samples.astype(int), axis=1)).max() < 600
    )


@pytest.mark.parametrize("start_s", [0.0, 0.4, 1.013])
def test_sound_starts_where_it_is_asked_to(make_clip, start_s):
    path = make_clip("late.mp4", frames=50, tone_hz=1000, silent_ms=1200)
    samples = heard(path, start_s)
    loud = np.flatnonzero(np.abs(samples[:, 0].astype(int)) > 4000)[0] / 48_000
    assert start_s + loud == pytest.approx(1.2, abs=0.03)


def test_rare_formats_are_not_looked_for(tmp_path):
    # EPS is a program that another one would execute; a list of files could name any file of the
    # machine.
    (tmp_path / "ad.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    )
    (tmp_path / "ad.mp4").write_text("ffconcat version 1.0\nfile other.mp4\n")
    (tmp_path / "ad.ts").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nother.mp4\n#EXT-X-ENDLIST\n"
    )
    for name in ("ad.png", "ad.mp4", "ad.ts"):
        with pytest.raises(MediaError, match="cannot be decoded"):
            probe(tmp_path / name)


def test_a_list_of_other_files_is_not_followed(make_clip):
    clip = make_clip("other.mp4", frames=10)
    listed = clip.with_name("list.mp4")
    listed.write_text("ffconcat version 1.0\nfile other.mp4\n")
    with pytest.raises(MediaError, match="cannot be decoded as a video"):
        probe(listed)


@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
def test_an_animation_without_end_is_refused(make_animation, monkeypatch, ending):
    path = make_animation(f"long.{ending}", list(range(20, 140, 10)), [40] * 12)
    assert probe(path).kind == "animation"
    monkeypatch.setattr("ads.media.pictures.MAX_ANIMATION_FRAMES", 11)
    with pytest.raises(
        MediaError, match="an animation of more than 11 pictures; make a video of it"
    ):
        probe(path)


def test_a_clip_that_claims_to_last_for_years_is_refused(make_clip, monkeypatch):
    path = make_clip("clip.mp4", frames=50)
    monkeypatch.setattr("ads.media.decode.MAX_DURATION_S", 1.5)
    with pytest.raises(MediaError, match=r"claims to last 0 hours; expected at most 0, so cut it"):
        probe(path)
