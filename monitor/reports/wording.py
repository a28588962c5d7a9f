"""The sentences of the report; they claim no more than the figures and intervals allow."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from monitor.analytics.report_data import kinds_left_out
from monitor.languages import LazyText, _, later, lazy, ngettext, nlazy, numeral
from monitor.languages.words import word
from monitor.reports.faces import Faces
from monitor.reports.figures import VALENCE
from monitor.reports.formatting import (
    decimal,
    duration,
    moment_of,
    percent,
    points,
    signed,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from db.read.sessions import SessionInfo

MOMENTS = {
    "peak": (lazy("Most positive"), lazy("peak of valence")),
    "trough": (lazy("Least positive"), lazy("low of valence")),
    "attention_drop": (
        lazy("Attention falls"),
        lazy("of attention, up to four seconds against those before"),
    ),
}
"""Name and note of each kind of key moment."""

FIGURE_NAMES = {
    "timeline": lazy("curves"),
    "watchers": lazy("watchers"),
    "held": lazy("held"),
    "conversion": lazy("conversion"),
    "peak_valence": lazy("peak valence"),
    "attraction": lazy("attraction"),
    "impact": lazy("impact"),
    "timeline.valence": lazy("curves of valence"),
    "timeline.probabilities": lazy("curves of emotions"),
    "timeline.shares": lazy("curves of the shares of faces"),
    "shares": lazy("shares of faces"),
    "valence": lazy("valence"),
    "valence_corrected_mean": lazy("corrected valence"),
    "expressiveness": lazy("expressiveness"),
    "score": lazy("score"),
    "multipliers.multiplier": lazy("viewers per play in some hours"),
    "trend": lazy("figures of some weeks"),
    "screens.attention_s": lazy("attention at some screens"),
    "session.viewers": lazy("viewers of some screens"),
    "session.watchers": lazy("watchers"),
    "session.attention_s": lazy("attention time"),
    "session.attraction_ratio": lazy("attraction ratio"),
}
"""Names of withheld figures on the page."""


def title(ad: dict[str, Any]) -> str:
    """Return the name of an ad, with its version when there is more than one."""
    if ad["version"] is None:
        return str(ad["name"])
    return _("%(name)s (version %(version)s)", name=ad["name"], version=ad["version"])


def place(document: dict[str, Any]) -> str:
    """Return the title of the page: campaign and site, else the session, else how many sites."""
    session = document["session"]
    site, campaign = session["site"] or "", session["campaign"]
    # The site of a kiosk that was given no name.
    if site == "default":
        site = ""
    sites = {entry["site"] for entry in document["sessions"]}
    if not site and len(sites) > 1:
        chosen = _places(document.get("report", {}).get("scope", {}))
        every = _("all sites")
        site = ngettext("%(num)s site", "%(num)s sites", len(sites)) if chosen else every
        if not campaign and site == every:
            return f"{site[:1].upper()}{site[1:]}"
    if campaign:
        return f"{campaign}, {site}" if site else str(campaign)
    if session["id"] is not None and not site:
        return _("Session %(number)s", number=session["id"])
    return site or _("All sessions")


NO_SCORE = lazy("No score: it needs corrected valence, which takes a model of the seven emotions.")


def why_not_given(labels: Sequence[str] | None, sessions: Collection[SessionInfo]) -> LazyText:
    """Say why the models of some sessions lack a measure; for the middle of a sentence.

    `labels` is the label set that the sessions share, None if they have several.
    """
    if labels is None:
        return different_labels(sessions)
    models = sorted({str(info.model_name) for info in sessions if info.labels == labels})
    said = {"models": ", ".join(models), "last": later(word, labels[-1])}
    if len(labels) == 2:
        return nlazy(
            "the model %(models)s tells %(first)s from %(last)s only",
            "the models %(models)s tell %(first)s from %(last)s only",
            len(models),
            first=later(word, labels[0]),
            **said,
        )
    return nlazy(
        "the model %(models)s tells %(labels)s and %(last)s apart",
        "the models %(models)s tell %(labels)s and %(last)s apart",
        len(models),
        labels=later(_words, tuple(labels[:-1])),
        **said,
    )


def different_labels(sessions: Iterable[SessionInfo]) -> LazyText:
    """Say which models of several label sets some sessions had; for the middle of a sentence."""
    models = {info.labels: info for info in sessions if info.readings}
    named = [f"{info.model_name}: {', '.join(labels)}" for labels, info in models.items()]
    return lazy(
        "the sessions had models with different labels (%(models)s), whose figures are not "
        "averaged; a report on the sessions of one model has them",
        models="; ".join(sorted(named)),
    )


def _words(labels: Sequence[str]) -> str:
    return ", ".join(map(word, labels))


def has_curve(ad: dict[str, Any]) -> bool:
    """Whether any second of the ad has figures."""
    return any(second["attention"] is not None for second in ad["timeline"])


def why_no_mean(ad: dict[str, Any], withheld: Iterable[dict[str, Any]]) -> str:
    """Say why an ad has no valence, given all that is withheld; empty for one that has."""
    if ad["valence_corrected_mean"] is not None:
        return ""
    if any("mean_probabilities" in entry["figures"] for entry in withheld if is_about(entry, ad)):
        return _("withheld: too few viewers")
    if ad["opportunities"] is None:
        return _("never measured")
    return _("no emotion could be read") if ad["opportunities"] else _("nobody was in view")


def describe(ad: dict[str, Any]) -> str:
    """Describe the curves of an ad for people who cannot see them."""
    if not has_curve(ad):
        return _("%(ad)s: no curve.", ad=title(ad))
    known = [second for second in ad["timeline"] if second[VALENCE] is not None]
    if not known and ad["shares"]:
        return _(
            "Curves of %(ad)s over %(count)s seconds: mean probabilities of the labels of the "
            "model, attention and the number of viewers. The table below has all values.",
            ad=title(ad),
            count=len(ad["timeline"]),
        )
    if not known:
        return _(
            "Curve of %(ad)s over %(count)s seconds: only attention and the number of viewers, no "
            "emotion. The table below has all values.",
            ad=title(ad),
            count=len(ad["timeline"]),
        )
    top = max(known, key=lambda second: second[VALENCE])
    bottom = min(known, key=lambda second: second[VALENCE])
    counts = [second["n"] for second in known]
    few, most = min(counts), max(counts)
    people = f"{few}" if few == most else between(few, most)
    start, low, high = (signed(second[VALENCE]) for second in (known[0], bottom, top))
    happy = percent(ad["shares"] and ad["shares"]["happy"])
    return _(
        "Curves of %(ad)s over %(count)s seconds: valence starts at %(start)s, is lowest with "
        "%(low)s in second %(low_at)s and highest with %(high)s in second %(high_at)s; %(happy)s "
        "of the faces over the ad are happy; viewers per second: %(people)s. The table below has "
        "all values.",
        ad=title(ad),
        count=len(ad["timeline"]),
        start=start,
        low=low,
        low_at=bottom["second"],
        high=high,
        high_at=top["second"],
        happy=happy,
        people=people,
    )


def left_out(document: dict[str, Any]) -> list[str]:
    """Say that a demonstration has no customers, and which sessions are left out of what."""
    report = document["report"]
    own = kinds_left_out(report["scope"].get("left_out") or {})
    others = kinds_left_out(report.get("norms_left_out") or {})
    said = []
    if places := _places(report["scope"]):
        said.append(_("Only sessions %(places)s.", places=places))
    if document["session"].get("session_kind") == "demo":
        said.append(_("A demonstration: the viewer is the built-in demo viewer, not a customer."))
    if own:
        said.append(_("Left out: %(kinds)s; only live sessions count.", kinds=own))
    if others and others != own:
        said.append(
            _(
                "Left out of comparisons with earlier ads: %(kinds)s; only live sessions count.",
                kinds=others,
            )
        )
    return said


def _places(scope: dict[str, Any]) -> str:
    """Return what groups and tags, or several sites, a report was asked for, in words."""
    sites, groups, tags = (
        _(" or ").join(scope.get(key) or ()) for key in ("sites", "groups", "tags")
    )
    named = [
        sites and _("at %(names)s", names=sites),
        groups and _("of the group %(names)s", names=groups),
        tags and _("with the tag %(names)s", names=tags),
    ]
    return ", ".join(filter(None, named))


def findings(document: dict[str, Any]) -> list[str]:
    """Say the main results in sentences."""
    return _nobody(document) or [
        _reach(document),
        *claims(document),
        *_missing(document["quality"]),
    ]


def _nobody(document: dict[str, Any]) -> list[str]:
    """Say that no ad was shown, or that nobody saw one, if so."""
    if not document["ads"]:
        one = document["report"]["scope"]["sessions"] == 1
        return [_("No ad was shown in this session.") if one else _("No ad was shown.")]
    if not document["session"]["viewers"]:
        return [_("Ads were shown, but no viewer was seen, so there is no reaction to report.")]
    return []


MAX_CLAIMS = 8
"""Sentences about ads on a page; a report of sixty ads may have more findings."""


def claims(document: dict[str, Any]) -> list[str]:
    """Say the findings, the most certain of each kind first, or that there is none."""
    found = document["findings"]
    said: list[str] = []
    kinds = list(dict.fromkeys(finding["kind"] for finding in found))
    by_kind = [
        sorted((each for each in found if each["kind"] == kind), key=lambda each: each["p"])
        for kind in kinds
    ]
    chosen = [each for rank in zip_longest(*by_kind) for each in rank if each is not None]
    shown = chosen[:MAX_CLAIMS]
    said += [finding["sentence"] for finding in found if finding in shown]
    if len(chosen) > MAX_CLAIMS:
        said.append(
            ngettext(
                "%(num)s more finding under the ads.",
                "%(num)s more findings under the ads.",
                len(chosen) - MAX_CLAIMS,
            )
        )
    return said or _nobody(document) or _nothing(document)


def _nothing(document: dict[str, Any]) -> list[str]:
    """Say which two ads certainly differ, if no ad differs from all others, or that none does."""
    ads = document["ads"]
    certain = [pair for pair in document["comparisons"] if pair["verdict"] in {"better", "worse"}]
    if certain:
        certain.sort(key=lambda pair: pair["p_adjusted"])
        return [pair["sentence"] for pair in certain[:3]]
    rated = [
        ad for ad in ads if ad["mean_valence"] is not None or ad.get("dominant_emotion") is not None
    ]
    if not rated:
        if document["withheld"]:
            return []
        if any(ad["opportunities"] for ad in ads):
            return [
                _(
                    "Viewers were seen, but no face well enough to read an emotion from it while "
                    "an ad was on."
                )
            ]
        return [_("Viewers were seen, but none of them while an ad was on.")]
    return [_nothing_stands_out(document, rated)]


def _nothing_stands_out(document: dict[str, Any], rated: Sequence[dict[str, Any]]) -> str:
    """Say that no ad differs from the others, if there are any, and no second from its ad."""
    # Seconds are tested for attention and corrected valence.
    if Faces.of(document).is_corrected:
        if len(rated) > 1:
            return _("No ad certainly differs from the others, and no second stands out.")
        return _("No second of %(ad)s certainly stands out from the others.", ad=quoted(rated[0]))
    if len(rated) > 1:
        return _(
            "No ad certainly differs from the others, and in no second did attention certainly "
            "fall."
        )
    return _("In no second of %(ad)s did attention certainly fall.", ad=quoted(rated[0]))


def finding_sentence(finding: dict[str, Any], ad: dict[str, Any]) -> LazyText:
    """Say a finding of the document about one of its ads in a sentence."""
    value, low, high = (finding[key] for key in ("value", "low", "high"))
    said: dict[str, Any] = {
        "ad": later(quoted, {"name": ad["name"], "version": ad["version"]}),
        "viewers": nlazy("%(num)s viewer", "%(num)s viewers", finding["viewers"]),
    }
    if finding["measure"] == "attention":
        return _about_attention(finding, said)
    # A limit that is rounded to 0 would deny what is said.
    digits = 2 if min(abs(low), abs(high)) >= 0.005 else 3
    said |= {"low": later(signed, low, digits), "high": later(signed, high, digits)}
    if finding["kind"] in {"peak", "trough"}:
        said |= {
            "second": finding["second"],
            "value": later(signed, value),
            "level": later(signed, finding["level"]),
        }
        if finding["kind"] == "peak":
            return lazy(
                "Second %(second)s of %(ad)s was met with more positive faces than the rest of the "
                "ad: valence %(value)s against %(level)s over the whole ad, 95%% interval %(low)s "
                "to %(high)s; %(viewers)s.",
                **said,
            )
        return lazy(
            "Second %(second)s of %(ad)s was met with less positive faces than the rest of the "
            "ad: valence %(value)s against %(level)s over the whole ad, 95%% interval %(low)s to "
            "%(high)s; %(viewers)s.",
            **said,
        )
    said |= {
        "mean": later(signed, finding["level"] + value),
        "level": later(signed, finding["level"]),
        "difference": later(signed, value),
    }
    if finding["kind"] == "more_positive":
        return lazy(
            "%(ad)s was met with more positive faces than the other ads: valence %(mean)s against "
            "%(level)s, difference %(difference)s, 95%% interval %(low)s to %(high)s; %(viewers)s.",
            **said,
        )
    return lazy(
        "%(ad)s was met with less positive faces than the other ads: valence %(mean)s against "
        "%(level)s, difference %(difference)s, 95%% interval %(low)s to %(high)s; %(viewers)s.",
        **said,
    )


def _about_attention(finding: dict[str, Any], said: dict[str, Any]) -> LazyText:
    value, low, high = (finding[key] for key in ("value", "low", "high"))
    said |= {"size": later(points, abs(value)), "range": later(size_range, value, low, high)}
    if finding["kind"] == "attention_drop":
        said |= {key: later(seconds, finding[key]) for key in ("before", "after")}
        return lazy(
            "Attention to %(ad)s fell from %(before)s to %(after)s by %(size)s, 95%% interval "
            "%(range)s; %(viewers)s.",
            **said,
        )
    if finding["kind"] == "more_attention":
        return lazy(
            "%(ad)s held more attention than the other ads, by %(size)s, 95%% interval %(range)s; "
            "%(viewers)s.",
            **said,
        )
    return lazy(
        "%(ad)s held less attention than the other ads, by %(size)s, 95%% interval %(range)s; "
        "%(viewers)s.",
        **said,
    )


def seconds(span: list[int]) -> str:
    """Write `second 3` or `seconds 3-6`, with an en dash."""
    first, last = span
    if first == last:
        return _("second %(second)s", second=first)
    return _("seconds %(span)s", span=f"{first}\N{EN DASH}{last}")


def size_range(value: float, low: float, high: float) -> str:
    """Write the interval of the size of a difference between shares."""
    ends = (low, high) if value >= 0 else (-high, -low)
    # A limit that is rounded to 0 would deny what is said.
    digits = 0 if abs(ends[0]) >= 0.005 else 1
    return between(decimal(100 * ends[0], digits), points(ends[1]))


_REASONS = {
    "better": lazy("Its audience is more positive and more attentive than that of the other ads."),
    "better_valence": lazy(
        "Its audience is more positive than that of the other ads, and at most 10 "
        "points less attentive."
    ),
    "better_attention": lazy(
        "Its audience is more attentive than that of the other ads, and at most "
        "0.1 of valence less positive."
    ),
    "no_worse": lazy(
        "Its audience is at most 0.1 of valence less positive and 10 points less "
        "attentive than that of the other ads."
    ),
    "worse": lazy(
        "Its audience is less positive than that of the other ads, by 0.1 of "
        "valence or more, and less attentive, by 10 points or more."
    ),
    "worse_valence": lazy(
        "Its audience is less positive than that of the other ads, by 0.1 of valence or more."
    ),
    "worse_attention": lazy(
        "Its audience is less attentive than that of the other ads, by 10 points or more."
    ),
    "mixed": lazy(
        "Its audience is more positive than that of the other ads but less "
        "attentive, or the other way round."
    ),
    "open": lazy(
        "It is not clear yet whether its audience is less positive by 0.1 of "
        "valence, or less attentive by 10 points, than that of the other ads."
    ),
    "few": lazy("Too few viewers to compare it with the other ads in valence and attention."),
    "few_attention": lazy("Too few viewers to compare it with the other ads in attention."),
    "attention_only": lazy(
        "Valence is not known here, so only attention can be compared with that of the other ads; "
        "in attention it is not certainly worse by 10 points or more."
    ),
    "not_comparable": lazy(
        "It ran too seldom, or at other hours than the other ads, to be compared with them."
    ),
    "alone": lazy("There is no other ad to compare it with."),
}


def advice_reason(reason: str) -> LazyText:
    """Say why an ad has its advice."""
    return _REASONS[reason]


def _reach(document: dict[str, Any]) -> str:
    session, ads = document["session"], document["ads"]
    seen = ngettext(
        "%(num)s viewer was in view during %(plays)s of %(ads)s",
        "%(num)s viewers were in view during %(plays)s of %(ads)s",
        session["viewers"],
        plays=ngettext("%(num)s play", "%(num)s plays", session["plays"]),
        ads=ngettext("%(num)s ad", "%(num)s ads", len(ads)),
    )
    if session["watchers"] is None:
        return f"{seen}."
    watched = whole(session["watchers"]) if session["watchers"] else _("none")
    return _(
        "%(seen)s; %(watched)s of them watched an ad for half a second or longer.",
        seen=seen,
        watched=watched,
    )


def _missing(quality: dict[str, Any]) -> list[str]:
    share = quality["measured_share"]
    if share is None or share > 0.95:
        return []
    return [
        _(
            "Nothing could be measured for %(gaps)s, %(share)s of the time.",
            gaps=duration(quality["gap_s"]),
            share=percent(1 - share),
        )
    ]


def quoted(ad: dict[str, Any]) -> str:
    """Return the title of an ad in quotation marks."""
    return _("“%(name)s”", name=title(ad))


def is_about(entry: dict[str, Any], ad: dict[str, Any]) -> bool:
    """Whether an entry of `withheld` is about an ad."""
    return bool(entry["ad_id"] == ad["ad_id"] and entry.get("version") == ad["version"])


def withheld_name(entry: dict[str, Any], ads: Iterable[dict[str, Any]]) -> str:
    """Return what an entry of `withheld` is about."""
    return next((title(ad) for ad in ads if is_about(entry, ad)), _("The whole session"))


def figure_names(figures: Iterable[str]) -> str:
    """Name withheld figures in words."""
    figures = list(figures)
    if "mean_probabilities" in figures:
        return _("all measures") if "watchers" in figures else _("all measures of emotion")
    return ", ".join(str(FIGURE_NAMES[figure]) for figure in figures if figure in FIGURE_NAMES)


def moment_value(moment: dict[str, Any]) -> str:
    """Return the value of a key moment in its own unit, with its interval."""
    value, low, high = (moment[key] for key in ("value", "low", "high"))
    if moment["kind"] == "attention_drop":
        ends = decimal(-100 * low, 0), decimal(-100 * high, 0)
        return f"{points(-value)} ({between(*ends)})"
    return f"{signed(value)} ({between(signed(low), signed(high))})"


def between(low: object, high: object) -> str:
    """Write the ends of an interval."""
    return _("%(low)s to %(high)s", low=low, high=high)


def currency(ad: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what media planners count, by name; what is not known is left out."""
    found = {
        _("Watched 2 s or more"): (ad["watchers_2s"], "{:,}"),
        _("Average unit audience"): (ad["average_unit_audience"], "{:.1f}"),
        _("Attentive s per 1,000"): (ad["attentive_s_per_1000"], "{:,.0f}"),
        # A replay, or a kiosk without a window, has none by its nature.
        _("Viewable for 2 s"): (ad["viewable_plays"]["at_least_2s"] or None, "{:,}"),
        _("Cost"): (ad["cost"], "{:,.2f}"),
        _("Cost per 1,000 attentive s"): (ad["cost_per_1000_attentive_s"], "{:,.2f}"),
    }
    return [
        (name, numeral(form.format(value)))
        for name, (value, form) in found.items()
        if value is not None
    ]


def scene_change(scene: dict[str, Any]) -> str:
    """Say what certainly changed from the scene before, empty for the first scene."""
    change = scene["change"]
    if change is None:
        return ""
    said = []
    for key, name, write in (
        ("valence_corrected", _("valence"), signed),
        ("attention", _("attention"), points),
    ):
        found = change[key]
        if found["p_adjusted"] is not None and found["p_adjusted"] < 0.05:
            ends = between(write(found["low"]), write(found["high"]))
            said.append(f"{name} {write(found['value'])} ({ends})")
    return "; ".join(said) or _("no certain change")


def figure_value(value: float | None, figure: str) -> str:
    """Return a figure in its usual unit."""
    if figure.endswith("_s"):
        return duration(value)
    shares = ["attraction_ratio", "conversion", "expressiveness", "impact", "attraction", "held"]
    if figure in shares or figure.endswith("_share"):
        return percent(value)
    return signed(value) if "valence" in figure else decimal(value, 0 if figure == "score" else 2)


LABELS = {
    "valence_corrected_mean": lazy("valence"),
    "mean_valence": lazy("mean valence"),
    "attraction_ratio": lazy("attraction ratio"),
    "conversion": lazy("conversion"),
    "dwell_share": lazy("dwell share"),
    "expressiveness": lazy("expressiveness"),
    "impact": lazy("impact"),
    "attraction": lazy("attraction"),
    "held": lazy("held"),
    "mean_dwell_s": lazy("mean dwell"),
    "attention_s": lazy("attention"),
    "attention": lazy("attention"),
    "happy": lazy("happy"),
    "valence": lazy("valence"),
    "score": lazy("score"),
}
"""Names of figures and of parts of the score."""


def figure_label(figure: str, inside: bool = False) -> str:
    """Return the name of a figure or a part of the score in words.

    Args:
        figure: Its key in the document.
        inside: Whether it stands inside a sentence.
    """
    found = LABELS.get(figure)
    words = figure.removesuffix("_s").replace("_", " ") if found is None else str(found)
    return words if inside else words[:1].upper() + words[1:]


def unread(shares: dict[str, float] | None) -> dict[str, Any]:
    """Return the `share` of readings without an emotion, and the `reasons`, most frequent first."""
    if shares is None:
        return {"share": None, "reasons": []}
    found = [(share, name) for name, share in shares.items() if share > 0]
    found.sort(key=lambda each: -each[0])
    reasons = [{"name": name, "share": share} for share, name in found]
    return {"share": sum(shares.values()), "reasons": reasons}


def gap_seconds(gap: dict[str, Any]) -> float | None:
    """Return the length of a gap; None while it lasts."""
    start, end = moment_of(gap["start"]), moment_of(gap["end"])
    return None if start is None or end is None else (end - start).total_seconds()
