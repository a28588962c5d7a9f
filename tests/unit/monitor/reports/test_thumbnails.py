"""Pictures of the ads of a report: from the file that was shown, or a reason why not."""

from __future__ import annotations

import hashlib
import shutil

import pytest

from db.read.sessions import AdInfo
from monitor.reports.thumbnails import SAMPLES, find_scenes, find_thumbnails
from tests.helpers.clips import write_shots


def entry(file: str, kind: str, duration_s: float, digest: str | None = None, moments=()) -> dict:
    if digest is None:
        digest = hashlib.sha256((SAMPLES / file).read_bytes()).hexdigest()
    found = [{"kind": "peak", "second": second, "value": 0.1} for second in moments]
    return {
        "file": file,
        "kind": kind,
        "duration_s": duration_s,
        "sha256": digest,
        "key_moments": found,
    }


def test_each_ad_gets_its_strip_and_its_moments():
    ads = [entry("solina.mp4", "video", 8.0, moments=(3, 0, 3)), entry("brume.jpg", "image", 6.0)]
    films = find_thumbnails({"ads": ads})
    assert list(films) == [0, 1]
    assert [still.second for still in films[0].strip] == [k + 0.5 for k in range(8)]
    assert sorted(films[0].moments) == [0, 3]
    assert films[0].moments[3].second == 3.5
    assert films[0].moments[3].height > films[0].strip[0].height
    assert films[0].missing == films[1].missing == ""
    assert len(films[1].strip) == 1
    assert sum(len(still.jpeg) for film in films.values() for still in film.strip) < 60_000


def test_a_moment_in_a_last_second_that_is_short_lies_within_the_ad():
    (film,) = find_thumbnails({"ads": [entry("solina.mp4", "video", 7.4, moments=(7,))]}).values()
    assert film.moments[7].second == pytest.approx(7.2)


def test_the_folder_that_is_named_comes_first_and_a_path_in_the_document_is_not_followed(tmp_path):
    shutil.copy(SAMPLES / "brume.jpg", tmp_path / "mine.jpg")
    digest = hashlib.sha256((tmp_path / "mine.jpg").read_bytes()).hexdigest()
    for name in ("mine.jpg", "../../etc/mine.jpg", "/etc/mine.jpg"):
        (film,) = find_thumbnails(
            {"ads": [entry(name, "image", 6.0, digest)]}, [tmp_path / "none", tmp_path]
        ).values()
        assert len(film.strip) == 1


@pytest.mark.parametrize(
    ("file", "digest", "words"),
    [
        ("gone.mp4", "0" * 64, "The file gone.mp4 was not found"),
        ("brume.jpg", "0" * 64, "The file brume.jpg has changed since this ad was shown"),
    ],
)
def test_without_the_file_it_says_why(file, digest, words):
    (film,) = find_thumbnails({"ads": [entry(file, "image", 6.0, digest)]}).values()
    assert film.missing.startswith(words)
    assert (film.strip, film.moments) == ((), {})


def test_a_file_that_cannot_be_decoded_says_so(tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no clip")
    digest = hashlib.sha256(b"no clip").hexdigest()
    (film,) = find_thumbnails(
        {"ads": [entry("bad.mp4", "video", 6.0, digest)]}, [tmp_path]
    ).values()
    assert (
        film.missing == "The file bad.mp4 could not be read, so there are no pictures of this ad."
    )


def test_each_scene_gets_the_picture_of_its_middle():
    ad = entry("solina.mp4", "video", 7.0, moments=(3,))
    ad["scenes"] = [{"start_s": 0.0, "end_s": 3.0}, {"start_s": 3.0, "end_s": 7.0}]
    (film,) = find_thumbnails({"ads": [ad]}).values()
    assert {place: still.second for place, still in film.scenes.items()} == {0: 1.5, 1: 5.0}
    assert list(film.moments) == [3]


def test_scenes_of_the_files_that_are_there(tmp_path):
    clip = write_shots(tmp_path / "cuts.mp4", [1.2, 1.6])
    (tmp_path / "bad.mp4").write_bytes(b"no clip")
    digests = [
        hashlib.sha256((tmp_path / n).read_bytes()).hexdigest() for n in ("cuts.mp4", "bad.mp4")
    ]
    ads = [
        AdInfo(row, "ad", "Ad", name, "video", 3000, (), digest)
        for row, (name, digest) in enumerate(
            [
                (clip.name, digests[0]),
                ("bad.mp4", digests[1]),
                ("gone.mp4", "ff"),
                (clip.name, "ee"),
            ]
        )
    ]
    assert find_scenes(ads, [tmp_path]) == {
        digests[0]: pytest.approx([0.0, 1.2]),
        digests[1]: "the file bad.mp4 could not be read",
        "ff": "the file gone.mp4 was not found",
        "ee": "the file cuts.mp4 has changed since this ad was shown",
    }
