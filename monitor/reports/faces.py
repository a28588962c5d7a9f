"""What a report shows of faces: four groups of an audience, or the labels of another model.

With the seven emotions these are shares of an audience, corrected for prevalence, and corrected
valence. Any other model gives the means of its probabilities, and plain valence where its labels
have both sides; `as_shown` puts these in the place of the corrected figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from detector.emotion.labels import EMOTIONS, colour_names, knows_valence
from detector.emotion.prevalence import GROUPS
from monitor.languages import _
from monitor.palette import EMOTION_COLOURS
from monitor.reports.figures import COLOURS, VALENCE

if TYPE_CHECKING:
    from detector.emotion.labels import LabelSet

_LINES = {
    "angry": (EMOTION_COLOURS["angry"], "14 4"),
    "disgust": (EMOTION_COLOURS["disgust"], "2 3"),
    "fear": (EMOTION_COLOURS["fear"], "12 3 2 3 2 3"),
    "happy": COLOURS["happy"],
    "sad": (EMOTION_COLOURS["sad"], "6 3"),
    "surprise": COLOURS["surprise"],
    "neutral": COLOURS["neutral"],
}
"""Colours and dash patterns of single emotions, as `figures.COLOURS` for the groups."""


@dataclass(frozen=True, slots=True)
class Faces:
    """The parts that faces are divided into.

    Attributes:
        labels: Of the model; None where the models of several sessions differ.
        colours: Of areas, by the names of the parts, in their order.
        lines, dashes: Colours and dash patterns of curves.
    """

    labels: LabelSet | None
    colours: dict[str, str]
    lines: dict[str, str]
    dashes: dict[str, str]

    @classmethod
    def of(cls, document: dict[str, Any]) -> Faces:
        """Return the parts of the faces of a report."""
        labels = document.get("report", {}).get("labels", EMOTIONS)
        if labels is None or tuple(labels) == EMOTIONS:
            styles = {group: COLOURS[group] for group in GROUPS}
            colours = {group: style[0] for group, style in styles.items()}
            colours["neutral"] = "#C5CAD6"
        else:
            styles = {name: _LINES[like] for name, like in colour_names(tuple(labels)).items()}
            colours = {name: style[0] for name, style in styles.items()}
        return cls(
            None if labels is None else tuple(labels),
            colours,
            {name: style[0] for name, style in styles.items()},
            {name: style[1] for name, style in styles.items()},
        )

    @property
    def names(self) -> list[str]:
        """The names of the parts, in their order."""
        return list(self.colours)

    @property
    def is_corrected(self) -> bool:
        """Whether figures are corrected for the mix of faces in an audience."""
        return self.labels is None or self.labels == EMOTIONS

    @property
    def has_valence(self) -> bool:
        """Whether the labels give valence."""
        return self.labels is not None and knows_valence(self.labels)

    @property
    def shows_valence(self) -> bool:
        """Whether there is valence to show, be it corrected or plain."""
        return self.is_corrected or self.has_valence

    def about_faces(self) -> str:
        """Say what the figures of the parts are."""
        if self.is_corrected:
            return _(
                "Shares of happy, surprised, negative (angry, disgusted, afraid or sad) and "
                "neutral faces in the audience, corrected for the mix of faces that the network "
                "was trained on and for what it mixes up. Disgust and fear are too rare to be told "
                "apart."
            )
        return _(
            "The mean probabilities that the model gives its labels. They always add up to 100%%, "
            "even for a face that shows none of them, so they are not shares of the audience."
        )

    def about_valence(self) -> str:
        """Say what valence is; empty where the labels do not give it."""
        if self.is_corrected:
            return _(
                "Share of happy minus share of negative faces, corrected in the same way, from "
                "%(low)s to %(high)s: a neutral audience has 0.",
                low="\N{MINUS SIGN}1",
                high="+1",
            )
        if not self.has_valence:
            return ""
        return _(
            "Probability of happy minus that of the strongest negative label of the model, from "
            "%(low)s to %(high)s. It is not corrected: a neutral audience need not have 0.",
            low="\N{MINUS SIGN}1",
            high="+1",
        )


def as_shown(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document with the figures of its labels in the place of corrected ones."""
    faces = Faces.of(document)
    if faces.is_corrected:
        return document
    return {**document, "ads": [_shown_ad(ad, faces) for ad in document["ads"]]}


def _shown_ad(ad: dict[str, Any], faces: Faces) -> dict[str, Any]:
    ends = ("", "_low", "_high")
    return {
        **ad,
        "shares": _parts(ad["mean_probabilities"], faces),
        **{f"valence_corrected_mean{end}": ad[f"mean_valence{end}"] for end in ends},
        "timeline": [
            {
                **second,
                "shares": _parts(second["probabilities"], faces),
                "scored_viewers": second["emotion_viewers"],
                **{f"{VALENCE}{end}": second[f"valence{end}"] for end in ends},
            }
            for second in ad["timeline"]
        ],
    }


def _parts(found: dict[str, float | None] | None, faces: Faces) -> dict[str, float] | None:
    parts = {name: (found or {}).get(name) for name in faces.names}
    known = {name: value for name, value in parts.items() if value is not None}
    return known if len(known) == len(parts) else None
