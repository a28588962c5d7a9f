"""The data protection impact assessment (Article 35 GDPR) as a template, filled from settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ads.policies import ADAPTIVE_NAMES
from db.engine import shown_address
from db.upkeep.inventory import NEVER
from detector.names import is_blank
from monitor.languages import _, language, long_date, ngettext
from monitor.legal import facts
from monitor.legal.paper import Heading, Items, Paper, Question, Table, Text
from monitor.legal.recipients import recipients
from monitor.version import VERSION

if TYPE_CHECKING:
    from datetime import date

    from detector.emotion.model_card import ModelCard
    from monitor.legal.paper import Block
    from monitor.settings.models import RunSettings


def impact_assessment(settings: RunSettings, card: ModelCard, today: date) -> Paper:
    """Return the template in the language that is spoken.

    Args:
        settings: Of the kiosk.
        card: Of the model that it uses.
        today: The day for its head.

    Raises:
        KeyFileError: The file with the hub's key cannot be read.
    """
    return Paper(
        language(),
        _("Data protection impact assessment"),
        _about(settings, today),
        (
            Text(
                _(
                    "A template for Article 35 of the GDPR, filled in with the settings of this "
                    "kiosk. It is not legal advice, and not yet an assessment: answer the marked "
                    "questions, check the rest, and have both reviewed by somebody who knows your "
                    "law."
                )
            ),
            *_people(settings),
            *_processing(settings, card),
            *_necessity(settings),
            *_risks(settings),
            *_safeguards(settings),
            *_decision(),
        ),
    )


def _about(settings: RunSettings, today: date) -> str:
    program = _("%(day)s, Ad-reaction monitor %(version)s", day=long_date(today), version=VERSION)
    return program if settings.site == "default" else f"{settings.site}, {program}"


def _people(settings: RunSettings) -> tuple[Block, ...]:
    given = (
        (_("Responsible (controller)"), settings.notice_responsible, "notice.responsible"),
        (_("Contact"), settings.notice_contact, "notice.contact"),
        (_("Data protection officer"), settings.notice_officer, "notice.officer"),
        (_("Privacy page"), settings.notice_url, "notice.url"),
    )
    rows = tuple(
        (name, _("not given") if is_blank(value) else ", ".join(value.strip().splitlines()), key)
        for name, value, key in given
    )
    return (
        Heading(_("1. Who is responsible")),
        Table((_("Fact"), _("This kiosk"), _("Setting")), rows),
        Question(_("Who carried out this assessment, and when?")),
        Question(
            _("What did the data protection officer advise (Article 35(2))? If there is none: why?")
        ),
        Question(
            _(
                "Did you ask the people concerned or somebody who speaks for them, such as the "
                "works council (Article 35(9))? What did they say, or why did you not ask?"
            )
        ),
    )


def _processing(settings: RunSettings, card: ModelCard) -> tuple[Block, ...]:
    sent = facts.sent(settings)
    return (
        Heading(_("2. The processing (Article 35(7)(a))")),
        Text(
            _(
                "A camera beside an ad screen sees who stands there. The program finds the faces "
                "in each picture in memory, estimates where they look and which expression they "
                "show, and stores these numbers together with the ad on the screen. Pictures are "
                "discarded at once. Reports say how each ad was received by groups of people."
            )
        ),
        Question(
            _("For which purposes do you measure, in your own words, and what do you do with them?")
        ),
        Question(
            _(
                "What is your legal basis (Article 6)? If it is a legitimate interest: which? "
                "Have you checked whether Article 9 (special categories) applies?"
            )
        ),
        Heading(_("How this kiosk measures"), 2),
        Table((_("Fact"), _("This kiosk"), _("Setting")), facts.measuring(settings, card)),
        Question(
            _(
                "What does the camera see besides the people in front of the screen: tills, desks, "
                "a street, entrances to a doctor or a place of worship?"
            )
        ),
        Question(
            _("About how many people are measured a day? Are children or patients among them?")
        ),
        Heading(_("What is stored about people"), 2),
        Text(
            _(
                "In the database %(database)s (setting data.database).",
                database=shown_address(settings.database),
            )
        ),
        Table((_("Table"), _("What it holds"), _("How long")), facts.stored(settings)),
        Text(_("Not stored anywhere:")),
        Items(tuple(str(sentence) for sentence in NEVER)),
        Heading(_("Who receives it"), 2),
        Table((_("Machine"), _("Gets"), _("Connection")), sent)
        if sent
        else Text(_("The program sends it to nobody: all readings stay on the kiosk's machine.")),
        Text(_console(settings)),
        Question(
            _(
                "Who may log in to the kiosk, to its pages and to the hub? Whom do you give "
                "reports? Who works on your behalf, with which contract (Article 28)?"
            )
        ),
    )


def _console(settings: RunSettings) -> str:
    if not settings.console:
        return _("The kiosk offers no pages in the browser (console.enabled).")
    if settings.console_host in {"127.0.0.1", "::1", "localhost"}:
        return _(
            "The kiosk offers pages in the browser on its own machine, for people with an account "
            "(console.enabled)."
        )
    return _(
        "The kiosk offers pages in the browser to its network, for people with an account "
        "(console.enabled, console.host)."
    )


def _necessity(settings: RunSettings) -> tuple[Block, ...]:
    return (
        Heading(_("3. Necessity and proportionality (Article 35(7)(b))")),
        Items(
            (
                _(
                    "Less data would serve counting alone: with zones of the kind count, or "
                    "without a camera, no expressions are read (faces.zones, camera.enabled)."
                ),
                _(
                    "Single readings are kept: %(time)s (data.retention_days). Reports need only "
                    "the sums.",
                    time=facts.retention(settings),
                ),
                _(
                    "Nobody is identified, so a person who asks for access or erasure can usually "
                    "not be found in the data (Article 11). Place and time can still point to "
                    "somebody who stood there alone."
                ),
            )
        ),
        Question(_("Why is measuring expressions necessary? Would counting viewers be enough?")),
        Question(_("Why do you need single readings for this long?")),
        Question(
            _(
                "How do people learn of it before they come into view? Where does the sign hang, "
                "and what does the page behind it say (Articles 12 to 14)?"
            )
        ),
        Question(
            _(
                "What do you do when somebody asks for access, erasure, or not to be measured "
                "(Articles 15 to 21)?"
            )
        ),
    )


def _risks(settings: RunSettings) -> tuple[Block, ...]:
    rows = [
        (
            _("An expression is taken for a feeling, or for a judgement on a person"),
            _("Reports speak of groups, with intervals; no figure decides about a person"),
        ),
        (
            _("Expressions of some groups of people are read less well"),
            _(
                "Groups are never estimated; ad-monitor evaluate --groups measures the "
                "differences; the technical file has the limits"
            ),
        ),
        (
            _("People do not notice that they are measured"),
            _("Notice on the screen: %(notice)s", notice=facts.notice(settings)),
        ),
        (
            _("Children and others who need protection stand in view"),
            _("Age is not estimated, so they cannot be left out: only place and hours help"),
        ),
        (
            _("Staff are measured, which Article 5(1)(f) of the AI Act prohibits"),
            _(
                "Hours: %(hours)s; part of the picture: %(zones)s",
                hours=facts.hours(settings),
                zones=facts.zones(settings),
            ),
        ),
        (
            _("Somebody is identified in the data by place and time"),
            _(
                "No picture and no feature of a face is stored; single readings are kept: %(time)s",
                time=facts.retention(settings),
            ),
        ),
        (
            _("The machine is stolen, or its database is copied"),
            _("No picture is stored; the database is not encrypted by the program"),
        ),
        (
            _("The data are used for something else later"),
            _("Models that sort people by sex, age or origin are refused"),
        ),
    ]
    if settings.policy in ADAPTIVE_NAMES:
        rows.append(
            (
                _("Ads follow the mood of those who are there"),
                ngettext(
                    "Only the group counts, from %(num)s viewer on (ads.min_audience); ads can be "
                    "left out of it (ads.blocked)",
                    "Only the group counts, from %(num)s viewers on (ads.min_audience); ads can be "
                    "left out of it (ads.blocked)",
                    settings.guard_rails.min_audience,
                ),
            )
        )
    rows += [
        (
            _("Data are read on their way to %(host)s, or there", host=one.host),
            _("Connection: %(state)s", state=facts.encryption(one)),
        )
        for one in recipients(settings)
    ]
    return (
        Heading(_("4. Risks for the people concerned (Article 35(7)(c))")),
        Table(
            (_("Risk"), _("What limits it here"), _("Likelihood and severity")),
            tuple((risk, limit, "\N{HORIZONTAL ELLIPSIS}") for risk, limit in rows),
        ),
        Question(_("Rate each risk in the last column: how likely and how severe does it remain?")),
        Question(_("Which further risks does your place bring?")),
    )


def _safeguards(settings: RunSettings) -> tuple[Block, ...]:
    on, off = _("on"), _("off")
    few = settings.min_viewers
    withheld = ngettext(
        "figures of fewer than %(num)s viewer", "figures of fewer than %(num)s viewers", few
    )
    overlay = settings.overlay if settings.overlay is not None else not settings.fullscreen
    rows = (
        (_("No picture of a person is stored or sent"), on, ""),
        (_("Notice on the screen"), facts.notice(settings), "notice.mode"),
        (
            _("Address with more about privacy"),
            off if is_blank(settings.notice_url) else settings.notice_url,
            "notice.url",
        ),
        (
            _("Deletion of single readings"),
            facts.retention(settings) if settings.retention_days else off,
            "data.retention_days",
        ),
        (
            _("Measuring hours"),
            facts.hours(settings) if settings.measure_hours else off,
            "data.measure_hours",
        ),
        (
            _("Zones without measurement"),
            off if settings.zones is None else facts.zones(settings),
            "faces.zones",
        ),
        (
            _("Live readings with people's faces are not shown on the screen"),
            off if overlay and not settings.headless else on,
            "window.overlay",
        ),
        (
            _("Small groups withheld in reports"),
            withheld if few > 1 else off,
            "report.min_viewers",
        ),
        (
            _("Only sums over several viewers go to a hub"),
            {"sums": off, "cells": on}[upload] if (upload := _upload(settings)) else _("no hub"),
            "uplink.upload",
        ),
    )
    return (
        Heading(_("5. Measures against the risks (Article 35(7)(d))")),
        Table((_("Safeguard"), _("This kiosk"), _("Setting")), rows),
        Question(
            _(
                "Is the disk encrypted? Who has the keys of the room, the passwords and the "
                "backups? When are updates installed?"
            )
        ),
        Question(_("Which of the safeguards that are off will you switch on? Why not the others?")),
        Question(_("How do you tell the people who read reports what the figures do not say?")),
    )


def _upload(settings: RunSettings) -> str | None:
    return next((one.gets for one in recipients(settings) if one.gets in {"sums", "cells"}), None)


def _decision() -> tuple[Block, ...]:
    return (
        Heading(_("6. Decision")),
        Question(
            _(
                "Which risk remains? If it is high, ask the data protection authority before you "
                "begin (Article 36)."
            )
        ),
        Question(_("Who decides that measuring may begin, and signs? When?")),
        Question(
            _(
                "When do you review this assessment (Article 35(11))? At the latest when a setting "
                "in it, the model, or the place of the camera changes."
            )
        ),
    )
