"""Files are probed in another process: what breaks it there does no harm, and is remembered."""

from __future__ import annotations

import hashlib
import io
import json
import logging

import platformdirs
import pytest
from PIL import Image

import ads.media.check
from ads.errors import MediaError
from ads.media.check import CACHE_NAME, check_apart, examine_apart
from ads.media.decode import probe
from ads.media.preview import Preview
from ads.media.types import MediaInfo
from ads.playlists.loader import load_playlist


def digested(*paths):
    return [(path, hashlib.sha256(path.read_bytes()).hexdigest()) for path in paths]


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    """Make files whose content is run by the process that opens them, through a trap module."""

    def make(name: str, deed: str):
        path = tmp_path / name
        path.write_bytes(deed.encode())
        return path

    trap = tmp_path / "trap"
    trap.mkdir()
    (trap / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'ads.media.check' in sys.orig_argv:\n"
        "    import PIL.Image\n"
        "    opened = PIL.Image.open\n"
        "    def trapped(path, **kind):\n"
        "        deed = open(path, 'rb').read(200)\n"
        "        if deed.startswith(b'DEED'):\n"
        "            exec(deed[4:])\n"
        "        return opened(path, **kind)\n"
        "    PIL.Image.open = trapped\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(trap))
    return make


def test_what_is_found_apart_is_what_is_found_here(make_clip, make_image, make_animation, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no clip")
    good = [
        make_clip("a.mp4", frames=20, tone_hz=440),
        make_image("b.png"),
        make_animation("c.gif", [10, 90], [40, 40]),
    ]
    *found, refused = check_apart(digested(*good, tmp_path / "broken.mp4"))
    assert found == [probe(path) for path in good]
    assert isinstance(refused, MediaError)
    assert "broken.mp4 cannot be decoded as a video" in str(refused)


@pytest.mark.parametrize(
    ("deed", "how"),
    [
        ("DEEDimport os; os.kill(os.getpid(), 11)", "was ended by signal 11"),
        ("DEEDimport os; os._exit(7)", "ended with status 7"),
        ("DEEDwhile True: pass", "needed more than 1 s of computing time"),
        ("DEEDbytearray(64 << 30)", "cannot be decoded as a picture"),
        (
            "DEEDwith open(f'{path}.out', 'w') as out: out.write('x')",
            "cannot be decoded as a picture .File too large",
        ),
        (
            "DEEDimport os; os.write(1, b'noise'); raise OSError('bad')",
            "cannot be decoded as a picture",
        ),
    ],
)
def test_a_file_that_breaks_the_process_is_left_out_and_the_others_are_not(
    hostile, make_image, monkeypatch, deed, how
):
    monkeypatch.setattr(ads.media.check, "AT_ONCE", 1)
    monkeypatch.setattr(ads.media.check, "CPU_LIMIT_S", 1)
    good = make_image("good.png")
    broken, sound = check_apart(digested(hostile("bad.png", deed), good))
    assert isinstance(broken, MediaError)
    with pytest.raises(MediaError, match=how):
        raise broken
    assert sound == probe(good)


def test_a_file_that_hangs_is_given_up(hostile, make_image, monkeypatch):
    ask = ads.media.check._Checker.ask

    def hastily(checker, path):
        # Only the one that hangs has little time: a process takes a while to start.
        with monkeypatch.context() as hasty:
            if path.name == "bad.png":
                hasty.setattr(ads.media.check, "ANSWER_LIMIT_S", 1.0)
            return ask(checker, path)

    monkeypatch.setattr(ads.media.check, "AT_ONCE", 1)
    monkeypatch.setattr(ads.media.check._Checker, "ask", hastily)
    hanging = hostile("bad.png", "DEEDimport time; time.sleep(600)")
    good = make_image("good.png")
    for _ in range(2):  # not remembered: the machine may have been busy
        given_up, sound = check_apart(digested(hanging, good))
        assert "did not answer within 1 s" in str(given_up)
        assert sound == probe(good)


def test_each_file_is_looked_into_once(hostile, make_image, monkeypatch):
    files = digested(
        make_image("good.png"), hostile("bad.png", "DEEDimport os; os.kill(os.getpid(), 11)")
    )
    first = check_apart(files)
    monkeypatch.setattr(
        ads.media.check.subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started")
    )
    again = check_apart(files)
    assert again[0] == first[0]
    assert str(again[1]) == str(first[1])
    # The same content under another name, and under another kind of name.
    renamed = [(path.with_name(f"other{path.suffix}"), digest) for path, digest in files]
    assert check_apart(renamed)[0] == first[0]


def test_a_damaged_cache_costs_time_and_no_more(make_image, tmp_path, monkeypatch):
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda _name: tmp_path / "cache")
    files = digested(make_image("good.png"))
    first = check_apart(files)
    assert isinstance(first[0], MediaInfo)
    cache = tmp_path / "cache" / CACHE_NAME
    document = json.loads(cache.read_text())
    entries = {**document, "files": {key: {"kind": "song"} for key in document["files"]}}
    damaged = json.dumps(entries).encode()
    for content in (b"", b"[1, 2", b"{}", b'{"by": 1, "files": {}}', b"\xff", damaged):
        cache.write_bytes(content)
        assert check_apart(files) == first, content


def test_without_further_processes_the_show_goes_on(make_image, monkeypatch, caplog):
    def refuse(*_, **__):
        raise OSError("no more processes")

    monkeypatch.setattr(ads.media.check.subprocess, "Popen", refuse)
    path = make_image("good.png")
    with caplog.at_level(logging.WARNING):
        assert check_apart(digested(path)) == [probe(path)]
    assert "in this process instead: no further process can be started" in caplog.text


def test_a_playlist_leaves_the_broken_file_out(hostile, make_image, tmp_path):
    make_image("good.png")
    hostile("bad.png", "DEEDimport os; os.kill(os.getpid(), 11)")
    (tmp_path / "playlist.yaml").write_text(
        "ads: [{file: bad.png, duration_s: 1}, {file: good.png, duration_s: 1}]"
    )
    playlist = load_playlist(tmp_path / "playlist.yaml", check_apart)
    assert [ad.ad_id for ad in playlist.ads] == ["good"]
    assert (
        "broke the decoder, which was ended by signal 11; replace the file"
        in playlist.skipped[0].reason
    )


def test_what_is_wrong_with_a_file_that_can_be_played_is_remarked(make_clip, tmp_path, caplog):
    whole = make_clip("whole.mkv", frames=50)
    (tmp_path / "cut.mkv").write_bytes(whole.read_bytes()[:-1000])
    (tmp_path / "list.yaml").write_text("ads:\n  - file: whole.mkv\n  - file: cut.mkv\n")
    first, second = load_playlist(tmp_path / "list.yaml", check_apart).ads
    assert first.remarks == ()
    (remark,) = second.remarks
    assert remark.endswith(
        "cut.mkv is cut off: parts of it are missing, so it ends early; copy it again."
    )
    assert remark in caplog.text


def test_a_strangers_file_is_examined_apart_with_its_stills(make_clip, make_image, tmp_path):
    info, preview = examine_apart(make_clip("a.mp4", frames=100, size=(320, 180)))
    assert (info.kind, info.duration_s) == ("video", 4.0)
    with (
        Image.open(io.BytesIO(preview.still)) as still,
        Image.open(io.BytesIO(preview.strip)) as strip,
    ):
        assert still.size == (320, 180)
        assert strip.size == (1280, 72)
    assert not preview.is_hdr
    info, preview = examine_apart(make_image("b.png"))
    assert (info.kind, preview.strip) == ("image", None)
    (tmp_path / "broken.mp4").write_bytes(b"no clip")
    with pytest.raises(MediaError, match="cannot be decoded"):
        examine_apart(tmp_path / "broken.mp4")


def test_a_strangers_file_is_never_examined_here(make_image, monkeypatch):
    monkeypatch.setattr(ads.media.check.sys, "executable", "/bin/false")
    with pytest.raises(MediaError, match="cannot be checked now"):
        examine_apart(make_image("a.png"))


def test_a_file_whose_stills_cost_too_much_has_its_first_one(hostile, make_image, monkeypatch):
    asked = []

    def preview(self, path, *, brief=False):
        asked.append(brief)
        return Preview(b"first") if brief else None

    monkeypatch.setattr(ads.media.check._Checker, "preview", preview)
    assert examine_apart(make_image("a.png"))[1] == Preview(b"first")
    assert asked == [False, True]
