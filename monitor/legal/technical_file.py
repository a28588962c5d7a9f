"""The technical file, by the headings of Annex IV of the EU AI Act, from card and settings."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from detector.sources.passwords import hide_passwords
from monitor.languages import _, language, lazy, listed, long_date
from monitor.languages.recognition import translated
from monitor.languages.words import capitalised, word
from monitor.legal import facts
from monitor.legal.paper import Heading, Items, Paper, Question, Table, Text
from monitor.reports.formatting import decimal, percent, whole
from monitor.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from detector.emotion.model_card import ModelCard
    from monitor.legal.paper import Block
    from monitor.settings.models import RunSettings

LIBRARIES = ("mediapipe", "ai-edge-litert", "opencv-python", "numpy", "av", "SQLAlchemy", "PyQt5")

CONDITIONS = {
    "face_side_px": lazy("side of the face, in pixels"),
    "blur_px": lazy("blur, sigma in pixels of a face of 48 pixels"),
    "low_light_gain": lazy("share of the light that is left"),
    "jpeg_quality": lazy("quality of JPEG compression"),
    "noise_sd": lazy("noise, deviation in grey levels"),
    "roll_deg": lazy("head leaning to a side, in degrees"),
    "yaw_deg": lazy("head turned to a side, in degrees"),
    "glasses": lazy("glasses: 0 none, 1 dark frame, 2 dark lenses"),
    "mask": lazy("mask over nose and mouth: 0 without, 1 with"),
    "hand": lazy("hand before mouth and cheek: 0 without, 1 with"),
    "hat": lazy("hat down to the brows: 0 without, 1 with"),
}
"""What the conditions of model cards mean."""

CARD_WORDS = {
    "training": lazy("training"),
    "validation": lazy("validation"),
    "test": lazy("test"),
    "twins_left_out": lazy("near-duplicates left out"),
    "used": lazy("used"),
}
"""Words of model cards for parts of the data."""


def technical_file(settings: RunSettings, card: ModelCard, today: date) -> Paper:
    """Return the file in the language that is spoken.

    Args:
        settings: Of the kiosk.
        card: Of the model that it uses.
        today: The day for its head.

    Raises:
        KeyFileError: The file with the hub's key cannot be read.
    """
    return Paper(
        language(),
        _("Technical file"),
        _(
            "Ad-reaction monitor %(version)s, model %(model)s, %(day)s",
            version=VERSION,
            model=card.name,
            day=long_date(today),
        ),
        (
            Text(
                _(
                    "What the system is, what it was tested on and what it must not be used for, "
                    "by the headings of Annex IV of Regulation (EU) 2024/1689 (the AI Act). All "
                    "figures come from the card of the model in use, all facts about the kiosk "
                    "from its settings. This is not legal advice, and no conformity assessment: "
                    "none was carried out, and the program bears no CE marking."
                )
            ),
            *_law(),
            *_general(settings),
            *_development(settings, card),
            *_functioning(settings, card),
            *_rest(),
        ),
    )


def _law() -> tuple[Block, ...]:
    return (
        Heading(_("What the AI Act says about it")),
        Items(
            (
                _(
                    "Article 3(39) and recital 18: a system that infers emotions from faces is an "
                    "emotion recognition system. One that merely notices a smile is not, unless it "
                    "infers emotions from it. The reports of this program speak of mood, so treat "
                    "it as one."
                ),
                _(
                    "Article 5(1)(f) prohibits inferring emotions at the workplace and in "
                    "education institutions, except for medical or safety reasons. Staff, pupils "
                    "and students must not be measured."
                ),
                _(
                    "Article 50(3): since 2 August 2026, the deployer of such a system (here the "
                    "operator of the screen) must inform the people exposed to it. The notice on "
                    "the screen and the printed sign (ad-monitor notice print) serve this."
                ),
                _(
                    "Annex III, point 1(c), lists emotion recognition among the high-risk systems "
                    "(Article 6(2)). Article 11 then requires technical documentation from the "
                    "provider, with the contents of Annex IV; Articles 9, 10, 12 to 15, 17, 43, 47 "
                    "to 49 and 72 add further duties, and Article 26 those of the deployer."
                ),
                _(
                    "Article 25: anybody who puts their name on a high-risk system, or changes it "
                    "substantially, takes on the provider's duties."
                ),
                _(
                    "Article 113 and its amendments say from when each duty applies. The "
                    "amendment that the Council adopted on 29 June 2026 moves the duties for the "
                    "systems of Annex III from 2 August 2026 to 2 December 2027: look up the "
                    "current text in the Official Journal."
                ),
            )
        ),
        Question(
            _("Which duties do you have, as provider, deployer or both? Who checked it, and when?")
        ),
        Heading(_("What it must not be used for")),
        Items(
            (
                _("to measure staff, applicants, pupils or students"),
                _("to judge or single out a person: to hire, grade, price, admit or refuse"),
                _("to detect lies, illness, tiredness or intentions"),
                _("to recognise or follow anybody, or to sort people by sex, age or origin"),
                _("where people are not told, or cannot avoid the camera's view"),
                _("for safety, security or law enforcement"),
            )
        ),
    )


def _general(settings: RunSettings) -> tuple[Block, ...]:
    versions = [("Python", platform.python_version())]
    for name in LIBRARIES:
        try:
            versions.append((name, version(name)))
        except PackageNotFoundError:
            continue
    camera = settings.source or _("the one that was chosen")
    hosts = listed([host for host, _gets, _way in facts.sent(settings)]) or _("none")
    return (
        Heading(_("1. General description (Annex IV, point 1)")),
        Heading(_("Purpose, provider and version"), 2),
        Text(
            _(
                "Purpose: to measure how the people in front of an ad screen, as a group, receive "
                "the ads: how many look, for how long, and which expressions they show, averaged "
                "over viewers, with intervals. Version: %(version)s, under GPL-3.0-or-later.",
                version=VERSION,
            )
        ),
        Question(
            _("Under whose name is the system put into service? Name and address of the provider.")
        ),
        Heading(_("Hardware and software around it"), 2),
        Text(
            _(
                "A computer with Linux (x86-64) and a screen; a camera (USB, or a stream over http "
                "or rtsp); no graphics card is needed. Camera of this kiosk: %(camera)s. Other "
                "machines that get something from it: %(hosts)s.",
                camera=hide_passwords(camera),
                hosts=hosts,
            )
        ),
        Table((_("Software library"), _("Version")), tuple(versions)),
        Heading(_("Forms, user interface and instructions"), 2),
        Text(
            _(
                "A Python package and a container, each with the commands of ad-monitor. The "
                "operator has a window with a panel (key F1), pages in the browser, and commands; "
                "the documentation that comes with it has the instructions for use."
            )
        ),
    )


def _development(settings: RunSettings, card: ModelCard) -> tuple[Block, ...]:
    return (
        Heading(_("2. Elements and development (Annex IV, point 2)")),
        Heading(_("How it works"), 2),
        Items(
            (
                _(
                    "Faces are found with MediaPipe's face model, a pre-trained system from "
                    "Google; its face mesh rejects what is not a face and shows where the eyes "
                    "look."
                ),
                _(
                    "Each face is followed while it stays in view, by its position alone. Somebody "
                    "who comes back gets a new number; nothing is computed that could recognise a "
                    "face."
                ),
                _(
                    "Faces that are too small, blurred, dark, turned away or cut off count as "
                    "viewers; their expression is not read."
                ),
                _(
                    "A network trained for this program gives each label of an expression a "
                    "calibrated probability. Reports correct the shares of an audience for what "
                    "the network mixes up."
                ),
                _(
                    "Pictures exist in memory only, in two processes of the kiosk. Readings go to "
                    "a database."
                ),
            )
        ),
        Heading(_("The model"), 2),
        Table((_("Fact"), _("From the model card")), _model_rows(card)),
        *_quoted(_("Rights to the training data, as the card states them:"), card.licences),
        Heading(_("Validation and tests"), 2),
        Text(
            _(
                "Scores of the card. Rows that chose the epoch or the calibration give figures "
                "that are a little too good; the column says what each set was used for."
            )
        ),
        _scores(card),
        Heading(_("Predetermined changes"), 2),
        Text(
            _(
                "None: the model does not learn while it is used. Another one is put in use by a "
                "person (ad-monitor models promote), after a test on the same faces. Choice of the "
                "next ad: %(choice)s.",
                choice=facts.choice(settings),
            )
        ),
        Heading(_("Cybersecurity"), 2),
        Text(
            _(
                "Model files are checked by SHA-256 at each start. Media and pictures are first "
                "decoded in a process with limits. Pages listen on this machine only, unless the "
                "settings say otherwise. The page on security in the documentation lists attacks, "
                "defences and what is not done."
            )
        ),
    )


def _model_rows(card: ModelCard) -> tuple[tuple[str, str], ...]:
    training = card.training
    unknown = _("unknown")
    rows = training.get("rows", {})
    counted = ", ".join(f"{_card_word(name)} {whole(count)}" for name, count in rows.items())
    found = [
        (_("Name"), card.name),
        (_("Labels"), listed([word(label) for label in card.labels])),
        (_("Architecture"), str(training.get("architecture", unknown))),
        (_("Parameters"), whole(training.get("parameters"))),
        (_("Training data"), translated(str(training.get("data", unknown)))),
        (_("Rows"), counted or unknown),
        (_("Taught by"), listed([str(name) for name in training.get("teachers", ())]) or _("none")),
        (_("Computed on"), translated(str(training.get("device", unknown)))),
        (_("Minutes of training"), whole(round(training.get("minutes_spent", 0))) or unknown),
        (_("Finished"), str(training.get("finished_at", unknown))),
        (_("Temperature of the calibration"), decimal(card.temperature, 4)),
        ("SHA-256", card.sha256),
    ]
    return tuple(found)


_CARD_SENTENCES = (
    lazy("fer2013.csv.xz with fer2013new.csv"),
    lazy("TensorFlow on the CPU, float32"),
)
"""What cards say in words, for the catalogue."""


def _card_word(name: str) -> str:
    return str(CARD_WORDS.get(name, name.replace("_", " ")))


def _scores(card: ModelCard) -> Block:
    rows = tuple(
        (
            name,
            _card_word(score.get("used_for") or "validation"),
            whole(score.get("n")),
            percent(score.get("accuracy"), 1),
            decimal(score.get("macro_f1"), 3),
            decimal(score.get("ece"), 3),
        )
        for name, score in card.scores.items()
    )
    if not rows:
        return Text(_("The card has no scores: measure them with ad-monitor evaluate."))
    head = (
        _("Set of faces"),
        _("Used for"),
        _("Faces"),
        _("Named right"),
        _("Macro F1"),
        _("Calibration error"),
    )
    return Table(head, rows)


def _functioning(settings: RunSettings, card: ModelCard) -> tuple[Block, ...]:
    return (
        Heading(_("3. Functioning, limits and control (Annex IV, point 3)")),
        Heading(_("Accuracy by expression"), 2),
        _by_label(card.scores),
        Heading(_("Accuracy by condition"), 2),
        _by_condition(card.conditions),
        Heading(_("Groups of people"), 2),
        Text(
            _(
                "Not part of the card: the training data name no groups. ad-monitor evaluate "
                "--groups measures with your own labelled pictures how often faces of each group "
                "are found, and with how much confidence they are read, with intervals. The system "
                "itself never estimates a group."
            )
        ),
        Question(
            _("Did you measure it for the people at your site? With which pictures and results?")
        ),
        *_quoted(_("Limits, as the card states them:"), card.limits),
        Heading(_("Input that it needs"), 2),
        Table((_("Fact"), _("This kiosk"), _("Setting")), facts.measuring(settings, card)),
        Heading(_("Unintended results and sources of risk"), 2),
        Text(
            _(
                "Expressions are not feelings. The training pictures were posed or chosen for "
                "their expression; in front of a screen most faces are neutral. Posters, animals "
                "and masks can count as viewers. The risks for people are in the data protection "
                "impact assessment (ad-monitor notice assessment)."
            )
        ),
        Heading(_("Human oversight (Article 14)"), 2),
        Items(
            (
                _(
                    "The system decides nothing about a person. It gives figures about groups, "
                    "with intervals and the number of viewers, and says “not enough” where the "
                    "data do not suffice."
                ),
                _(
                    "The operator sees state, faults and causes in the panel (F1) and with "
                    "ad-monitor doctor, can stop measuring at any time (camera.enabled, "
                    "data.measure_hours), and the ads go on."
                ),
                _("Small groups can be withheld in every output (report.min_viewers)."),
            )
        ),
        Question(_("Who oversees the system, how were they trained for it, and who may stop it?")),
        Heading(_("Logging (Article 12)"), 2),
        Text(
            _(
                "Each session stores when, where and with which settings, program version and "
                "model (with its SHA-256) it ran, and each stretch without measurement with its "
                "cause. Single readings are kept: %(time)s (data.retention_days). The program's "
                "log is in run.log unless run.log: none; a hub logs who changed what "
                "(hub.audit_days).",
                time=facts.retention(settings),
            )
        ),
    )


def _by_label(scores: Mapping[str, Any]) -> Block:
    name, score = next(iter(scores.items()), ("", dict[str, Any]()))
    per_class = score.get("per_class") or {}
    if not per_class:
        return Text(_("The card has no figures by label."))
    rows = tuple(
        (
            capitalised(word(label)),
            whole(found.get("support")),
            decimal(found.get("precision"), 2),
            decimal(found.get("recall"), 2),
            decimal(found.get("f1"), 2),
        )
        for label, found in per_class.items()
    )
    return Table((name, _("Faces"), _("Precision"), _("Recall"), "F1"), rows)


def _by_condition(conditions: Mapping[str, Any]) -> Block:
    if not conditions:
        return Text(_("The card has no figures by condition."))
    rows = tuple(
        (
            str(CONDITIONS.get(name, name.replace("_", " "))),
            whole(measured[0].get("n")),
            ", ".join(
                _(
                    "%(value)s: %(share)s",
                    value=facts.exact(entry["value"]),
                    share=percent(entry["accuracy"], 1),
                )
                for entry in measured
            ),
        )
        for name, measured in conditions.items()
        if measured
    )
    return Table((_("Condition"), _("Faces"), _("Named right, by value")), rows)


def _quoted(lead: str, sentences: Iterable[str]) -> tuple[Block, ...]:
    """Return sentences of the card, which are English in every language."""
    found = tuple(sentences)
    return (Text(lead), Items(found)) if found else ()


def _rest() -> tuple[Block, ...]:
    return (
        Heading(_("4. Why these measures (Annex IV, point 4)")),
        Text(
            _(
                "Accuracy and F1 by expression say how often the network names what people named; "
                "the calibration error says whether its probabilities can be averaged, which is "
                "what reports do. Valence and shares have 95%% intervals over viewers; the "
                "documentation has every formula."
            )
        ),
        Heading(_("5. Risk management (Annex IV, point 5; Article 9)")),
        Question(_("How do you find, rate and reduce risks while the system is in use?")),
        Heading(_("6. Changes (Annex IV, point 6)")),
        Text(
            _(
                "The changelog of the program lists changes by version; ad-monitor models list "
                "shows which models were in use."
            )
        ),
        Heading(_("7. Standards (Annex IV, point 7)")),
        Text(_("No harmonised standard was applied.")),
        Question(_("Which standards or other solutions do you apply to meet the requirements?")),
        Heading(_("8. EU declaration of conformity (Annex IV, point 8; Article 47)")),
        Text(_("The program comes with none.")),
        Question(_("Is one needed for your use? If so, add a copy.")),
        Heading(_("9. Monitoring in use (Annex IV, point 9; Article 72)")),
        Text(
            _(
                "Available: faults and gaps with their causes, a second model that runs alongside "
                "for comparison (faces.shadow_model), and ad-monitor evaluate on new faces."
            )
        ),
        Question(
            _("What is your plan for monitoring the system in use, and for serious incidents?")
        ),
    )
