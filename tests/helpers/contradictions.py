"""Whether the claims of a report contradict each other, by rules."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def contradictions(report: dict[str, Any], sentences: list[str]) -> list[str]:
    """Return what two claims of a report, or its sentences, contradict each other; none should."""
    said = {(each["ad_id"], each["kind"]): each for each in report["findings"]}
    verdicts = {(pair["first"], pair["second"]): pair["verdict"] for pair in report["comparisons"]}
    rules = [
        *_of_ads(report, said, verdicts),
        *_of_pairs(report, said, verdicts),
        *_of_figures(report),
        *_of_sentences(report, sentences),
    ]
    return [what for holds, what in rules if not holds]


def _of_ads(report: Any, said: Any, verdicts: Any) -> Iterator[tuple[bool, str]]:
    for ad in report["ads"]:
        ad_id, advice = ad["ad_id"], ad["advice"]
        up, down = (ad_id, "more_positive") in said, (ad_id, "less_positive") in said
        held, lost = (ad_id, "more_attention") in said, (ad_id, "less_attention") in said
        action = advice["action"]
        yield not (up and down), f"{ad_id} is more and less positive"
        yield not (held and lost), f"{ad_id} holds more and less attention"
        yield not (action == "stop" and (up or held)), f"{ad_id} is better, and to be stopped"
        yield action != "stop" or down or lost, f"{ad_id} is to be stopped, but not worse"
        yield (
            action != "collect" or not ((up or down) and (held or lost)),
            f"{ad_id} lacks viewers, and differs",
        )
        decided = action in {"keep", "stop"}
        yield not decided or advice["viewers_needed"] is None, f"{ad_id} is decided, and needs more"
        if (rest := verdicts.get((ad_id, None))) is not None:
            yield up == (rest == "better"), f"{ad_id}: the comparison says {rest}"
            yield down == (rest == "worse"), f"{ad_id}: the comparison says {rest}"
        for measure, better, worse in (("valence", up, down), ("attention", held, lost)):
            verdict = (ad["against_rest"][measure] or {}).get("verdict")
            yield better == (verdict == "better"), f"{ad_id}: {measure} is {verdict}"
            yield worse == (verdict == "worse"), f"{ad_id}: {measure} is {verdict}"


def _of_pairs(report: Any, said: Any, verdicts: Any) -> Iterator[tuple[bool, str]]:
    means = {ad["ad_id"]: ad["valence_corrected_mean"] for ad in report["ads"]}
    for a, b in permutations(means, 2):
        apart = (a, "more_positive") in said and (b, "less_positive") in said
        if apart:
            known = None not in {means[a], means[b]}
            yield not known or means[a] > means[b], f"{a} over {b}, and ranked the other way"
            against = verdicts.get((b, a)) == "better" or verdicts.get((a, b)) == "worse"
            yield not against, f"{a} over {b}, and as a pair the other way round"
        if verdicts.get((a, b)) == "better" and None not in {means[a], means[b]}:
            yield means[a] > means[b], f"{a} is better than {b}, and ranked below"


def _of_figures(report: Any) -> Iterator[tuple[bool, str]]:
    for ad in report["ads"]:
        for moment in ad["moments"] + ad["moments_corrected"]:
            if moment["shrunk"] is not None:
                inside = moment["low"] <= moment["shrunk"] <= moment["high"]
                yield inside, f"{ad['ad_id']}: {moment['kind']} outside its interval"
        if ad["score_low"] is not None:
            yield ad["score_low"] <= ad["score"] <= ad["score_high"], "score outside its interval"
    for each in report["findings"]:
        kind = each["kind"]
        yield each["low"] <= each["value"] <= each["high"], f"{kind} outside its interval"
        if kind in {"more_positive", "more_attention", "attention_drop"}:
            yield each["value"] > 0, f"{kind} of the wrong sign"
        if kind in {"less_positive", "less_attention"}:
            yield each["value"] < 0, f"{kind} of the wrong sign"
        if kind in {"more_positive", "more_attention", "less_positive", "less_attention"}:
            yield each["low"] * each["high"] > 0, f"{kind} with an interval around 0"
        if kind in {"peak", "trough"}:
            above = each["low"] > each["level"] if kind == "peak" else each["high"] < each["level"]
            yield above, f"{kind} on the wrong side"
        yield kind != "attention_drop" or each["low"] > 0, "a fall with an interval around 0"


def _of_sentences(report: Any, sentences: list[str]) -> Iterator[tuple[bool, str]]:
    nothing = any("No ad certainly differs" in each for each in sentences)
    certain = [pair for pair in report["comparisons"] if pair["verdict"] in {"better", "worse"}]
    yield not (nothing and certain), "no ad differs, and two do"
    yield not (nothing and report["findings"]), "no ad differs, and there are findings"
    stopped = [ad for ad in report["ads"] if ad["advice"]["action"] == "stop"]
    yield not (nothing and stopped), "no ad differs, and one is to be stopped"
    yield len(set(sentences)) == len(sentences), "a sentence is said twice"
