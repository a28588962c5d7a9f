"""A few seconds of music for the sample clips, made from sine waves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

RATE_HZ = 48_000


def pluck(semitone: int, length_s: float, brightness: float = 0.5) -> NDArray[np.float64]:
    """Return a plucked note, as semitones above the A of 220 Hz."""
    time_s = np.arange(round(length_s * RATE_HZ)) / RATE_HZ
    base_hz = 220 * 2 ** (semitone / 12)
    wave = np.zeros_like(time_s)
    for harmonic in range(1, 7):
        fading = np.exp(-time_s * (2.2 + 1.8 * harmonic))
        wave += (
            brightness ** (harmonic - 1) * fading * np.sin(2 * np.pi * base_hz * harmonic * time_s)
        )
    plucked: NDArray[np.float64] = wave * np.minimum(1, time_s / 0.004)
    return plucked


def pad(semitones: Sequence[int], length_s: float) -> NDArray[np.float64]:
    """Return a soft chord that swells and fades."""
    time_s = np.arange(round(length_s * RATE_HZ)) / RATE_HZ
    wave = np.zeros_like(time_s)
    for semitone in semitones:
        for detuned in (-0.06, 0.0, 0.06):
            wave += np.sin(
                2 * np.pi * 220 * 2 ** ((semitone + detuned) / 12) * time_s + 3 * detuned
            )
    swell = np.sin(np.pi * np.clip(time_s / length_s, 0, 1)) ** 0.6
    chord: NDArray[np.float64] = wave * swell / (3 * len(semitones))
    return chord


def mixed(
    length_s: float, parts: Sequence[tuple[float, float, float, NDArray[np.float64]]]
) -> NDArray[np.int16]:
    """Mix sounds.

    Args:
        length_s: Of the outcome.
        parts: Start in seconds, loudness, place from -1 (left) to 1 (right), and the sound.

    Returns:
        `(n, 2)` int16 at `RATE_HZ`, fading out at its end.
    """
    total = round(length_s * RATE_HZ)
    out = np.zeros((total, 2))
    for start_s, loudness, place, sound in parts:
        first = round(start_s * RATE_HZ)
        heard = sound[: max(0, total - first)]
        out[first : first + len(heard), 0] += heard * loudness * np.sqrt((1 - place) / 2)
        out[first : first + len(heard), 1] += heard * loudness * np.sqrt((1 + place) / 2)
    fade = round(0.5 * RATE_HZ)
    out[-fade:] *= np.linspace(1, 0, fade)[:, None]
    samples: NDArray[np.int16] = np.round(out / np.abs(out).max() * 0.6 * 32767).astype(np.int16)
    return samples


def summer_tune(length_s: float) -> NDArray[np.int16]:
    """Return bright plucks over four major chords, with the fizz of a drink."""
    rng = np.random.default_rng(11)
    parts: list[tuple[float, float, float, NDArray[np.float64]]] = []
    chords = ((3, 7, 10), (-2, 2, 5), (0, 3, 7), (-4, 0, 3))
    beat = length_s / 16
    for step in range(16):
        chord = chords[(step // 4) % 4]
        note = chord[(0, 2, 1, 2)[step % 4]] + 12
        parts.append((step * beat, 0.5, -0.4 if step % 2 else 0.4, pluck(note, 1.2)))
        if step % 4 == 0:
            parts.append((step * beat, 0.7, 0.0, pluck(chord[0] - 12, 1.8, 0.3)))
            parts.append((step * beat, 0.35, 0.0, pad(chord, beat * 4.4)))
    hiss = np.diff(rng.standard_normal(round(2.2 * RATE_HZ)), prepend=0.0)
    parts.append((0.3, 0.05, 0.3, hiss * np.hanning(len(hiss))))
    return mixed(length_s, parts)


def dawn_tune(length_s: float) -> NDArray[np.int16]:
    """Return wide chords with a few slow notes above them."""
    parts: list[tuple[float, float, float, NDArray[np.float64]]] = []
    half = length_s / 2
    parts.append((0.0, 0.8, -0.2, pad((-9, -2, 3, 5), half * 1.25)))
    parts.append((half * 0.9, 0.9, 0.2, pad((-12, -5, 0, 4, 11), half * 1.1)))
    for place, (start, note) in enumerate(
        ((0.6, 15), (1.3, 17), (2.0, 22), (3.3, 16), (4.2, 19), (4.6, 23), (5.2, 28))
    ):
        parts.append((start, 0.32, 0.5 if place % 2 else -0.5, pluck(note, 2.4, 0.25)))
    return mixed(length_s, parts)
