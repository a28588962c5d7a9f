"""Modules frame_converter and frame_filters; tests/media shows what clips look like in the end."""

from __future__ import annotations

import gc
import logging
from fractions import Fraction

import av
import numpy as np
import pytest

from ads.media import frame_converter, frame_filters
from ads.media.clips import video_frames
from ads.media.frame_converter import FrameConverter, upright_size
from ads.media.types import fit
from detector.sources.orientation import UPRIGHT, Orientation
from tests.media import clip_maker
from tests.media.clip_maker import Coding


def frame_of(pixels: str = "yuv420p", size: tuple[int, int] = (64, 48)) -> av.VideoFrame:
    """Return an untagged frame of an even grey of 128."""
    coding = Coding(pixels=pixels, stated=None, range_stated=0, transfer=2, primaries=2)
    return clip_maker.frame_of(np.full((size[1], size[0], 3), 128, np.uint8), coding)


@pytest.fixture
def without_filters(monkeypatch):
    frame_converter._can_filter.cache_clear()
    monkeypatch.setattr(frame_converter, "filters_available", set())
    yield
    frame_converter._can_filter.cache_clear()


def test_the_size_is_that_of_square_pixels():
    frame = frame_of()
    assert upright_size(frame, None, UPRIGHT) == (64, 48)
    assert upright_size(frame, Fraction(0), UPRIGHT) == (64, 48)
    assert upright_size(frame, Fraction(3, 2), UPRIGHT) == (96, 48)
    assert upright_size(frame, Fraction(3, 2), Orientation.clockwise(90)) == (48, 96)
    assert upright_size(frame, Fraction(1, 1000), UPRIGHT) == (1, 48)


def test_frames_are_released_once_they_are_converted(tmp_path):
    path = clip_maker.write_clip(tmp_path / "clip.mp4", [np.zeros((48, 64, 3), np.uint8)] * 50)
    gc.collect()
    gc.disable()
    try:
        for _ in video_frames(path, lambda: (96, 72)):
            held = sum(isinstance(thing, av.VideoFrame) for thing in gc.get_objects())
            assert held < 10
    finally:
        gc.enable()


@pytest.mark.parametrize("viewport", [(128, 96), (32, 24), (64, 48), (101, 75)])
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv444p"])
def test_plain_frames_need_no_filter(monkeypatch, viewport, pixels):
    monkeypatch.setattr(frame_filters, "Graph", None)
    rgb = FrameConverter(None).converted(frame_of(pixels), viewport)
    assert rgb.shape == (*fit((64, 48), viewport)[::-1], 3)
    assert rgb.flags.c_contiguous
    assert np.abs(rgb.astype(int) - 128).max() <= 2


@pytest.mark.parametrize("level", [0, 1, 64, 128, 200, 254, 255])
def test_usual_clips_keep_their_levels_when_they_are_scaled(level):
    coding = Coding()
    frame = clip_maker.frame_of(np.full((48, 64, 3), level, np.uint8), coding)
    assert np.abs(FrameConverter(None).converted(frame, (96, 72)).astype(int) - level).max() <= 1


@pytest.mark.parametrize("colorspace", [0, 2, 3, 8, 10, 11, 12, 14])
def test_a_matrix_that_is_not_known_is_no_reason_to_show_nothing(colorspace):
    frame = frame_of()
    frame.colorspace = colorspace
    rgb = FrameConverter(None).converted(frame, (64, 48))
    assert np.abs(rgb.astype(int) - 128).max() <= 3


@pytest.mark.parametrize(("trc", "primaries"), [(3, 3), (17, 10), (8, 1), (19, 23), (16, 200)])
def test_neither_are_unknown_transfers_and_primaries(trc, primaries):
    frame = frame_of("yuv420p10le")
    frame.color_trc, frame.color_primaries = trc, primaries
    assert FrameConverter(None).converted(frame, (64, 48)).shape == (48, 64, 3)


def test_one_graph_serves_all_frames_of_a_size_and_another_one_the_next_size(monkeypatch):
    built = []
    build = frame_converter.CubeFilter

    def counted(*arguments):
        built.append(arguments)
        return build(*arguments)

    monkeypatch.setattr(frame_converter, "CubeFilter", counted)
    converter = FrameConverter(None)
    for viewport in [(64, 48)] * 4 + [(128, 96)] * 3:
        frame = frame_of("yuv420p10le")
        frame.color_trc, frame.color_primaries = 16, 9
        converter.converted(frame, viewport)
    assert len(built) == 2


def test_without_a_filter_frames_show_as_they_are_with_one_warning(without_filters, caplog):
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            frame = frame_of("yuv420p10le")
            frame.color_trc, frame.color_primaries = 18, 9
            rgb = FrameConverter(None).converted(frame, (64, 48))
            assert np.abs(rgb.astype(int) - 128).max() <= 3
    assert len(caplog.messages) == 1
    assert "lacks the filter haldclut" in caplog.messages[0]


@pytest.mark.parametrize("width", [17, 36, 63, 64, 98])
def test_colours_are_looked_up_in_frames_of_any_width(width):
    # FFmpeg's look-up works on blocks of pixels; without padding it wrote beyond the last row.
    frame = frame_of("yuv420p10le", (width, 40))
    frame.color_trc, frame.color_primaries = 16, 9
    converter = FrameConverter(None)
    for _ in range(50):
        rgb = converter.converted(frame, (width, 40))
        assert rgb.shape == (40, width, 3)
        assert np.ptp(rgb) <= 1


def test_a_filter_that_fails_leaves_the_frame_as_it_is(monkeypatch, caplog):
    def fail(*_: object) -> None:
        raise av.error.FFmpegError(22, "Invalid argument")

    monkeypatch.setattr(frame_converter.CubeFilter, "filtered", fail)
    converter = FrameConverter(None)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            frame = frame_of("yuv420p10le")
            frame.color_trc, frame.color_primaries = 18, 9
            rgb = converter.converted(frame, (64, 48))
            assert np.abs(rgb.astype(int) - 128).max() <= 3
    assert len(caplog.messages) == 1
    assert "without the filter haldclut" in caplog.messages[0]


def test_frames_left_out_do_not_mix_interlaced_ones_up(tmp_path):
    levels = [40, 80, 120, 160, 200, 60, 100, 140]
    pictures = [np.full((48, 64, 3), level, np.uint8) for level in levels]
    options = {"qp": "0", "preset": "ultrafast", "x264-params": "tff=1"}
    path = clip_maker.write_clip(tmp_path / "fields.mp4", pictures, Coding(options=options))
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert all(frame.interlaced_frame for frame in frames)
    converter = FrameConverter(None)
    for index in (0, 1, 4, 5, 7):
        following = frames[index + 1] if index < 7 else None
        rgb = converter.converted(frames[index], (64, 48), following)
        assert np.abs(rgb.astype(int) - levels[index]).max() <= 2, index
