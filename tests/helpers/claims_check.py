"""Whether the claims of a report contradict each other, by rules."""

from __future__ import annotations

from itertools import combinations
from typing import Any


def contradictions(report: dict[str, Any]) -> list[str]:
    """Return what two claims of a report contradict each other; none should."""
    found: list[str] = []
    said = {(each["ad_id"], each["kind"]): each for each in report["findings"]}
    ads = {ad["ad_id"]: ad for ad in report["ads"]}
    verdicts = {(pair["first"], pair["second"]): pair["verdict"] for pair in report["comparisons"]}

    def wrong(holds: bool, what: str) -> None:
        if not holds:
            found.append(what)

    for ad_id, ad in ads.items():
        up, down = (ad_id, "more_positive") in said, (ad_id, "less_positive") in said
        held, lost = (ad_id, "more_attention") in said, (ad_id, "less_attention") in said
        action = ad["advice"]["action"]
        wrong(not (up and down), f"{ad_id} is more and less positive")
        wrong(not (held and lost), f"{ad_id} holds more and less attention")
        wrong(not (action == "stop" and (up or held)), f"{ad_id} is better, and to be stopped")
        wrong(
            action != "stop" or down or lost, f"{ad_id} is to be stopped, and not said to be worse"
        )
        wrong(
            action != "collect" or not (up or down or held or lost),
            f"{ad_id} lacks viewers, and differs",
        )
        needed = ad["advice"]["viewers_needed"]
        wrong(
            action not in {"keep", "stop"} or needed is None, f"{ad_id} is decided, and needs more"
        )
        # Against the rest, where the page compares so.
        rest = verdicts.get((ad_id, None))
        if rest is not None:
            wrong(up == (rest == "better"), f"{ad_id}: the comparison says {rest}")
            wrong(down == (rest == "worse"), f"{ad_id}: the comparison says {rest}")
        for kind in ("peak", "trough"):
            if finding := said.get((ad_id, kind)):
                above = finding["value"] > finding["level"]
                wrong(above == (kind == "peak"), f"{ad_id}: a {kind} on the wrong side")
        for moment in ad["moments"] + ad["moments_corrected"]:
            if moment["shrunk"] is not None:
                inside = moment["low"] <= moment["shrunk"] <= moment["high"]
                wrong(inside, f"{ad_id}: {moment['kind']} outside its interval")
        if ad["score"] is not None:
            wrong(
                ad["score_low"] - 1e-9 <= ad["score"] <= ad["score_high"] + 1e-9,
                f"{ad_id}: score outside its interval",
            )
    for first, second in combinations(ads, 2):
        for a, b in ((first, second), (second, first)):
            pair = verdicts.get((a, b))
            mirrored = verdicts.get((b, a))
            better = pair == "better" or mirrored == "worse"
            if better:
                wrong(
                    not ((b, "more_positive") in said and (a, "less_positive") in said),
                    f"{a} is better than {b}, and against the rest the other way round",
                )
            if (a, "more_positive") in said and (b, "less_positive") in said:
                means = [ads[each]["valence_corrected_mean"] for each in (a, b)]
                wrong(
                    None in means or means[0] > means[1],
                    f"{a} is more, {b} less positive than the rest, and ranked the other way",
                )
    for each in report["findings"]:
        wrong(each["low"] <= each["value"] <= each["high"], f"{each['kind']} outside its interval")
        if each["kind"] in {"more_positive", "more_attention"}:
            wrong(each["low"] > 0, f"{each['kind']} with an interval around 0")
        if each["kind"] in {"less_positive", "less_attention"}:
            wrong(each["high"] < 0, f"{each['kind']} with an interval around 0")
    return found
