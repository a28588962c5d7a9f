"""Every text that the window shows, by language. A language is added by adding its mapping here."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_LANGUAGE = "en"

_ENGLISH = {
    "notice": "A camera here measures how many people look and their facial expression. No picture is stored.",
    "notice_more": "More: {url}",
    "overlay_title": "Audience",
    "viewers_unknown": "not measured",
    "viewers_0": "nobody in view",
    "viewers_1": "1 viewer",
    "viewers_n": "{count} viewers",
    "attentive": "{count} looking",
    "bars_viewer": "Viewer {viewer}",
    "bars_unknown": "Not measured",
    "bars_nobody": "No viewer",
    "bars_withheld": "Viewer {viewer}: {reason}",
    "bars_attentive": "looks at the screen",
    "bars_inattentive": "looks away",
    "uncertain": "unsure",
    "withheld_too_small": "too small",
    "withheld_too_blurred": "too blurred",
    "withheld_too_dark": "too dark",
    "withheld_turned_away": "turned away",
    "withheld_cut_off": "cut off",
    "withheld_count_only": "only counted",
    "static": "picture",
    "curve_title": "Mood of all viewers, last {seconds} s",
    "curve_pleasant": "pleasant",
    "curve_unpleasant": "unpleasant",
    "curve_now": "now",
    "status_fps": "{fps} fps",
    "status_dropped": "{dropped} dropped",
    "state_starting": "camera starting",
    "state_running": "measuring",
    "state_reconnecting": "camera lost, trying again",
    "state_restarting": "measuring restarts",
    "state_unavailable": "camera unavailable",
    "state_ended": "recording is over",
    "paused": "Paused",
    "loading": "The show begins …",
    "no_ad": "No ad can be played.",
    "idle": "No ad is due now.",
    "help_title": "Keys",
    "help_next": "next ad",
    "help_pause": "pause, go on",
    "help_overlay": "measurements on, off",
    "help_fullscreen": "full screen",
    "help_help": "this help",
    "help_quit": "quit",
    "key_next": "N  or  →",
    "key_pause": "Space",
    "key_overlay": "O",
    "key_fullscreen": "F  or  F11",
    "key_help": "H  or  F1",
    "key_quit": "Q  or  Esc",
    "emotion_angry": "angry",
    "emotion_disgust": "disgust",
    "emotion_fear": "fear",
    "emotion_happy": "happy",
    "emotion_sad": "sad",
    "emotion_surprise": "surprise",
    "emotion_neutral": "neutral",
    "percent": "{percent} %",
}

_GERMAN = {
    "notice": "Hier misst eine Kamera, wie viele Menschen hinsehen, und ihren Gesichtsausdruck. "
    "Es wird kein Bild gespeichert.",
    "notice_more": "Mehr dazu: {url}",
    "overlay_title": "Publikum",
    "viewers_unknown": "keine Messung",
    "viewers_0": "niemand im Bild",
    "viewers_1": "1 Person",
    "viewers_n": "{count} Personen",
    "attentive": "{count} aufmerksam",
    "bars_viewer": "Person {viewer}",
    "bars_unknown": "Keine Messung",
    "bars_nobody": "Niemand da",
    "bars_withheld": "Person {viewer}: {reason}",
    "bars_attentive": "sieht zum Bildschirm",
    "bars_inattentive": "sieht weg",
    "uncertain": "unsicher",
    "withheld_too_small": "zu klein",
    "withheld_too_blurred": "zu unscharf",
    "withheld_too_dark": "zu dunkel",
    "withheld_turned_away": "abgewandt",
    "withheld_cut_off": "angeschnitten",
    "withheld_count_only": "nur gezählt",
    "static": "Bild",
    "curve_title": "Stimmung aller, letzte {seconds} s",
    "curve_pleasant": "angenehm",
    "curve_unpleasant": "unangenehm",
    "curve_now": "jetzt",
    "status_fps": "{fps} Bilder/s",
    "status_dropped": "{dropped} ausgelassen",
    "state_starting": "Kamera startet",
    "state_running": "misst",
    "state_reconnecting": "Kamera verloren, neuer Versuch",
    "state_restarting": "Messung startet neu",
    "state_unavailable": "Kamera nicht verfügbar",
    "state_ended": "Aufnahme zu Ende",
    "paused": "Pause",
    "loading": "Gleich geht es los …",
    "no_ad": "Keine Werbung ist abspielbar.",
    "idle": "Gerade ist keine Werbung an der Reihe.",
    "help_title": "Tasten",
    "help_next": "nächste Werbung",
    "help_pause": "anhalten, weiter",
    "help_overlay": "Messwerte ein, aus",
    "help_fullscreen": "Vollbild",
    "help_help": "diese Hilfe",
    "help_quit": "beenden",
    "key_next": "N  oder  →",
    "key_pause": "Leertaste",
    "key_overlay": "O",
    "key_fullscreen": "F  oder  F11",
    "key_help": "H  oder  F1",
    "key_quit": "Q  oder  Esc",
    "emotion_angry": "wütend",
    "emotion_disgust": "angewidert",
    "emotion_fear": "ängstlich",
    "emotion_happy": "fröhlich",
    "emotion_sad": "traurig",
    "emotion_surprise": "überrascht",
    "emotion_neutral": "neutral",
    "percent": "{percent} %",
}

TEXTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"en": MappingProxyType(_ENGLISH), "de": MappingProxyType(_GERMAN)}
)
"""Language code -> key -> text. Every language has the same keys, and each text the same fields."""

LANGUAGES = tuple(TEXTS)
"""The codes that can be asked for."""


def texts_for(language: str) -> Mapping[str, str]:
    """The texts of a language.

    Args:
        language: A code such as `de`; of `de_AT.UTF-8` or `de-CH` only the first part counts.

    Raises:
        ValueError: There are no texts in that language.
    """
    code = re.split(r"[-_.@]", language.strip().lower(), maxsplit=1)[0]
    try:
        return TEXTS[code]
    except KeyError:
        raise ValueError(
            f"Invalid language: expected one of {', '.join(LANGUAGES)}, received {language!r}; choose one of these, "
            "or add its texts."
        ) from None


def withheld_text(texts: Mapping[str, str], reason: str) -> str:
    """Why a viewer's emotion is withheld, in the words of a language.

    Args:
        texts: Of that language.
        reason: One of `detector.types.WITHHELD_REASONS`.
    """
    return texts[f"withheld_{reason.replace(' ', '_')}"]
