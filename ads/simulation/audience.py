"""A described audience, to try a policy on: who comes when, in which mood, and what they like."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ads.errors import AdsError
from ads.playlists.playlist import Ad, distinct, parse_hours
from ads.playlists.yaml_file import YamlFileError, read_yaml
from ads.policies.audience import GROUP_SIZES, play_reward
from detector.emotion.labels import EMOTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

OTHER = "other"
"""In a taste: all moods that it does not name."""

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Odds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Valence = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]


class _Described(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DayPart(_Described):
    """A part of the day with one kind of audience.

    `moods` and `groups` say in proportion how often a group is in each mood, and how often a play
    has nobody, one, few (2 or 3) or many (4 to 8) viewers; never those not named.
    """

    hours: str = Field(pattern=r"^\d{2}:\d{2}-\d{2}:\d{2}$")
    moods: dict[str, Odds]
    groups: dict[str, Odds]

    @property
    def minutes(self) -> tuple[int, int]:
        return parse_hours(self.hours)[0]

    @field_validator("hours")
    @classmethod
    def _within_one_day(cls, value: str) -> str:
        try:
            (span,) = parse_hours(value)
        except ValueError:
            span = None
        if span is None or span.start > span.end:
            raise ValueError('expected a stretch of one day such as "08:00-12:00"')
        return value

    @field_validator("moods", "groups")
    @classmethod
    def _known_odds(cls, value: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        _require_known(value, EMOTIONS if info.field_name == "moods" else GROUP_SIZES)
        if not sum(value.values()) > 0:
            raise ValueError("expected at least one number above 0")
        return value

    def mood_shares(self) -> dict[str, float]:
        """Return the probability of each mood that occurs."""
        return _shares(self.moods)

    def group_shares(self) -> dict[str, float]:
        """Return the probability of each group size that occurs; they add up to 1."""
        return _shares(self.groups)


class LikedAd(_Described):
    """An ad, and its `taste`: the mean corrected valence (-1 to 1) of viewers of each mood.

    `attention` is the share of their time in view for which they look at it; None: the audience's.
    """

    id: str = Field(min_length=1)
    taste: dict[str, Valence]
    attention: float | None = Field(None, gt=0, le=1)
    duration_s: float = Field(30.0, gt=0, allow_inf_nan=False)
    weight: float = Field(1.0, gt=0, allow_inf_nan=False)
    moods: tuple[str, ...] = ()

    @field_validator("taste")
    @classmethod
    def _all_moods(cls, value: dict[str, float]) -> dict[str, float]:
        _require_known(value, (*EMOTIONS, OTHER))
        missing = [mood for mood in EMOTIONS if mood not in value]
        if missing and OTHER not in value:
            raise ValueError(
                f"expected a number for each mood, or one for '{OTHER}'; "
                f"{', '.join(missing)} are missing"
            )
        return value

    @field_validator("moods")
    @classmethod
    def _known_moods(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        _require_known(value, EMOTIONS)
        return value

    def liking(self, mood: str) -> float:
        return self.taste.get(mood, self.taste.get(OTHER, 0.0))

    def ad(self) -> Ad:
        """Return it as an ad of a playlist, without media."""
        values = self.model_dump(include={"duration_s", "weight", "moods"})
        return Ad(self.id, Path(self.id), self.id, "image", sha256="0" * 64, **values)


class SimulatedAudience(_Described):
    """The people in front of a simulated screen.

    The mean reward of a play is `play_reward(attention, taste)`, with the ad's attention and the
    taste of the group's mood for the ad. Attention and valence of each viewer are drawn about them,
    and averaged by dwell time.

    Attributes:
        parts: Parts of the day, which do not overlap; outside of them the screen is off.
        attention: Share of their time in view for which viewers look at the screen, 0 to 1, but at
            ads that have a share of their own.
        noise: Standard deviation of one viewer's valence about a mean of 0, between 0 and 1.
        mood_known: Share of the plays before which the mood can be read, 0 to 1.
        stays: Probability that the same group also sees the next play, 0 to 1.
        start: Local time at which the first day begins; by default in UTC.
    """

    parts: tuple[DayPart, ...] = Field(min_length=1)
    ads: tuple[LikedAd, ...] = ()
    attention: float = Field(0.6, gt=0, le=1)
    noise: float = Field(0.35, gt=0, lt=1)
    mood_known: Share = 0.9
    stays: Share = 0.4
    start: datetime = datetime(2026, 3, 2, tzinfo=UTC)

    @field_validator("start")
    @classmethod
    def _with_a_zone(cls, value: datetime) -> datetime:
        return value if value.utcoffset() is not None else value.replace(tzinfo=UTC)

    @model_validator(mode="after")
    def _without_overlaps(self) -> SimulatedAudience:
        spans = sorted(part.minutes for part in self.parts)
        if any(end > start for (_, end), (start, _) in itertools.pairwise(spans)):
            raise ValueError("expected parts of the day that do not overlap")
        if len({ad.id for ad in self.ads}) < len(self.ads):
            raise ValueError("expected each ad once")
        return self

    def expected(self, ad_id: str, mood: str | None, part: DayPart) -> float:
        """Return the mean reward of a play for a mood; for None, over the part's moods."""
        liked = self.liked(ad_id)
        shares = part.mood_shares() if mood is None else {mood: 1.0}
        taste = sum(share * liked.liking(each) for each, share in shares.items())
        return play_reward(self.attention_to(liked), taste)

    def attention_to(self, ad: LikedAd) -> float:
        """Return the share of their time in view for which viewers look at an ad, 0 to 1."""
        return self.attention if ad.attention is None else ad.attention

    def liked(self, ad_id: str) -> LikedAd:
        """Return what they think of one of `ads`."""
        return next(ad for ad in self.ads if ad.id == ad_id)

    def require_tastes(self, ads: Sequence[Ad]) -> None:
        """Raise an `AdsError` unless there is a taste for each ad of a playlist."""
        known = {liked.id for liked in self.ads}
        strange = [ad.ad_id for ad in distinct(ads) if ad.ad_id not in known]
        if strange:
            raise AdsError(
                f"The description of the audience lacks a taste for {', '.join(strange)}; "
                "expected an entry under 'ads' for every ad of the playlist."
            )

    def with_drawn_tastes(self, ads: Sequence[Ad], seed: int) -> SimulatedAudience:
        """Return the same audience with random tastes, higher for moods that an ad is made for.

        The attention to each ad is drawn too, about the audience's.
        """
        rng = np.random.default_rng(seed)
        drawn = []
        for ad in distinct(ads):
            values = rng.normal(0.1, 0.2, len(EMOTIONS))
            taste = {
                mood: float(np.clip(value + (0.2 if mood in ad.moods else 0.0), -1, 1))
                for mood, value in zip(EMOTIONS, values, strict=True)
            }
            same = {key: getattr(ad, key) for key in ("duration_s", "weight", "moods")}
            attention = float(np.clip(rng.normal(self.attention, 0.1), 0.05, 1.0))
            drawn.append(LikedAd(id=ad.ad_id, taste=taste, attention=attention, **same))
        return self.model_copy(update={"ads": tuple(drawn)})


def default_audience() -> SimulatedAudience:
    """Return the built-in audience, described in `default_audience.yaml`."""
    return read_audience(Path(__file__).with_name("default_audience.yaml"))


def read_audience(path: Path) -> SimulatedAudience:
    """Read YAML with the keys of `SimulatedAudience`; `AdsError` if it breaks the format."""
    try:
        document = read_yaml(path, "description of an audience").content
    except YamlFileError as error:
        raise AdsError(str(error)) from None
    if not isinstance(document, dict):
        raise AdsError(
            f"The audience {path} has the wrong form: expected keys such as 'parts' and 'ads'."
        )
    try:
        found = SimulatedAudience.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        what = first["msg"].removeprefix("Value error, ")
        raise AdsError(
            f"The audience {path} is wrong at {place}: {what}; received {first['input']!r}."
        ) from None
    if not found.ads:
        raise AdsError(
            f"The audience {path} says nothing about any ad; expected a list under 'ads'."
        )
    return found


def _require_known(words: Iterable[str], known: Sequence[str]) -> None:
    for word in words:
        if word not in known:
            raise ValueError(f"expected words out of {', '.join(known)}, received {word!r}")


def _shares(odds: Mapping[str, float]) -> dict[str, float]:
    total = sum(odds.values())
    return {word: value / total for word, value in odds.items() if value > 0}
