"""What the pages of a site would load from other servers."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LOADING = {
    ("audio", "src"),
    ("embed", "src"),
    ("iframe", "src"),
    ("image", "href"),
    ("img", "src"),
    ("img", "srcset"),
    ("input", "src"),
    ("link", "href"),
    ("object", "data"),
    ("script", "src"),
    ("source", "src"),
    ("source", "srcset"),
    ("track", "src"),
    ("video", "poster"),
    ("video", "src"),
}
"""Element and attribute of what a browser loads by itself; a link is only followed on a click."""

NEVER_LOADED = {"canonical", "license"}
"""Relations of `<link>` that only name an address."""


class _Loaded(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "link" and values.get("rel") in NEVER_LOADED:
            return
        for name, value in attrs:
            if (tag, name) in LOADING and value:
                self.addresses.append(value)
            elif name == "style" and value:
                self.addresses += _in_style(value)


def foreign_addresses(site: Path) -> list[str]:
    """Return each page of the folder `site` and the foreign address that it loads, sorted."""
    found = set()
    for path in site.rglob("*"):
        if path.suffix not in {".html", ".css", ".svg"}:
            continue
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".css":
            addresses = _in_style(text)
        else:
            parser = _Loaded()
            parser.feed(text)
            addresses = parser.addresses
        foreign = [one for one in addresses if _is_foreign(one)]
        found |= {f"{path.relative_to(site)}: {address}" for address in foreign}
    return sorted(found)


def _is_foreign(address: str) -> bool:
    return not address.startswith("data:") and bool(re.search(r"(^|[\s,])(https?:)?//", address))


def _in_style(text: str) -> list[str]:
    return [one.strip("'\" ") for one in re.findall(r"url\(([^)]*)\)", text)]
