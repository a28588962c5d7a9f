"""Simulated sessions with known effects by second, as the database's roll-ups give them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from db.read.formulas import ExposureArrays, SecondArrays
from db.read.sessions import AdInfo, PlayInfo, SessionInfo
from monitor.analytics.metrics import (
    EXPRESSIVENESS,
    HAPPY_SCORE,
    NEGATIVE_SCORE,
    SURPRISE_SCORE,
    VALENCE,
)
from monitor.analytics.report_data import ReportData

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HAPPY, SAD, SURPRISE, NEUTRAL = 3, 4, 5, 6
READINGS = 10


@dataclass(frozen=True)
class World:
    """What is true of a session. Effects go by the place of the ad.

    Attributes:
        ads, seconds, hours: How many ads, their length, and how long they run in turn.
        viewers: Of each ad, on average; most see more than one ad.
        valence: Added to all seconds of an ad.
        attention: Added to the probability of looking, in all seconds of an ad.
        peaks: Second of an ad, and what is added to valence there.
        falls: Second of an ad from which on the probability of looking is lower, and by how much.
        shared: Standard deviation of what all viewers of a play have in common: of valence over
            the play, and in single seconds.
        memory, look_memory: Correlation of neighbouring seconds of a viewer, in valence and in the
            inclination to look.
        spread, noise: Standard deviations of valence between viewers, and of seconds of a viewer.
        rare: Smiles of one viewer in five instead of normal noise.
        missing: Share of seconds without an emotion.
        partial: Share of exposures that begin or end within the ad.
    """

    ads: int = 12
    seconds: int = 10
    hours: float = 8.0
    viewers: int = 60
    valence: dict[int, float] = field(default_factory=dict)
    attention: dict[int, float] = field(default_factory=dict)
    peaks: dict[int, tuple[int, float]] = field(default_factory=dict)
    falls: dict[int, tuple[int, float]] = field(default_factory=dict)
    shared: float = 0.07
    memory: float = 0.5
    look_memory: float = 0.5
    spread: float = 0.2
    noise: float = 0.2
    rare: bool = False
    missing: float = 0.1
    partial: float = 0.3


def simulate(world: World, seed: int) -> ReportData:
    """Make the data of one session in which the ads ran in turn."""
    rng = np.random.default_rng(seed)
    j, k = world.ads, world.seconds
    plays = round(world.hours * 3600 / k)
    # Parties of one to four come at random and stay for one to five plays, two on average.
    parties = round(world.viewers * j / 4)
    stays, first = 1 + rng.binomial(4, 0.25, parties), rng.integers(0, plays, parties)
    party = np.repeat(np.arange(parties), 1 + rng.binomial(3, 1 / 3, parties))
    viewer = np.repeat(np.arange(party.size), stays[party])
    begins = np.cumsum(stays[party]) - stays[party]
    play = first[party][viewer] + np.arange(viewer.size) - begins[viewer]
    viewer, play = viewer[play < plays], play[play < plays]
    order = np.lexsort((viewer, play))
    viewer, play = viewer[order], play[order]
    ad = play % j
    there = _presence(rng, viewer.size, k, world.partial)
    valence = _valence(world, rng, viewer, play, ad)
    looks = _looks(world, rng, viewer, play, ad)
    read = there & (rng.random(there.shape) >= world.missing)
    return ReportData(
        (_session(plays * k),),
        tuple(
            AdInfo(row, f"ad-{row:02}", f"Ad {row}", "", "video", k * 1000, (), f"{row:064x}")
            for row in range(j)
        ),
        tuple(_play(number, number % j, k) for number in range(plays)),
        (),
        _exposures(viewer, play, there, read, valence, looks),
        _seconds(viewer, play, there, read, valence, looks),
    )


def _presence(rng: np.random.Generator, exposures: int, k: int, partial: float) -> Any:
    late = rng.integers(0, k, exposures) * (rng.random(exposures) < partial / 2)
    early = k - rng.integers(0, k, exposures) * (rng.random(exposures) < partial / 2)
    second = np.arange(k)
    there = (second >= late[:, None]) & (second < early[:, None])
    there[~there.any(axis=1), 0] = True
    return there


def _series(rng: np.random.Generator, shape: tuple[int, int], memory: float) -> Floats:
    """Return standard normal series along the second axis whose neighbours are correlated."""
    series = rng.normal(size=shape)
    for place in range(1, shape[1]):
        series[:, place] = memory * series[:, place - 1] + np.sqrt(1 - memory**2) * series[:, place]
    return series


def _valence(world: World, rng: np.random.Generator, viewer: Any, play: Any, ad: Any) -> Floats:
    k, plays = world.seconds, int(play.max(initial=0)) + 1
    level = rng.normal(0.05, world.spread, size=int(viewer.max(initial=0)) + 1)
    if world.rare:
        level[:] = 0.0
        begin = rng.integers(-2, k, size=viewer.size)[:, None]
        smiles = (np.arange(k) >= begin) & (np.arange(k) < begin + 3)
        noise = 0.7 * (smiles & (rng.random(viewer.size) < 0.2)[:, None])
    else:
        noise = world.noise * _series(rng, (viewer.size, k), world.memory)
    shared = world.shared * (rng.normal(size=(plays, 1)) + rng.normal(size=(plays, k)))
    valence = level[viewer][:, None] + shared[play] + noise
    for place, effect in world.valence.items():
        valence[ad == place] += effect
    for place, (second, effect) in world.peaks.items():
        valence[ad == place, second] += effect
    return np.asarray(np.clip(valence, -1, 1))


def _looks(world: World, rng: np.random.Generator, viewer: Any, play: Any, ad: Any) -> Floats:
    from scipy.special import ndtr

    k, plays = world.seconds, int(play.max(initial=0)) + 1
    usual = rng.beta(8, 6, size=int(viewer.max(initial=0)) + 1)
    chance = np.repeat(usual[viewer][:, None], k, axis=1)
    for place, effect in world.attention.items():
        chance[ad == place] += effect
    for place, (second, effect) in world.falls.items():
        chance[ad == place, second:] -= effect
    shared = world.shared * rng.normal(size=(plays, k))
    # Looks last: the readings of a second follow one slowly moving inclination.
    inclined = ndtr(_series(rng, (viewer.size, k), world.look_memory)) - shared[play]
    return np.asarray(rng.binomial(READINGS, np.clip((chance - inclined) * 2.5 + 0.5, 0, 1)))


def _sums(valence: Floats) -> Floats:
    """Return what a reading of this valence adds to the sums, `(n, 12)`."""
    sums = np.zeros((valence.size, 12))
    sums[:, HAPPY] = sums[:, HAPPY_SCORE] = np.maximum(valence, 0)
    sums[:, SAD] = sums[:, NEGATIVE_SCORE] = np.maximum(-valence, 0)
    sums[:, SURPRISE] = sums[:, SURPRISE_SCORE] = 0.0
    sums[:, NEUTRAL] = 1 - np.abs(valence)
    sums[:, VALENCE], sums[:, EXPRESSIVENESS] = valence, np.abs(valence)
    return sums


def _exposures(
    viewer: Any, play: Any, there: Any, read: Any, valence: Floats, looks: Floats
) -> ExposureArrays:
    parts = [
        _sums(column) * (READINGS * mask)[:, None]
        for column, mask in zip(valence.T, read.T, strict=True)
    ]
    attention = (looks * there).sum(axis=1) / READINGS
    return ExposureArrays(
        play_id=play + 1,
        viewer_id=viewer + 1,
        readings=READINGS * there.sum(axis=1),
        emotion_readings=READINGS * read.sum(axis=1),
        uncertain=np.zeros(viewer.size, dtype=np.int64),
        dwell_s=there.sum(axis=1).astype(np.float64),
        attention_s=attention,
        longest_attention_s=attention,
        baseline=np.full(viewer.size, np.nan),
        end_readings=np.zeros(viewer.size, dtype=np.int64),
        end_happy=np.zeros(viewer.size),
        sums=np.sum(parts, axis=0),
    )


def _seconds(
    viewer: Any, play: Any, there: Any, read: Any, valence: Floats, looks: Floats
) -> SecondArrays:
    row, second = np.nonzero(there)
    with_emotion = read[row, second]
    return SecondArrays(
        play_id=play[row] + 1,
        viewer_id=viewer[row] + 1,
        second=second,
        readings=np.full(row.size, READINGS),
        attentive=looks[row, second].astype(np.int64),
        emotion_readings=READINGS * with_emotion,
        sums=_sums(valence[row, second]) * (READINGS * with_emotion)[:, None],
    )


def _session(length_s: float) -> SessionInfo:
    return SessionInfo(
        id=1,
        kind="run",
        site="Hall",
        source="0",
        started_at=START,
        ended_at=START + timedelta(seconds=length_s),
        end_reason="finished",
        model_name="test-model",
        model_sha256="ab" * 32,
        program_version="0.1.0",
        settings={"policy": "sequential"},
        frames=1000,
        dropped=0,
        fps=10.0,
        viewers=1,
        readings=1,
        plays=1,
    )


def _play(number: int, ad: int, k: int) -> PlayInfo:
    start = START + timedelta(seconds=number * k)
    end = start + timedelta(seconds=k)
    return PlayInfo(
        number + 1, number + 1, ad, start, end, "finished", k * 1e3, "next", 1.0, None, session_id=1
    )
