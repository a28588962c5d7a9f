from __future__ import annotations

from types import SimpleNamespace

import pytest

from ads.errors import MediaError
from ads.media import speed
from ads.media.check import measure_apart
from ads.media.speed import DecodingSpeed, decoding_speed


@pytest.fixture
def decode(monkeypatch):
    """Let a clip of 60 pictures a second be decoded with a pause before each, on a fake clock."""
    now = [100.0]
    monkeypatch.setattr(speed.time, "monotonic", lambda: now[0])

    def build(pause_s: float, count: int = 600) -> None:
        def frames(*_):
            for number in range(count):
                now[0] += pause_s
                yield SimpleNamespace(position_ns=round(number * 1e9 / 60))

        monkeypatch.setattr(speed, "frames", frames)

    return build


def test_a_slow_machine_is_told_from_a_fast_one(decode, tmp_path):
    decode(1 / 11)
    slow = decoding_speed(tmp_path)
    assert (round(slow.decoded), round(slow.needed), slow.is_enough) == (11, 60, False)
    assert "decodes 11 of its 60 pictures a second, so it is shown at a lower rate" in slow.sentence
    decode(1 / 61)
    assert decoding_speed(tmp_path).is_enough
    decode(1 / 1000)
    fast = decoding_speed(tmp_path)
    assert (round(fast.decoded), round(fast.needed)) == (1000, 60)


@pytest.mark.parametrize("count", [0, 1])
def test_of_a_picture_or_two_nothing_is_known(decode, tmp_path, count):
    decode(0.01, count)
    assert decoding_speed(tmp_path) is None


def test_clips_are_measured_apart_until_the_time_is_over(make_clip, make_image, tmp_path):
    clips = [make_clip(f"{name}.mp4", frames=50) for name in "ab"]
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no clip")
    found = measure_apart([broken, *clips], 60.0)
    assert found[broken] is None
    for clip in clips:
        assert isinstance(found[clip], DecodingSpeed)
        assert found[clip].needed == pytest.approx(25, abs=2)
    assert measure_apart(clips, 0.0) == {}
    with pytest.raises(MediaError):
        decoding_speed(broken)
