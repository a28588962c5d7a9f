"""Files that somebody might send to do harm, by the name they are sent with."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image

RIGHT_TO_LEFT = "\u202e"

NAMES = [
    "",
    ".",
    "..",
    "../../etc/cron.d/x.png",
    "..\\..\\windows\\x.png",
    "/etc/passwd.png",
    "a\nb.png",
    "a\x1b[2J.png",
    "a\x7f.png",
    f"invoice{RIGHT_TO_LEFT}gnp.mp4",
    "a\u2066b.png",
    "zero\u200bwidth.png",
    "\ufeff.png",
    "x" * 300 + ".png",
    "page.html",
    "drawing.svg",
    "list.m3u8",
    "list.m3u",
    "stream.mpd",
    "concat.ffconcat",
    "session.sdp",
    "program.exe",
    "archive.zip",
    "link.lnk",
    "no ending",
    ".png",
]
"""No file of such a name may be sent."""


def refused_files(port: int) -> dict[str, bytes]:
    """Return files that are refused for what they hold.

    Args:
        port: Of a server on this machine, which nobody may call.
    """
    there = f"http://127.0.0.1:{port}/segment.ts"
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{}\n#EXT-X-ENDLIST\n"
    page = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    manifest = (
        f'<?xml version="1.0"?><MPD><Period><BaseURL>{there}</BaseURL></Period></MPD>'.encode()
    )
    sdp = f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video {port} RTP/AVP 96\n"
    return {
        "page.jpg": page,
        "page.png": page,
        "page.mp4": page,
        "drawing.png": svg,
        "drawing.webp": svg,
        "hls-url.mp4": playlist.format(there).encode(),
        "hls-url.ts": playlist.format(there).encode(),
        "hls-url.mkv": playlist.format(there).encode(),
        "hls-file.mp4": playlist.format("file:///etc/passwd").encode(),
        "hls-concat.ts": playlist.format(f"concat:{there}|file:///etc/passwd").encode(),
        "concat.mp4": f"ffconcat version 1.0\nfile '{there}'\n".encode(),
        "concat-file.avi": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        "dash.mp4": manifest,
        "session.mp4": sdp.encode(),
        "program.mp4": b"\x7fELF" + bytes(range(256)) * 40,
        "program.jpg": b"MZ" + bytes(range(256)) * 40,
        "script.png": b"#!/bin/sh\ntouch /tmp/executed\n",
        "archive.mp4": _archive(),
        "archive.jpg": _archive(),
        "noise.mp4": np.random.default_rng(1).bytes(100_000),
        "zeros.mp4": bytes(100_000),
        "zeros.png": bytes(100_000),
        "one byte.jpg": b"\xff",
        "bomb.png": _png(60_000, 60_000),
        "bomb.gif": b"GIF89a\xff\xff\xff\xff\x80\x00\x00"
        + bytes(6)
        + b",\0\0\0\0\xff\xff\xff\xff\0\x08",
        "bomb.tif": _tiff(60_000, 60_000),
        "bomb.bmp": _bmp(60_000, 60_000),
        "no rows.png": _png(4000, 4000, b""),
        "header.png": _png(64, 64)[:40],
        "header.jpg": _written("JPEG")[:200],
    }


def harmless_files() -> dict[str, bytes]:
    """Return files that can be shown, although they are also something else."""
    return {
        "also a page.gif": _written("GIF") + b"<script>alert(1)</script>",
        "also an archive.jpg": _written("JPEG") + _archive(),
        "with a script.png": _written("PNG", "<script>alert(1)</script>"),
        "other ending.mp4": _written("PNG"),
    }


def _written(kind: str, text: str | None = None) -> bytes:
    from PIL.PngImagePlugin import PngInfo

    file, options = io.BytesIO(), {}
    if text is not None:
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_text("Comment", text)
    pixels = np.random.default_rng(2).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def _archive() -> bytes:
    """Ten megabytes of nothing in a few kilobytes, under a name that climbs."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../executed", bytes(10_000_000))
    return file.getvalue()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def _png(width: int, height: int, rows: bytes = bytes(100_000)) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def _bmp(width: int, height: int) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 154, 0, 0, 54) + head + bytes(100)


def _tiff(width: int, height: int) -> bytes:
    entries = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 200), (278, height)]
    entries.append((279, 100))
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    body = b"II*\0" + struct.pack("<IH", 8, len(entries)) + rows + bytes(4)
    return body.ljust(200, b"\0") + bytes(100)
