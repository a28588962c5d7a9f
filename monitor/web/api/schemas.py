"""The documents of the API as typed models, from which its description is made."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Valence = Annotated[float, Field(ge=-1, le=1)]
Moment = Annotated[
    str,
    Field(
        json_schema_extra={"format": "date-time"},
        examples=["2026-03-01T09:30:00.123456Z"],
        description="UTC.",
    ),
]


class Document(BaseModel):
    """A document whose keys are all named here."""

    model_config = ConfigDict(extra="forbid")


class PictureAddress(Document):
    """Where a picture is to be fetched from."""

    url: str = Field(
        min_length=1,
        max_length=4096,
        description="http or https.",
        examples=["https://example.org/faces.jpg"],
    )


class Face(Document):
    """A face in a picture."""

    box: tuple[int, int, int, int] = Field(
        description="Left, top, width and height in pixels; may reach over the border."
    )
    label: str = Field(description="The most probable label.")
    confidence: Share = Field(description="Its calibrated probability.")
    probabilities: dict[str, Share] = Field(description="By label of the model; they add up to 1.")
    uncertain: bool = Field(description="Whether the confidence is too low to name an expression.")
    whole_picture: bool = Field(
        default=False,
        description="Whether the whole picture was taken for the crop of a face: it is small, a "
        "face fills it, and none was found in it. Left out if false.",
    )


class Picture(Document):
    """A picture and the faces in it, from left to right."""

    image: str = Field(description="The address, or the name of the file that was sent.")
    faces: list[Face]


class Classified(Document):
    """What `ad-monitor classify --json` prints."""

    images: list[Picture]


class SessionEntry(Document):
    """A session, as `ad-monitor sessions --json` lists it. What is not known is null."""

    id: int
    kind: Literal["run", "replay"]
    session_kind: Literal["live", "replay", "demo"] = Field(
        description="replay: of a recording; demo: with the demo viewer. Only live sessions count "
        "in figures over several sessions."
    )
    site: str
    venue_type: str | None = Field(description="Of the OpenOOH taxonomy; null where none is set.")
    campaign: str | None = Field(description="Its name; null where none is set.")
    source: str
    started_at: Moment
    ended_at: Moment | None = Field(description="null while it is running.")
    end_reason: str | None
    model: str | None
    labels: list[str] = Field(description="What its model tells apart, by default seven emotions.")
    plays: int
    viewers: int | None = Field(
        description="Null if its kiosk sends a hub sums of hours only (`upload: cells`)."
    )
    readings: int


class Sessions(Document):
    """One page of sessions, latest first."""

    sessions: list[SessionEntry]
    total: int = Field(ge=0, description="How many there are on all pages.")
    page: int = Field(ge=1)
    pages: int = Field(ge=1)


class Report(BaseModel):
    """The report of a session, as `ad-monitor report --format json` writes it.

    `docs/explanation/metrics.md` explains every figure. Keys may be added. A figure that is
    unknown, or about too few viewers, is null; `withheld` says why.
    """

    model_config = ConfigDict(extra="allow")

    report: dict[str, Any] = Field(description="Version of the format, and how it was made.")
    session: dict[str, Any]
    ads: list[dict[str, Any]]
    gaps: list[dict[str, Any]]
    withheld: list[dict[str, Any]]


class Compared(BaseModel):
    """Two or more ads, compared pair by pair."""

    model_config = ConfigDict(extra="allow")

    ads: list[str] = Field(min_length=2)
    measure: str
    comparisons: list[dict[str, Any]] = Field(description="One for each pair.")
    left_out: dict[str, int] = Field(
        description="How many sessions of these ads do not count, by kind: replay and demo."
    )


class LiveSecond(Document):
    """One second of the curve of a running session."""

    age_s: int = Field(ge=1, description="How long ago it began.")
    viewers: int = Field(ge=0)
    valence: Valence | None
    valence_corrected: Valence | None


class LiveAd(Document):
    """The ad on the screen."""

    ad_id: str
    name: str
    started_at: Moment
    duration_s: float
    position_s: float = Field(ge=0)


class LiveGap(Document):
    """Something that keeps faces from being measured now."""

    started_at: Moment
    cause: str
    detail: str


class Live(Document):
    """A running session at one moment. Figures about too few viewers are null."""

    session_id: int
    session_kind: Literal["live", "replay", "demo"] = "live"
    site: str
    at: Moment
    running: bool
    silent_s: float = Field(ge=0, description="Since anything was last written of it.")
    min_viewers: int
    viewers: int = Field(ge=0, description="In view now.")
    attentive: int | None = Field(description="How many of them look at the screen.")
    recent_viewers: int = Field(ge=0, description="In the last 30 s.")
    emotion_viewers: int = Field(ge=0, description="Those of them whose emotion could be read.")
    labels: list[str] = Field(description="What the model tells apart, by default seven emotions.")
    mood: dict[str, Share] | None = Field(
        description="Mean probabilities of the last 30 s, by label."
    )
    valence: Valence | None = Field(
        description="Mean of the last 30 s; null also where the labels do not give it."
    )
    shares: dict[str, Share] | None = Field(
        description="Shares of happy, surprise, negative and neutral in the audience of the last "
        "30 s, corrected for prevalence; null also where the model's card has no calibration."
    )
    valence_corrected: Valence | None = Field(
        description="The same corrected: happy less negative, 0 for a neutral audience."
    )
    curve: list[LiveSecond]
    ad: LiveAd | None
    gaps: list[LiveGap]


class Health(Document):
    """Whether the parts work."""

    status: Literal["ok", "degraded"]
    version: str
    classifier: Literal["loading", "ready", "broken"]
    database: Literal["ready", "missing"]


class ProblemDocument(Document):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="Where this code is explained; relative to this server.")
    title: str
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="What was received, what was expected, what to do.")
    code: str = Field(description="What went wrong, for programs; stable.")
