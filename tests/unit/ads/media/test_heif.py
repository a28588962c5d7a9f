"""HEIC pictures: whole or in tiles, turned and mirrored, damaged."""

from __future__ import annotations

from contextlib import suppress

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ads.errors import MediaError
from ads.media.decode import frames, probe
from ads.media.heif import is_heic, read_heic
from tests.helpers.icc_profiles import swapped_profile
from tests.media.heic_maker import heic

if "libx265" not in av.codecs_available:
    pytest.skip("PyAV was built without an encoder for HEVC", allow_module_level=True)


def drawn(width: int = 200, height: int = 120) -> np.ndarray:
    """Red rising to the right, green rising downwards."""
    rgb = np.full((height, width, 3), 60, np.uint8)
    rgb[..., 0] = np.linspace(20, 230, width)[None]
    rgb[..., 1] = np.linspace(20, 230, height)[:, None]
    return rgb


@pytest.fixture(scope="module")
def in_tiles() -> bytes:
    return heic(drawn(), (96, 64))


def read(folder, content: bytes) -> np.ndarray:
    path = folder / "a.heic"
    path.write_bytes(content)
    return np.asarray(read_heic(path)).astype(int)


@pytest.mark.parametrize("tile", [None, (96, 64), (200, 64), (64, 128)])
def test_tiles_are_put_together_and_cut_to_the_size_of_the_picture(tmp_path, tile):
    found = read(tmp_path, heic(drawn(), tile))
    assert found.shape == (120, 200, 3)
    assert np.abs(found - drawn()).max() <= 4


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("mirror", [None, 0, 1])
def test_a_picture_is_turned_and_then_mirrored(tmp_path, turns, mirror):
    found = read(tmp_path, heic(drawn(), (96, 64), turns=turns, mirror=mirror))
    expected = np.rot90(drawn(), turns)
    expected = expected if mirror is None else np.flip(expected, mirror)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 4


def test_its_profile_counts(tmp_path):
    path = tmp_path / "a.heic"
    path.write_bytes(heic(drawn(), icc=swapped_profile()))
    (frame,) = frames(path, "image", lambda: (200, 120))
    assert np.abs(frame.rgb.astype(int) - drawn()[..., ::-1]).max() <= 5


@pytest.mark.parametrize("name", ["a.heic", "a.HEIF", "a.hif", "a.jpg", "a.mp4"])
def test_it_is_found_under_any_name(tmp_path, in_tiles, name):
    path = tmp_path / name
    path.write_bytes(in_tiles)
    info = probe(path)
    assert (info.kind, info.width, info.height) == ("image", 200, 120)


@pytest.mark.parametrize(
    ("found", "other", "why"),
    [
        (b"grid", b"iovl", "its main picture is of the kind iovl"),
        (b"dimg", b"xxxx", "damaged or of a rare kind"),
        (b"meta", b"xxxx", "it has no description"),
        (b"ispe", b"xxxx", "damaged or of a rare kind"),
    ],
)
def test_what_cannot_be_put_together_is_refused_with_advice(tmp_path, in_tiles, found, other, why):
    with pytest.raises(MediaError, match=rf"a\.heic is a HEIC .*{why}.*; convert it to JPEG\."):
        read(tmp_path, in_tiles.replace(found, other))


def test_a_picture_that_is_cut_off_is_refused(tmp_path, in_tiles):
    for share in (0.1, 0.5, 0.9):
        with pytest.raises(
            MediaError, match=r"is a HEIC picture that is damaged .*convert it to JPEG"
        ):
            read(tmp_path, in_tiles[: int(len(in_tiles) * share)])


def test_a_giant_is_refused_before_it_is_decoded(tmp_path, in_tiles):
    claimed = in_tiles.replace(
        bytes([0, 0, 1, 2, 0, 200, 0, 120]), bytes([0, 0, 1, 2, 255, 255, 255, 255])
    )
    assert claimed != in_tiles
    with pytest.raises(MediaError, match="claims 65535 x 65535 pixels"):
        read(tmp_path, claimed)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_whatever_the_bytes_it_is_a_picture_or_a_sentence(tmp_path_factory, in_tiles, data):
    content = bytearray(in_tiles)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, 900))] = data.draw(st.integers(0, 255))
    with suppress(MediaError):
        assert read(tmp_path_factory.mktemp("heic"), bytes(content)).size <= 3 * 80_000_000


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=80))
def test_other_files_are_not_taken_for_it(start):
    assert not is_heic(start) or start[4:8] == b"ftyp"
