"""A described audience: who comes at which part of the day, in which mood, and what they like.

It stands in for people where a policy is to be tried before any have seen it; see
`ads.simulation.simulator`.
"""

from __future__ import annotations

import itertools
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ads.errors import AdsError
from ads.playlists.playlist import Ad
from ads.playlists.yaml_file import YamlFileError, read_yaml
from ads.policies.audience import GROUP_SIZES
from detector.emotion.labels import EMOTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MINUTES_PER_DAY = 24 * 60

OTHER = "other"
"""In a taste: all moods that it does not name."""

MOST_VIEWERS = 8
"""The largest group; "many" are 4 to 8 viewers, each number as likely as the next."""

DRAWN_TASTE_MEAN, DRAWN_TASTE_SD, MADE_FOR = 0.1, 0.2, 0.2
"""Tastes that nobody has described are drawn: normal with this mean and deviation, and more by this where the playlist says
that the ad was made for the mood."""

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Odds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Valence = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]


class _Described(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DayPart(_Described):
    """A part of the day in which the audience is of one sort.

    Attributes:
        hours: From when to when, local time, such as "08:00-12:00"; "24:00" is midnight at the end.
        moods: How often a group is in each mood, in proportion; those not named never.
        groups: How often a play has nobody, one, few (2 or 3) or many (4 to 8) viewers, in
            proportion.
    """

    hours: str = Field(pattern=r"^\d{2}:\d{2}-\d{2}:\d{2}$")
    moods: dict[str, Odds]
    groups: dict[str, Odds]

    @property
    def minutes(self) -> tuple[int, int]:
        """First minute of the day, and the first one after."""
        return _minutes(self.hours)

    @field_validator("hours")
    @classmethod
    def _a_stretch_of_one_day(cls, value: str) -> str:
        start, end = _minutes(value)
        if not 0 <= start < end <= MINUTES_PER_DAY or int(value[3:5]) > 59 or int(value[9:11]) > 59:
            raise ValueError('expected a stretch of one day such as "08:00-12:00"')
        return value

    @field_validator("moods")
    @classmethod
    def _known_moods(cls, value: dict[str, float]) -> dict[str, float]:
        return _known(value, EMOTIONS)

    @field_validator("groups")
    @classmethod
    def _known_groups(cls, value: dict[str, float]) -> dict[str, float]:
        return _known(value, GROUP_SIZES)

    def mood_shares(self) -> dict[str, float]:
        """The probability of each mood that occurs; they add up to 1."""
        return _shares(self.moods)

    def group_shares(self) -> dict[str, float]:
        """The probability of each group size that occurs; they add up to 1."""
        return _shares(self.groups)


class LikedAd(_Described):
    """An ad as this audience takes it.

    Attributes:
        id: The ad's id.
        taste: Mean valence of an attentive viewer of each mood, -1 to 1; "other" stands for the
            moods not named.
        duration_s: Length of a play in seconds.
        weight: Share of voice relative to the others.
        moods: Moods that the ad is made for, for the policy `mood`.
    """

    id: str = Field(min_length=1)
    taste: dict[str, Valence]
    duration_s: float = Field(30.0, gt=0, allow_inf_nan=False)
    weight: float = Field(1.0, gt=0, allow_inf_nan=False)
    moods: tuple[str, ...] = ()

    @field_validator("taste")
    @classmethod
    def _all_moods(cls, value: dict[str, float]) -> dict[str, float]:
        _known_words(value, (*EMOTIONS, OTHER))
        lacking = [mood for mood in EMOTIONS if mood not in value]
        if lacking and OTHER not in value:
            raise ValueError(
                f"expected a number for each mood, or one for '{OTHER}'; {', '.join(lacking)} are missing"
            )
        return value

    @field_validator("moods")
    @classmethod
    def _known_moods(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        _known_words(value, EMOTIONS)
        return value

    def liking(self, mood: str) -> float:
        """Mean valence of an attentive viewer of a mood."""
        return self.taste.get(mood, self.taste.get(OTHER, 0.0))

    def ad(self) -> Ad:
        """The ad as policies are given it; it has no media."""
        return Ad(
            ad_id=self.id,
            path=Path(self.id),
            name=self.id,
            kind="image",
            duration_s=self.duration_s,
            sha256="0" * 64,
            weight=self.weight,
            moods=self.moods,
        )


class SimulatedAudience(_Described):
    """Who stands before a simulated screen.

    The mean reward of a play is `attention * taste`, with the taste of the group's mood for the ad.
    Each viewer's own reward is drawn about that, and a play's is their mean, weighted by their
    dwell.

    Attributes:
        parts: Parts of the day, which do not overlap; outside of them the screen is off.
        ads: What they think of each ad.
        attention: Share of their time in view for which viewers look at the screen, 0 to 1.
        noise: Standard deviation of one viewer's valence about a mean of 0, above 0 and below 1.
        mood_known: Share of the plays before which the mood can be read, 0 to 1.
        stays: Probability with which the same group also sees the next play, 0 to 1.
        start: Local time at which the first day begins; its zone is kept.
    """

    parts: tuple[DayPart, ...] = Field(min_length=1)
    ads: tuple[LikedAd, ...] = ()
    attention: float = Field(0.6, gt=0, le=1)
    noise: float = Field(0.35, gt=0, lt=1)
    mood_known: Share = 0.9
    stays: Share = 0.4
    start: datetime = datetime(2026, 3, 2, tzinfo=timezone.utc)

    @field_validator("start")
    @classmethod
    def _with_a_zone(cls, value: datetime) -> datetime:
        return value if value.utcoffset() is not None else value.replace(tzinfo=timezone.utc)

    @model_validator(mode="after")
    def _apart(self) -> SimulatedAudience:
        stretches = sorted(part.minutes for part in self.parts)
        if any(end > start for (_, end), (start, _) in itertools.pairwise(stretches)):
            raise ValueError("expected parts of the day that do not overlap")
        ids = [ad.id for ad in self.ads]
        if len(set(ids)) < len(ids):
            raise ValueError("expected each ad once")
        return self

    def expected(self, ad_id: str, mood: str | None, part: DayPart) -> float:
        """The mean reward of a play.

        Args:
            ad_id: One of `ads`.
            mood: The group's mood; None where it could not be read: then the mean over the moods of
                the part of the day.
            part: The part of the day.
        """
        liked = next(ad for ad in self.ads if ad.id == ad_id)
        shares = part.mood_shares() if mood is None else {mood: 1.0}
        return self.attention * sum(share * liked.liking(each) for each, share in shares.items())

    def knowing(self, ads: Sequence[Ad]) -> SimulatedAudience:
        """The same audience, which is shown the ads of a playlist.

        Raises:
            AdsError: It says nothing about one of them.
        """
        known = {liked.id for liked in self.ads}
        strange = [ad.ad_id for ad in ads if ad.ad_id not in known]
        if strange:
            raise AdsError(
                f"The description of the audience lacks a taste for {', '.join(strange)}; expected an entry under 'ads' "
                "for every ad of the playlist."
            )
        return self

    def with_drawn_tastes(self, ads: Sequence[Ad], seed: int) -> SimulatedAudience:
        """The same audience with tastes for the ads of a playlist that are drawn at random.

        Args:
            ads: Of the playlist.
            seed: Another one gives other tastes.
        """
        rng = np.random.default_rng(seed)
        drawn = []
        for ad in ads:
            values = rng.normal(DRAWN_TASTE_MEAN, DRAWN_TASTE_SD, len(EMOTIONS))
            taste = {
                mood: float(np.clip(value + (MADE_FOR if mood in ad.moods else 0.0), -1, 1))
                for mood, value in zip(EMOTIONS, values, strict=True)
            }
            drawn.append(
                LikedAd(
                    id=ad.ad_id,
                    taste=taste,
                    duration_s=ad.duration_s,
                    weight=ad.weight,
                    moods=ad.moods,
                )
            )
        return self.model_copy(update={"ads": tuple(drawn)})


def default_audience() -> SimulatedAudience:
    """Commuters in the morning, shoppers by day, people going out in the evening; five ads, each liked in other moods."""
    return SimulatedAudience(
        parts=(
            DayPart(
                hours="07:00-11:00",
                moods={"neutral": 5, "sad": 3, "angry": 1, "happy": 1},
                groups={"nobody": 2, "one": 6, "few": 2},
            ),
            DayPart(
                hours="11:00-17:00",
                moods={"neutral": 5, "happy": 3, "sad": 1, "surprise": 1},
                groups={"nobody": 2, "one": 4, "few": 3, "many": 1},
            ),
            DayPart(
                hours="17:00-22:00",
                moods={"happy": 5, "neutral": 3, "surprise": 1, "sad": 1},
                groups={"nobody": 1, "one": 3, "few": 4, "many": 2},
            ),
        ),
        ads=(
            LikedAd(id="comfort", taste={"sad": 0.45, "angry": 0.2, "other": 0.05}, moods=("sad",)),
            LikedAd(
                id="joke",
                taste={"happy": 0.5, "surprise": 0.4, "neutral": 0.1, "other": -0.3},
                moods=("happy",),
            ),
            LikedAd(id="offer", taste={"neutral": 0.4, "other": 0.1}, moods=("neutral",)),
            LikedAd(
                id="calm",
                taste={"angry": 0.35, "fear": 0.3, "sad": 0.15, "other": 0.1},
                moods=("angry", "fear"),
            ),
            LikedAd(id="brand", taste={"other": 0.15}),
        ),
    )


def read_audience(path: Path) -> SimulatedAudience:
    """Reads a described audience.

    Args:
        path: YAML with the keys of `SimulatedAudience`.

    Raises:
        AdsError: The file cannot be read, or breaks the format.
    """
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
        raise AdsError(
            f"The audience {path} is wrong at {place}: {_plain(first['msg'])}; received {first['input']!r}."
        ) from None
    if not found.ads:
        raise AdsError(
            f"The audience {path} says nothing about any ad; expected a list under 'ads'."
        )
    return found


def _minutes(hours: str) -> tuple[int, int]:
    return int(hours[:2]) * 60 + int(hours[3:5]), int(hours[6:8]) * 60 + int(hours[9:11])


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ")


def _known_words(words: Sequence[str] | Mapping[str, Any], known: Sequence[str]) -> None:
    for word in words:
        if word not in known:
            raise ValueError(f"expected words out of {', '.join(known)}, received {word!r}")


def _known(odds: dict[str, float], known: Sequence[str]) -> dict[str, float]:
    _known_words(odds, known)
    if not sum(odds.values()) > 0:
        raise ValueError("expected at least one number above 0")
    return odds


def _shares(odds: Mapping[str, float]) -> dict[str, float]:
    total = sum(odds.values())
    return {word: value / total for word, value in odds.items() if value > 0}
