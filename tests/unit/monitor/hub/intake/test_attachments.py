"""What kiosks send back for commands."""

from __future__ import annotations

from io import BytesIO

import pytest
import zstandard
from PIL import Image

from monitor.hub.intake.attachments import AttachmentError, check_attachment


def picture(kind: str, size: tuple[int, int] = (64, 36), **options: object) -> bytes:
    target = BytesIO()
    Image.new("L", size).save(target, kind, **options)
    return target.getvalue()


@pytest.mark.parametrize(
    ("kind", "media_type", "content"),
    [
        ("picture", "image/png", picture("PNG")),
        ("picture", "image/jpeg", picture("JPEG")),
        ("logs", "application/zstd", zstandard.compress(b"a line\n" * 100)),
    ],
)
def test_what_was_asked_for_is_taken(kind: str, media_type: str, content: bytes) -> None:
    check_attachment(kind, media_type, content)


@pytest.mark.parametrize(
    ("kind", "media_type", "content", "why"),
    [
        ("identify", "image/png", picture("PNG"), "identify brings nothing"),
        ("logs", "image/png", picture("PNG"), "logs brings application/zstd"),
        ("picture", "image/png", picture("JPEG"), "in the format PNG"),
        ("picture", "image/jpeg", b"<svg onload=alert(1)>", "in the format JPEG"),
        ("picture", "image/png", picture("PNG")[:60], "in the format PNG"),
        ("picture", "image/png", picture("PNG", (9000, 9000)), "50 million pixels"),
        (
            "picture",
            "image/png",
            picture("PNG", save_all=True, append_images=[Image.new("L", (64, 36), 9)]),
            "that moves",
        ),
        ("logs", "application/zstd", b"plain text", "packed with zstd"),
        ("logs", "application/zstd", zstandard.compress(bytes(300 << 20)), "at most 256 MB"),
    ],
)
def test_what_it_is_not_is_refused_in_words(
    kind: str, media_type: str, content: bytes, why: str
) -> None:
    with pytest.raises(AttachmentError, match=why):
        check_attachment(kind, media_type, content)
