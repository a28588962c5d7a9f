"""Words for values that data hold: emotions, kinds of sessions, causes of gaps, and the like."""

from __future__ import annotations

from monitor.languages import lazy, nlazy

WORDS = {
    "angry": lazy("angry"),
    "disgust": lazy("disgust"),
    "fear": lazy("fear"),
    "happy": lazy("happy"),
    "sad": lazy("sad"),
    "surprise": lazy("surprise"),
    "neutral": lazy("neutral"),
    "negative": lazy("negative"),
    "contempt": lazy("contempt"),
    "image": lazy("picture"),
    "animation": lazy("animation"),
    "video": lazy("video"),
    "unknown": lazy("unknown"),
    "not a face": lazy("not a face"),
    "live": lazy("live"),
    "demo": lazy("demo"),
    "replay": lazy("replay"),
    "finished": lazy("finished"),
    "stopped": lazy("stopped"),
    "failed": lazy("failed"),
    "interrupted": lazy("interrupted"),
    "running": lazy("running"),
    "camera_lost": lazy("camera lost"),
    "camera_busy": lazy("camera busy"),
    "stream_stalled": lazy("stream stalled"),
    "camera_frozen": lazy("camera frozen"),
    "camera_black": lazy("camera black"),
    "camera_covered": lazy("camera covered"),
    "format_changed": lazy("format changed"),
    "sensor_died": lazy("sensor died"),
    "sensor_stuck": lazy("sensor stuck"),
    "sensor_starting": lazy("sensor starting"),
    "notice": lazy("notice"),
    "hours": lazy("hours"),
    "no_camera": lazy("no camera"),
    "database_replaced": lazy("database replaced"),
    "lost": lazy("lost"),
    "off": lazy("off"),
    "paused": lazy("paused"),
    "outside_hours": lazy("outside hours"),
    "ads_only": lazy("ads only"),
    "silent": lazy("silent"),
    "warns": nlazy("warns", "warn", 1),
    "never seen": lazy("never seen"),
    "closed now": lazy("closed now"),
    "ok": lazy("ok"),
}


def word(value: str) -> str:
    """Return what people call a value; one of a newer version as it is, without underscores."""
    found = WORDS.get(value)
    return value.replace("_", " ") if found is None else str(found)


def capitalised(text: str) -> str:
    """Return a text with a large first letter; German nouns in it keep theirs."""
    return text[:1].upper() + text[1:]
