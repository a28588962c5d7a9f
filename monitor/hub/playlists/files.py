"""Playlists as files: an uploaded file becomes a body, and a body a file with its media.

Ads of a file are found in the library by the file's checksum, by their id, or by the file's name.
"""

from __future__ import annotations

import io
import re
import shlex
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml

from ads.errors import PlaylistError
from ads.playlists.playlist_file import colour_of, read_playlist_file
from monitor.hub.playlists.body import AD_FIELDS, HEAD_FIELDS, LISTS, check_body
from monitor.hub.shows.resolution import entry_of
from monitor.languages import _

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ads.playlists.playlist_file import Entry
    from db.hub.shows.desired import ApprovedVersion, PlannedCreative
    from monitor.hub.playlists.body import Body

MAX_FILE_BYTES = 2 << 20
"""Of a playlist that is uploaded: thousands of ads."""

_ENDINGS = (".yaml", ".yml", ".json")


class PlaylistFileError(ValueError):
    """A file cannot be read as a playlist; the sentences say why."""

    def __init__(self, sentences: Iterable[str]) -> None:
        self.sentences = tuple(sentences)
        super().__init__(" ".join(self.sentences))


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of a file.

    Attributes:
        body: The ads that the library has.
        missing: Each ad that it lacks, as the file names it.
        remarks: What was not taken over, a sentence each.
    """

    body: Body
    missing: tuple[str, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exported:
    """A playlist as a file.

    Attributes:
        text: YAML that `ad-monitor run --playlist` takes.
        media: The version of each file that it names, by that name.
    """

    text: str
    media: Mapping[str, ApprovedVersion]


class Library:
    """Finds creatives by what a playlist file says of an ad.

    Args:
        creatives: By uid.
        file_names: Names of the files that were uploaded as versions of a creative, by its uid.
        digests: The checksums of those files, by its uid.
    """

    def __init__(
        self,
        creatives: Mapping[str, PlannedCreative],
        file_names: Mapping[str, Iterable[str]],
        digests: Mapping[str, Iterable[str]],
    ) -> None:
        in_use = {uid: one for uid, one in creatives.items() if not one.is_archived}
        self._by_id = {one.ad_id: uid for uid, one in in_use.items()}
        self._by_name = _by_value(in_use, file_names)
        self._by_digest = _by_value(in_use, digests)

    def find(self, file: str, ad_id: str | None) -> str | None:
        """Return the uid of the creative of an ad; `None` if the library has none."""
        path = PurePosixPath(file)
        return (
            self._by_digest.get(path.stem.lower())
            or self._by_id.get(ad_id or "")
            or self._by_name.get(path.name.lower())
            or self._by_id.get(path.stem)
        )


def read_file(name: str, content: bytes, library: Library) -> Imported:
    """Read a playlist file.

    Args:
        name: As it was uploaded; its ending says what it is.
        content: Of the file.
        library: Where its ads are sought.

    Raises:
        PlaylistFileError: It is no playlist, or none of its ads is in the library.
    """
    ending = PurePosixPath(name).suffix.lower()
    if ending not in _ENDINGS:
        wrong = _(
            "Expected a file that ends in .yaml, .yml or .json, received %(name)s.", name=name
        )
        raise PlaylistFileError([wrong])
    if len(content) > MAX_FILE_BYTES:
        raise PlaylistFileError([_("The file is too large: expected at most 2 MB.")])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"playlist{ending}")
        path.write_bytes(content)
        try:
            head, entries = read_playlist_file(path)
        except PlaylistError as error:
            sentences = [str(error), *error.others]
            raise PlaylistFileError(
                [one.replace(str(path), name) for one in sentences[:20]]
            ) from None
    body: Body = head.model_dump(include=set(HEAD_FIELDS), exclude_unset=True)
    remarks = []
    if head.timezone:
        remarks.append(
            _(
                "The time zone %(zone)s was not taken over: each screen has its own.",
                zone=head.timezone,
            )
        )
    filler = body.get("filler")
    if filler and colour_of(filler) is None:
        found = library.find(filler, None)
        body["filler"] = found
        if found is None:
            remarks.append(_("The filler %(file)s is not in the library.", file=filler))
    ads, missing = [], []
    for entry in entries:
        uid = library.find(entry.file, entry.ad_id)
        if uid is None:
            missing.append(f"{entry.ad_id} ({entry.file})")
        else:
            ads.append({"creative": uid, **_said(entry)})
    if any(entry.brand_at_s for entry in entries):
        remarks.append(_("Brand moments were not taken over: they are set in the library."))
    if not ads:
        none = _(
            "None of its ads is in the library. Upload them first: %(missing)s.",
            missing=", ".join(dict.fromkeys(missing)) or "-",
        )
        raise PlaylistFileError([none])
    checked = check_body({**body, "ads": ads})
    return Imported(checked, tuple(dict.fromkeys(missing)), tuple(remarks))


def write_file(body: Mapping[str, Any], creatives: Mapping[str, PlannedCreative]) -> Exported:
    """Return a body as a playlist file; ads without an approved version are named in a comment."""
    media: dict[str, ApprovedVersion] = {}
    left_out, entries = [], []

    def file_of(uid: str) -> str | None:
        creative = creatives.get(uid)
        if creative is None or creative.approved is None or creative.is_archived:
            left_out.append(uid if creative is None else creative.name)
            return None
        safe = re.sub(r"[^\w.-]+", "_", creative.ad_id).strip(".") or "ad"
        name = f"{safe}-{creative.approved.sha256[:8]}{creative.approved.ending}"
        media[name] = creative.approved
        return name

    for ad in body.get("ads", ()):
        file = file_of(ad["creative"])
        if file is not None:
            entries.append(_entry(ad, creatives[ad["creative"]], media[file], file))
    document = {key: body[key] for key in HEAD_FIELDS if body.get(key) is not None}
    filler = document.get("filler")
    if filler and colour_of(str(filler)) is None:
        document["filler"] = file_of(str(filler))
    document = {key: value for key, value in document.items() if value is not None}
    text = yaml.safe_dump(
        {**document, "ads": entries}, sort_keys=False, allow_unicode=True, width=96
    )
    comments = [_options(body)] if body.get("policy") or body.get("guard_rails") else []
    comments += [f"left out, because nothing of it is approved: {name}" for name in left_out]
    lines = "".join(f"# {' '.join(one.split())}\n" for one in comments)
    return Exported(lines + text, media)


def zipped(
    exported: Exported, name: str, blocks: Callable[[ApprovedVersion], Iterable[bytes]]
) -> Iterator[bytes]:
    """Yield a ZIP archive with a playlist file and its media, in parts.

    Args:
        exported: What to pack.
        name: Of the playlist file.
        blocks: Returns the content of a version's file in blocks.
    """
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w") as archive:
        archive.writestr(name, exported.text)
        yield pipe.take()
        for file, version in exported.media.items():
            entry = zipfile.ZipInfo(file)
            entry.file_size = version.size
            with archive.open(entry, "w", force_zip64=True) as target:
                for block in blocks(version):
                    target.write(block)
                    yield pipe.take()
    yield pipe.take()


class _Pipe(io.RawIOBase):
    """A file that cannot be sought: what was written is taken from it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, block: Any) -> int:
        self._parts.append(bytes(block))
        return len(block)

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _said(entry: Entry) -> Body:
    """Return what an entry of a file says about when and how its ad plays."""
    said = entry.model_dump(include=_KEPT, exclude_unset=True, by_alias=True, mode="json")
    if isinstance(said.get("hours"), str):
        said["hours"] = [said["hours"]]
    return {key: value for key, value in said.items() if value is not None}


_KEPT = {*AD_FIELDS, *LISTS, "first_day", "last_day"} - {"from", "until"}


def _entry(
    ad: Mapping[str, Any], creative: PlannedCreative, version: ApprovedVersion, file: str
) -> Body:
    entry = entry_of(creative, version, ad, file)
    first = max(filter(None, (ad.get("from"), _day(version.first_day))), default=None)
    last = min(filter(None, (ad.get("until"), _day(version.last_day))), default=None)
    entry |= {key: day for key, day in (("from", first), ("until", last)) if day is not None}
    return entry


def _day(day: Any) -> str | None:
    return None if day is None else day.isoformat()


def _options(body: Mapping[str, Any]) -> str:
    """Return the options of the command line that a playlist file cannot hold."""
    rails = dict(body.get("guard_rails") or {})
    options = [f"--policy {body['policy']}"] if body.get("policy") else []
    names = {"holdout": "--holdout", "floor": "--floor", "wash_out_s": "--wash-out"}
    names |= {"min_audience": "--min-audience"}
    options += [f"{option} {rails[key]}" for key, option in names.items() if key in rails]
    options += [f"--block {shlex.quote(ad_id)}" for ad_id in rails.get("blocked", ())]
    return f"run it with: ad-monitor run {' '.join(options)}"


def _by_value(creatives: Iterable[str], values: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Return the uid of each value; none for a value of several creatives."""
    found: dict[str, set[str]] = {}
    for uid in creatives:
        for value in values.get(uid, ()):
            found.setdefault(value.lower(), set()).add(uid)
    return {value: next(iter(uids)) for value, uids in found.items() if len(uids) == 1}
