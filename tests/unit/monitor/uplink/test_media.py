"""Media on their way from the hub to a kiosk's disk."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from monitor.uplink import media
from monitor.uplink.address import HubRefusedError, HubUnreachableError
from monitor.uplink.client import HubClient
from monitor.uplink.documents import MediaEntry
from monitor.uplink.media import MediaFolder, ShowRefusedError
from tests.helpers.show_hub import KEY, ShowHub

CLIP = bytes(range(256)) * 12_000  # three pieces
SHA256 = hashlib.sha256(CLIP).hexdigest()
ENTRY = MediaEntry(sha256=SHA256, size=len(CLIP), ending=".mp4")


@pytest.fixture
def folder(tmp_path):
    return MediaFolder(tmp_path / "media", 1e9)


@pytest.fixture
def hub():
    hub = ShowHub()
    hub.add(CLIP)
    return hub


@pytest.fixture
def client(hub):
    with hub.serving() as address:
        client = HubClient(address)
        yield client
        client.close()


def fetch(folder, client, entry=ENTRY):
    """Fetch as a kiosk does, which tries again whenever the hub fails; return those failures."""
    folder.make_room([entry], [])
    download, failures = folder.download(entry), []
    is_whole = False
    while not is_whole:
        try:
            is_whole = download.step(client, KEY)
        except (HubRefusedError, HubUnreachableError) as error:
            failures.append(error)
            assert len(failures) < 20
    return failures


def spans(hub):
    return [headers["Range"] for path, headers in hub.asked if path == f"media/{SHA256}"]


def test_a_file_arrives_in_pieces(hub, folder, client):
    assert not folder.has(ENTRY)
    assert fetch(folder, client) == []
    assert folder.has(ENTRY)
    assert (folder.path / ENTRY.name).read_bytes() == CLIP
    assert spans(hub) == ["bytes=0-1048575", "bytes=1048576-2097151", "bytes=2097152-3071999"]
    assert [file.name for file in folder.path.iterdir()] == [ENTRY.name]


def test_what_has_arrived_before_a_break_is_not_fetched_again(hub, folder, client):
    def break_off(request, content, begin, _end):
        hub.trouble = None
        request.send_response(206)
        request.send_header("Content-Range", f"bytes {begin}-1048575/{len(content)}")
        request.send_header("Content-Length", "1048576")
        request.end_headers()
        request.wfile.write(content[:400_000])
        request.close_connection = True
        return True

    hub.trouble = break_off
    [failure] = fetch(folder, client)
    assert isinstance(failure, HubUnreachableError)
    second = int(spans(hub)[1].removeprefix("bytes=").partition("-")[0])
    assert 65_536 <= second <= 400_000
    assert folder.has(ENTRY)


def test_another_download_goes_on_with_the_part_on_the_disk(hub, folder, client):
    folder.make_room([ENTRY], [])
    assert not folder.download(ENTRY).step(client, KEY)
    fetch(folder, client)
    assert spans(hub)[:2] == ["bytes=0-1048575", "bytes=1048576-2097151"]
    assert len(spans(hub)) == 3


def test_a_damaged_part_on_the_disk_is_thrown_away(hub, folder, client):
    folder.make_room([ENTRY], [])
    (folder.path / f"{ENTRY.name}.part").write_bytes(bytes(2_000_000))
    fetch(folder, client)
    assert (folder.path / ENTRY.name).read_bytes() == CLIP
    (folder.path / f"{ENTRY.name}.part").write_bytes(bytes(len(CLIP) + 1))
    (folder.path / ENTRY.name).unlink()
    fetch(folder, client)
    assert (folder.path / ENTRY.name).read_bytes() == CLIP


def test_the_hubs_file_is_not_the_one_that_it_described(hub, folder, client):
    hub.media[SHA256] = CLIP + b"more"
    with pytest.raises(ShowRefusedError, match="not as the hub described it, 3 times in a row"):
        fetch(folder, client)
    hub.media[SHA256] = CLIP[:-4]
    with pytest.raises(ShowRefusedError, match="expected 3072000 bytes, received 3071996"):
        fetch(folder, client)
    assert not folder.has(ENTRY)


@pytest.mark.parametrize("status", [404, 416])
def test_a_file_that_is_not_there_is_asked_for_three_times(hub, folder, client, status):
    answers = []

    def refuse(request, _content, _begin, _end):
        answers.append(status)
        request.answer(status, b'{"detail": "No."}')
        return True

    hub.trouble = refuse
    with pytest.raises(ShowRefusedError, match="does not have a file of the show"):
        fetch(folder, client)
    assert answers == [status] * 3


def test_a_redirect_is_not_followed(hub, folder, client):
    def redirect(request, _content, _begin, _end):
        hub.trouble = None
        request.answer(302, Location=f"{client.hub}/hub/v1/elsewhere")
        return True

    hub.trouble = redirect
    [failure] = fetch(folder, client)
    assert failure.status == 302
    assert not [path for path, _ in hub.asked if path == "elsewhere"]


@pytest.mark.parametrize("odd", ["another part", "too much", "no range"])
def test_an_answer_that_does_not_fit_the_request_is_not_believed(hub, folder, client, odd):
    def answer(request, content, begin, end):
        hub.trouble = None
        part, spread = content[begin : end + 1], f"bytes {begin}-{end}/{len(content)}"
        if odd == "another part":
            spread = f"bytes {begin + 1}-{end + 1}/{len(content)}"
        elif odd == "too much":
            part += b"more" * 20_000
        request.answer(200 if odd == "no range" else 206, part, **{"Content-Range": spread})
        return True

    hub.trouble = answer
    assert len(fetch(folder, client)) == 1
    assert (folder.path / ENTRY.name).read_bytes() == CLIP


def test_a_kill_in_the_middle_costs_nothing(hub, folder, client):
    def drip(request, content, begin, end):
        request.send_response(206)
        request.send_header("Content-Range", f"bytes {begin}-{end}/{len(content)}")
        request.send_header("Content-Length", str(end + 1 - begin))
        request.end_headers()
        request.wfile.write(content[begin : begin + 700_000])
        time.sleep(2)
        return True

    hub.trouble = drip
    folder.make_room([ENTRY], [])
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from monitor.uplink.client import HubClient\n"
        "from monitor.uplink.documents import MediaEntry\n"
        "from monitor.uplink.media import MediaFolder\n"
        f"entry = MediaEntry(sha256='{SHA256}', size={len(CLIP)}, ending='.mp4')\n"
        f"folder = MediaFolder(Path({str(folder.path)!r}), 1e9)\n"
        f"folder.download(entry).step(HubClient({client.hub!r}), {KEY!r})\n"
    )
    part = folder.path / f"{ENTRY.name}.part"
    with subprocess.Popen([sys.executable, "-c", script]) as process:
        deadline = time.monotonic() + 300
        while not (part.exists() and part.stat().st_size >= 600_000):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    hub.trouble = None
    fetch(folder, client)
    assert (folder.path / ENTRY.name).read_bytes() == CLIP
    assert int(spans(hub)[1].removeprefix("bytes=").partition("-")[0]) >= 600_000


def test_a_disk_that_fills_up_meanwhile_is_left_as_it_was(hub, folder, client, monkeypatch):
    folder.make_room([ENTRY], [])
    take = HubClient.media

    def fill(self, sha256, span, key, write):
        written = 0

        def part(block):
            nonlocal written
            written += len(block)
            if written > 500_000:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            write(block)

        try:
            return take(self, sha256, span, key, part)
        except HubUnreachableError as error:
            raise error.__cause__ or error from None

    monkeypatch.setattr(HubClient, "media", fill)
    with pytest.raises(ShowRefusedError, match="The disk is full"):
        fetch(folder, client)
    assert list(folder.path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_small_disk_that_is_really_full(hub, tmp_path, client, monkeypatch):
    disk = tmp_path / "disk"
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", "size=1536k", "tmpfs", str(disk)]
    if subprocess.run(["mount", *options], check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        usage = SimpleNamespace(total=10**12, free=10**12)
        monkeypatch.setattr(media.shutil, "disk_usage", lambda _path: usage)
        folder = MediaFolder(disk / "media", 1e9)
        with pytest.raises(ShowRefusedError, match="The disk is full"):
            fetch(folder, client)
        assert list(folder.path.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize(
    ("total", "free", "fits"),
    [
        (100e9, 1e9 + len(CLIP), True),
        (100e9, 1e9 + len(CLIP) - 1, False),
        (8e9, 0.4e9 + len(CLIP), True),
        (8e9, 0.4e9 + len(CLIP) - 1, False),
    ],
)
def test_a_gigabyte_or_a_twentieth_of_a_small_disk_stays_free(
    folder, monkeypatch, total, free, fits
):
    usage = SimpleNamespace(total=total, free=free)
    monkeypatch.setattr(media.shutil, "disk_usage", lambda _path: usage)
    if fits:
        folder.make_room([ENTRY], [])
    else:
        with pytest.raises(ShowRefusedError, match="too full"):
            folder.make_room([ENTRY], [])


def test_what_is_kept_counts_towards_the_limit(tmp_path):
    other = ENTRY.model_copy(update={"sha256": "0" * 64})
    small = MediaFolder(tmp_path / "media", 1.5 * len(CLIP))
    small.make_room([ENTRY], [ENTRY])
    with pytest.raises(ShowRefusedError, match="with those of the show before"):
        small.make_room([ENTRY], [other])


def test_only_our_files_that_nothing_needs_are_deleted(folder):
    folder.path.mkdir()
    other = "0" * 64 + ".png"
    for name in (ENTRY.name, f"{ENTRY.name}.part", other, f"{other}.part", "notes.txt"):
        (folder.path / name).write_bytes(b"x")
    folder.sweep([ENTRY])
    left = {ENTRY.name, f"{ENTRY.name}.part", "notes.txt"}
    assert {file.name for file in folder.path.iterdir()} == left
