"""The way down, from the hub to a kiosk, as both read it: what its screen is to show and to do.

A kiosk asks for a document, fetches the media that it names, and reports what became of it. All
calls carry the kiosk's key, below `HUB_API`:

- `GET desired`: a `SignedDocument`; 304 if its ETag is the one in `If-None-Match`.
- `GET media/SHA256`: bytes of a file that the kiosk's own document names, with `Range`, at most
  `PIECE_BYTES` of them in one answer.
- `POST desired/report`: a `DesiredReport`; 204.
- `POST commands/UID`: a `CommandResult`; 204, also when repeated.

The document is signed with a digest that only this kiosk and the hub have, so what lies on the
kiosk's disk, or comes through a proxy, is what the hub wrote for this very screen.
"""

from __future__ import annotations

import hmac
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    Base64Bytes,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from ads.show.blocks import Block
from monitor.errors import MonitorError
from monitor.languages import lazy
from monitor.uplink.messages import Hex

ASK_S = 30.0
"""How often a kiosk asks for its document, give or take some jitter."""

PIECE_BYTES = 1 << 20
"""The most bytes of a media file in one answer."""

MAX_DOCUMENT_BYTES = 2 << 20
MAX_ATTACHMENT_BYTES = 8 << 20
"""The largest picture or bundle of logs that a kiosk sends for a command."""

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Ending = Annotated[str, StringConstraints(pattern=r"^\.[a-z0-9]{1,10}$")]
Words = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00]*$")]
CommandKind = Literal["identify", "restart", "picture", "logs"]
AttachmentType = Literal["", "image/png", "image/jpeg", "application/zstd"]


class DocumentError(MonitorError):
    """A document is not one that the hub signed for this kiosk, or it contradicts itself."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class MediaEntry(_Message):
    """A picture or clip that the playlist needs."""

    sha256: Digest = Field(description="Of its content; it names the file.")
    size: int = Field(ge=1, le=1 << 40, description="In bytes.")
    ending: Ending = Field(description="Of its name, such as `.mp4`.")

    @property
    def name(self) -> str:
        """The name by which the playlist knows it."""
        return self.sha256 + self.ending


class ExperimentEntry(_Message):
    """An experiment at the screen's site: all its blocks, so that it goes on without the hub."""

    name: str = Field(max_length=500, description="Of the experiment; each play logs it.")
    treatment: tuple[str, ...] = Field((), description="Ids of the ads of this arm.")
    control: tuple[str, ...] = Field((), description="Ids of the ads of the other arm.")
    block_s: int = Field(ge=1, le=86_400, description="Length of each block, seconds.")
    starts: tuple[int, ...] = Field(
        description="When each block begins, seconds since 1970 UTC; they are numbered from 1 on."
    )
    arms: str = Field(pattern=r"^[tc]*$", description="Of each block, `t` or `c`.")

    @model_validator(mode="after")
    def _agrees(self) -> ExperimentEntry:
        if len(self.arms) != len(self.starts):
            raise ValueError("an experiment needs an arm for each of its blocks")
        return self

    def blocks(self) -> list[Block]:
        """Return the blocks, each with the ads that it leaves out."""
        length = timedelta(seconds=self.block_s)
        ads = {"t": frozenset(self.treatment), "c": frozenset(self.control)}
        words = {"t": "treatment", "c": "control"}
        found = []
        for number, (start, arm) in enumerate(zip(self.starts, self.arms, strict=True), start=1):
            begin = datetime.fromtimestamp(start, UTC)
            withheld = ads["c" if arm == "t" else "t"] - ads[arm]
            found.append(Block(self.name, number, words[arm], begin, begin + length, withheld))
        return found


class CommandOrder(_Message):
    """Something that a person asked this kiosk to do once."""

    uid: Hex = Field(description="Under it the kiosk answers.")
    kind: CommandKind = Field(description="What to do.")
    author: str = Field(max_length=200, description="Who asked.")
    expires_at: AwareDatetime = Field(description="From then on it is not done any more.")


class DesiredDocument(_Message):
    """What a screen is to show, and what its kiosk is to do.

    The playlist has the keys of a playlist file; each `file` is the `name` of an entry of the
    media. `None` says that nothing is booked for this screen: it shows its local playlist.
    """

    version: int = Field(
        ge=0,
        description="Grows when playlist, media or settings change; 0: nothing was published. A "
        "lower one than before also counts: the hub's database was restored.",
    )
    serial: int = Field(ge=0, description="Grows with the version, and with each command.")
    made_at: AwareDatetime = Field(description="When this version was made.")
    screen: Hex = Field(description="The screen's id.")
    name: str = Field(max_length=500, description="The screen's name.")
    playlist: dict[str, Any] | None = Field(None, description="As a playlist file, or null.")
    media: tuple[MediaEntry, ...] = Field((), description="All files of the playlist, each once.")
    settings: dict[str, Any] = Field({}, description="By key, such as `window.volume`.")
    experiments: tuple[ExperimentEntry, ...] = Field(
        (), description="Those at the screen's site that are not over."
    )
    commands: tuple[CommandOrder, ...] = Field((), description="Those that are not done yet.")

    @model_validator(mode="after")
    def _agrees(self) -> DesiredDocument:
        names = [entry.name for entry in self.media]
        if len({entry.sha256 for entry in self.media}) < len(names):
            raise ValueError("a file is listed twice in the media")
        if self.playlist is not None:
            needed = set(files_of(self.playlist))
            if needed != set(names):
                odd = sorted(needed ^ set(names))[0]
                raise ValueError(f"playlist and media do not agree about {odd!r}")
        elif names:
            raise ValueError("there are media without a playlist")
        return self


class SignedDocument(_Message):
    """A document as the kiosk stores it."""

    document: str = Field(
        max_length=MAX_DOCUMENT_BYTES, description="JSON text of a `DesiredDocument`."
    )
    signature: Digest = Field(
        description="HMAC-SHA256 of the text's UTF-8, in hexadecimal digits. Its key are the 32 "
        "bytes of the SHA-256 of the kiosk's key."
    )


class DesiredReport(_Message):
    """What became of a document."""

    version: int = Field(ge=1, description="Of the document.")
    state: Literal["fetching", "applied", "refused"] = Field(
        description="`refused`: the show before goes on."
    )
    reason: Words = Field("", description="Why it was refused, or what waits for a restart.")
    progress: float | None = Field(
        None, ge=0, le=1, description="While fetching: the share of the bytes that is there."
    )


class CommandResult(_Message):
    """What became of a command."""

    succeeded: bool = Field(description="Whether it was done.")
    detail: Words = Field("", description="Why not, or what was done.")
    attachment_type: AttachmentType = Field("", description="Empty without an attachment.")
    attachment: Base64Bytes | None = Field(
        None,
        max_length=MAX_ATTACHMENT_BYTES,
        description="Of `picture` a PNG or JPEG, of `logs` text packed with zstd, in base 64.",
    )

    @model_validator(mode="after")
    def _typed(self) -> CommandResult:
        if (self.attachment is None) != (not self.attachment_type):
            raise ValueError("an attachment needs its type, and a type its attachment")
        return self


def files_of(playlist: dict[str, Any]) -> list[str]:
    """Return the files that a playlist names, each once, in its order.

    Raises:
        ValueError: It is no playlist.
    """
    ads = playlist.get("ads")
    if not isinstance(ads, list) or not all(
        isinstance(ad, dict) and isinstance(ad.get("file"), str) for ad in ads
    ):
        raise ValueError("the playlist has no list of ads with a file each")
    names = [ad["file"] for ad in ads]
    filler = playlist.get("filler", "")
    if isinstance(filler, str) and PurePosixPath(filler).suffix:
        names.append(filler)
    return list(dict.fromkeys(names))


def sign(document: DesiredDocument, key_sha256: str) -> SignedDocument:
    """Sign a document for the kiosk whose key has this digest (`db.hub.digests.key_digest`)."""
    text = document.model_dump_json()
    return SignedDocument(document=text, signature=_signature(text, key_sha256))


def verify(signed: SignedDocument, key_sha256: str) -> DesiredDocument:
    """Return the document that the hub signed for the kiosk whose key has this digest.

    Raises:
        DocumentError: It was signed for another kiosk or changed since, or it is no document.
    """
    if not hmac.compare_digest(_signature(signed.document, key_sha256), signed.signature):
        raise DocumentError(
            lazy(
                "The hub's signature on the document is wrong: it was changed, or made "
                "for another kiosk or another key."
            )
        )
    try:
        return DesiredDocument.model_validate_json(signed.document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise DocumentError(
            lazy(
                "The hub's document cannot be read: %(what)s.",
                what=": ".join(filter(None, (where, first["msg"]))),
            )
        ) from None


def _signature(text: str, key_sha256: str) -> str:
    return hmac.digest(bytes.fromhex(key_sha256), text.encode("utf-8", "replace"), "sha256").hex()
