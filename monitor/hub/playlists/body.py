"""The body of a playlist as people type it into forms, checked by the models of a playlist file.

A body has the keys of a playlist file, but each ad has `creative`, the uid of an ad of the library,
instead of `file`. Keys that say nothing are left out, so that equal playlists have equal bodies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from ads.playlists.playlist import DAYS
from ads.playlists.playlist_file import Entry, PlaylistHead, colour_of
from ads.policies import ADAPTIVE_NAMES, POLICY_NAMES
from ads.policies.settings import PolicySettings
from detector.emotion.labels import EMOTIONS
from monitor.hub.forms import FormError
from monitor.languages import _, lazy

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

Body = dict[str, Any]

LISTS = {"days": DAYS, "moods": EMOTIONS}
"""Keys of an ad whose words are ticked, with all words."""

AD_FIELDS = (
    *("weight", "max_per_hour", "hours", "from", "until", "priority", "takeover"),
    *("fit", "volume", "mute", "duration_s", "price_per_thousand_s"),
)
"""The other keys of an ad in a body, as a form has them."""

HEAD_FIELDS = ("cross_fade_s", "filler", "fit", "volume", "mute")
RAIL_FIELDS = ("holdout", "floor", "min_audience", "wash_out_s")
"""Guard rails; besides them there is `blocked`, with ids of ads."""


def read_ad(form: Mapping[str, Any], creative: str) -> Body:
    """Return an ad of a body from a form.

    Args:
        form: Texts by key; `days` and `moods` are lists.
        creative: Uid of the ad.

    Raises:
        FormError: A field cannot be used.
    """
    values = _typed(form, AD_FIELDS)
    for key, words in LISTS.items():
        ticked = [word for word in words if word in form.get(key, ())]
        if ticked and len(ticked) < len(words):
            values[key] = ticked
    return {"creative": creative, **_checked(Entry, values, {"file": "ad.mp4"})}


def read_settings(form: Mapping[str, Any], pictures: Collection[str] = ()) -> Body:
    """Return the keys of a body that are for the whole list from a form, as `read_ad`.

    Args:
        form: Texts by key; `blocked` is a list of ids. A `filler_picture` comes before a `filler`.
        pictures: Uids of the pictures of the library that may fill the screen.
    """
    problems: dict[str, str] = {}
    found: Body = {}
    rails = _typed(form, RAIL_FIELDS)
    blocked = [str(ad_id) for ad_id in form.get("blocked", ())]
    try:
        found = _checked(PlaylistHead, _typed(form, HEAD_FIELDS), {})
    except FormError as error:
        problems |= error.problems
    filler = str(form.get("filler_picture", ""))
    if filler:
        found["filler"] = filler
        problems.pop("filler", None)
        if filler not in pictures:
            problems["filler_picture"] = _("Choose one of the pictures in the list.")
    elif "filler" in found and colour_of(found["filler"]) is None:
        problems["filler"] = _not_expected("filler", found["filler"])
    try:
        rails = _checked(PolicySettings, rails, {})
    except FormError as error:
        problems |= error.problems
    policy = str(form.get("policy", "")).strip()
    if policy and policy not in POLICY_NAMES:
        problems["policy"] = _("Choose one of the ways in the list.")
    if problems:
        raise FormError(problems)
    if policy:
        found["policy"] = policy
    if blocked and policy in ADAPTIVE_NAMES:
        rails["blocked"] = blocked
    if rails:
        found["guard_rails"] = rails
    return found


def check_body(body: Mapping[str, Any]) -> Body:
    """Return a body in its one form, such as one that was imported.

    Raises:
        FormError: A key cannot be used; the problem is under its name.
    """
    head = {key: body[key] for key in HEAD_FIELDS if body.get(key) is not None}
    picture = head.pop("filler", None) if colour_of(str(head.get("filler"))) is None else None
    found = _checked(PlaylistHead, head, {})
    if picture:
        found["filler"] = picture
    if body.get("policy"):
        found["policy"] = body["policy"]
    if body.get("guard_rails"):
        found["guard_rails"] = dict(body["guard_rails"])
    found["ads"] = []
    for ad in body.get("ads", ()):
        values = {key: ad[key] for key in (*AD_FIELDS, *LISTS) if ad.get(key) is not None}
        checked = _checked(Entry, values, {"file": "ad.mp4"})
        found["ads"].append({"creative": ad["creative"], **checked})
    return found


def with_settings(body: Mapping[str, Any], settings: Body) -> Body:
    """Return a body with other settings of the list and the same ads."""
    return {**settings, "ads": body["ads"]}


def form_of_ad(ad: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a form shows for an ad of a body."""
    return _texts(ad, AD_FIELDS) | {key: list(ad.get(key, ())) for key in LISTS}


def form_of_settings(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a form shows for the settings of a body."""
    rails = body.get("guard_rails") or {}
    filler = str(body.get("filler", ""))
    is_picture = bool(filler) and colour_of(filler) is None
    return {
        **_texts(body, HEAD_FIELDS),
        "filler": "" if is_picture else filler,
        "filler_picture": filler if is_picture else "",
        **_texts(rails, RAIL_FIELDS),
        "policy": body.get("policy", ""),
        "blocked": list(rails.get("blocked", ())),
    }


def bounds(key: str) -> tuple[float | None, float | None]:
    """Return the least and the greatest number that a key may have; `None` for no bound."""
    low: float | None = None
    high: float | None = None
    for model in (Entry, PlaylistHead, PolicySettings):
        for name, field in model.model_fields.items():
            if key in (name, field.alias):
                for rule in _rules(field):
                    low = getattr(rule, "ge", getattr(rule, "gt", low))
                    high = getattr(rule, "le", high)
                return low, high
    raise KeyError(key)


def default_of(key: str) -> Any:
    """Return what a guard rail is when a playlist says nothing."""
    return PolicySettings.model_fields[key].default


def what_is_expected(key: str) -> str:
    """Return what a field takes, as a phrase."""
    expected = _("expected %(what)s", what=_WHAT[key]) if key in _WHAT else ""
    if expected:
        return expected
    low, high = bounds(key)
    is_whole = key in {"max_per_hour", "priority", "min_audience"}
    if low is not None and high is None:
        return (
            _("expected a whole number of at least %(low)s", low=f"{low:g}")
            if is_whole
            else _("expected a number of at least %(low)s", low=f"{low:g}")
        )
    return (
        _("expected a whole number from %(low)s to %(high)s", low=f"{low:g}", high=f"{high:g}")
        if is_whole
        else _("expected a number from %(low)s to %(high)s", low=f"{low:g}", high=f"{high:g}")
    )


_WHAT = {
    "weight": lazy("a number above 0, up to 1000000"),
    "hours": lazy("times like 08:00-12:00, separated by commas"),
    "from": lazy("a date like 2026-12-01"),
    "until": lazy("a date like 2026-12-31, not before the first day"),
    "filler": lazy('a colour like "#203040" or "navy"'),
    "fit": lazy("one of the choices in the list"),
    "mute": lazy("one of the choices in the list"),
    "takeover": lazy("one of the choices in the list"),
    "days": lazy("days out of the list"),
    "moods": lazy("moods out of the list"),
}


def _rules(field: Any) -> list[Any]:
    found = list(field.metadata)
    for part in getattr(field.annotation, "__args__", ()):
        found += getattr(part, "__metadata__", ())
    return [one for each in found for one in (each, *getattr(each, "metadata", ()))]


def _typed(form: Mapping[str, Any], keys: tuple[str, ...]) -> Body:
    """Return what was typed for some keys; numbers as such, and nothing for empty fields."""
    values: Body = {}
    for key in keys:
        text = str(form.get(key, "")).strip()
        if not text:
            continue
        if key == "hours":
            values[key] = [part.strip() for part in text.split(",") if part.strip()]
        elif key in {"mute", "takeover"}:
            values[key] = {"yes": True, "no": False}.get(text, text)
        elif key in {"from", "until", "fit", "filler"}:
            values[key] = text
        else:
            values[key] = _number(text)
    return values


def _number(text: str) -> float | int | str:
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return text
    return int(number) if number.is_integer() else number


def _checked(model: type[BaseModel], values: Body, more: Body) -> Body:
    """Return values that say something, checked by a model."""
    try:
        read = model.model_validate({**values, **more})
    except ValidationError as error:
        problems: dict[str, str] = {}
        for one in error.errors(include_url=False):
            # What concerns the file as a whole is about its dates.
            key = str(one["loc"][0]) if one["loc"] else "until"
            received = ", ".join(map(str, _as_list(values.get(key, ""))))
            problems.setdefault(key, _not_expected(key, received))
        raise FormError(problems) from None
    unset = model.model_construct(**more)
    kept = {}
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key in values and getattr(read, name) != getattr(unset, name):
            kept[key] = values[key]
    return {key: kept[key] for key in values if key in kept}


def _not_expected(key: str, received: str) -> str:
    sentence = _(
        "%(expected)s, received %(received)s.",
        expected=what_is_expected(key),
        received=received or "-",
    )
    return f"{sentence[:1].upper()}{sentence[1:]}"


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _texts(values: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, str]:
    return {key: _text(values.get(key)) for key in keys}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
