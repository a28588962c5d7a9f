"""What differs between two states of a playlist, in words and for the audit log."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitor.hub.playlists.vocabulary import KEY_WORDS, value_words
from monitor.languages import _

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from monitor.hub.playlists.body import Body

PLACE = "place"
LIST = ""
"""Stands for the playlist itself where otherwise an ad is named."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs.

    Attributes:
        ad: Its name, or `LIST`.
        key: `PLACE`, or a key of the body.
        before, after: The values; `None` for nothing. A place counts from 1.
    """

    ad: str
    key: str
    before: Any
    after: Any

    @property
    def sentence(self) -> str:
        """Say it, such as "Tea moved from 3 to 1"."""
        if self.key != PLACE:
            before, after = value_words(self.key, self.before), value_words(self.key, self.after)
            key = str(KEY_WORDS.get(self.key, self.key))
            if self.ad == LIST:
                return _("%(key)s: %(before)s → %(after)s", key=key, before=before, after=after)
            values = {"ad": self.ad, "key": key, "before": before, "after": after}
            return _("%(ad)s: %(key)s %(before)s → %(after)s", **values)
        if self.before is None:
            return _("%(ad)s was added at place %(place)s", ad=self.ad, place=self.after)
        if self.after is None:
            return _("%(ad)s was removed from place %(place)s", ad=self.ad, place=self.before)
        values = {"ad": self.ad, "before": self.before, "after": self.after}
        return _("%(ad)s moved from %(before)s to %(after)s", **values)


def compare(
    before: Mapping[str, Any], after: Mapping[str, Any], names: Mapping[str, str]
) -> list[Difference]:
    """Return what differs: the settings of the list first, then each ad in its new order.

    Args:
        before: A body.
        after: Another body.
        names: Of the ads, by uid.
    """
    found = list(_of_keys(LIST, _settings(before), _settings(after)))
    old, new = list(before.get("ads", ())), list(after.get("ads", ()))
    pairs = _paired(old, new)
    called = _labels(old, new, pairs, names)
    staying = _longest_rising([there for _here, there in sorted(pairs)])
    partner = {there: here for here, there in pairs}
    matched = dict(pairs)
    found += [
        Difference(called[here, None], PLACE, here + 1, None)
        for here in range(len(old))
        if here not in matched
    ]
    for there, ad in enumerate(new):
        origin = partner.get(there)
        if origin is None:
            label = called[None, there]
            found.append(Difference(label, PLACE, None, there + 1))
            continue
        label = called[origin, there]
        if there not in staying:
            found.append(Difference(label, PLACE, origin + 1, there + 1))
        found += _of_keys(label, old[origin], ad)
    return found


def as_notes(differences: Sequence[Difference]) -> tuple[Body, Body]:
    """Return differences as the audit log has them: before and after, by ad and key."""
    before: Body = {}
    after: Body = {}
    for one in differences:
        for notes, value in ((before, one.before), (after, one.after)):
            notes.setdefault("changes", {}).setdefault(one.ad, {})[one.key] = value
    return before, after


def from_notes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Return the differences of an entry of the audit log."""
    old, new = before.get("changes", {}), after.get("changes", {})
    return [
        Difference(ad, key, old.get(ad, {}).get(key), value)
        for ad, values in new.items()
        for key, value in values.items()
    ]


def _settings(body: Mapping[str, Any]) -> Body:
    own = {key: value for key, value in body.items() if key not in {"ads", "guard_rails"}}
    return own | dict(body.get("guard_rails") or {})


def _of_keys(
    label: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[Difference]:
    for key in KEY_WORDS:
        if before.get(key) != after.get(key):
            yield Difference(label, key, before.get(key), after.get(key))


def _paired(old: Sequence[Body], new: Sequence[Body]) -> list[tuple[int, int]]:
    """Return which ad has become which, by place: equal listings first, then in order."""
    places: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for side, ads in enumerate((old, new)):
        for place, ad in enumerate(ads):
            places[ad["creative"]][side].append(place)
    pairs = []
    for mine, theirs in places.values():
        for here in list(mine):
            same = next((there for there in theirs if new[there] == old[here]), None)
            if same is not None:
                pairs.append((here, same))
                mine.remove(here)
                theirs.remove(same)
        pairs += zip(mine, theirs, strict=False)
    return pairs


def _labels(
    old: Sequence[Body],
    new: Sequence[Body],
    pairs: Sequence[tuple[int, int]],
    names: Mapping[str, str],
) -> dict[tuple[int | None, int | None], str]:
    """Return a name for each pair, and for each ad without a partner; no two are the same."""
    partner = {there: here for here, there in pairs}
    lonely = set(range(len(old))) - {here for here, _there in pairs}
    keys: list[tuple[int | None, int | None]] = [
        (partner.get(there), there) for there in range(len(new))
    ]
    keys += [(here, None) for here in sorted(lonely)]
    counts: Counter[str] = Counter()
    called = {}
    for here, there in keys:
        ad = new[there] if there is not None else old[here or 0]
        name = names.get(ad["creative"], ad["creative"])
        counts[name] += 1
        called[here, there] = name if counts[name] == 1 else f"{name} ({counts[name]})"
    return called


def _longest_rising(values: Sequence[int]) -> set[int]:
    """Return the values of a longest rising subsequence: those that need not be moved."""
    tails: list[int] = []
    ends: list[int] = []
    before: dict[int, int | None] = {}
    for value in values:
        place = bisect_left(tails, value)
        before[value] = ends[place - 1] if place else None
        tails[place:] = [value, *tails[place + 1 :]]
        ends[place:] = [value, *ends[place + 1 :]]
    kept: set[int] = set()
    value_at: int | None = ends[-1] if ends else None
    while value_at is not None:
        kept.add(value_at)
        value_at = before[value_at]
    return kept
