"""The sound that belongs to the play on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from ads.playlists.playlist import Ad


class SoundOutput(Protocol):
    """Play the sound of clips. Called by the player's thread; must not block or raise.

    The volume of a clip is above 0 and at most 1, on a perceptual scale.
    """

    def play(self, path: Path, position_s: float, volume: float) -> None:
        """Play the sound of a clip from a position, replacing what plays now."""

    def cue(self, path: Path | None, position_s: float, in_s: float, volume: float) -> None:
        """Announce a call of `play`, or of `stop` for None, that may come in this many seconds."""

    def pause(self) -> None:
        """Fall silent and keep the position."""

    def resume(self) -> None:
        """Continue where `pause` stopped."""

    def stop(self) -> None:
        """Fall silent and drop the clip."""


class PlaySound:
    """Drive a `SoundOutput`; no-op without an output or where there is nothing to hear."""

    def __init__(self, output: SoundOutput | None) -> None:
        self._output = output
        self._held_back: tuple[Path, float, float] | None = None
        self._is_playing = False

    def play(self, ad: Ad, position_ns: int, *, is_paused: bool) -> None:
        """Play an ad's sound, or silence; while paused, hold it back until `resume`."""
        if self._output is None:
            return
        if not ad.is_heard:
            self.stop()
        elif is_paused:
            # Starting and pausing at once would be audible.
            self.stop()
            self._held_back = ad.path, position_ns / 1e9, ad.volume
        else:
            self._held_back = None
            self._output.play(ad.path, position_ns / 1e9, ad.volume)
            self._is_playing = True

    def cue(self, ad: Ad, position_ns: int, in_ns: int) -> None:
        """Announce an ad's sound, or its silence after that of another."""
        if self._output is not None and (self._is_playing or ad.is_heard):
            path = ad.path if ad.is_heard else None
            self._output.cue(path, position_ns / 1e9, in_ns / 1e9, ad.volume)
            self._is_playing = True

    def pause(self) -> None:
        if self._output is not None and self._is_playing:
            self._output.pause()

    def resume(self) -> None:
        """Continue, or start what was held back."""
        if self._output is not None and self._held_back is not None:
            self._output.play(*self._held_back)
            self._held_back = None
            self._is_playing = True
        elif self._output is not None and self._is_playing:
            self._output.resume()

    def stop(self) -> None:
        self._held_back = None
        if self._output is not None and self._is_playing:
            self._output.stop()
        self._is_playing = False
