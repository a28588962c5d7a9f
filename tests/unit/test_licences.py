"""Everything that the program, or a hub, needs to run may be used by a program under GPL-3.0."""

from __future__ import annotations

import re
from importlib import metadata

import pytest

from tools.sbom import needed

COMPATIBLE = re.compile(
    r"\b(MIT(-0|-CMU)?|BSD|[023]-Clause BSD|0BSD|Apache|Apache-2\.0|ISC(L)?|HPND|Python Software Foundation|PSF(-2\.0)?|"
    r"Mozilla Public License 2\.0|MPL-2\.0|LGPL|L?GPL v3|GPLv2\+|GPL-3\.0|Zope Public|ZPL|Unlicense|zlib|CC0|"
    r"Public Domain)\b|\bGPLv2\+",
    re.IGNORECASE,
)
"""Licences that are compatible with GPL-3.0, as packages name them; of several to choose from, one
is enough.
"""

KNOWN_OTHERWISE = {"namex": "Apache-2.0", "flatbuffers": "Apache-2.0", "ml-dtypes": "Apache-2.0"}
"""Packages that do not name theirs where it is looked for; read in their sources."""


def licence(distribution: metadata.Distribution) -> str:
    """What a package says about its licence, the short forms only."""
    about = distribution.metadata
    named = [about.get("License-Expression") or ""]
    named += [
        value.split(" :: ")[-1]
        for value in about.get_all("Classifier") or []
        if value.startswith("License ::")
    ]
    named.append((about.get("License") or "").strip().split("\n")[0][:80])
    return "; ".join(filter(None, named))


def test_every_library_may_be_used():
    try:
        libraries = {name: metadata.distribution(name) for name in needed(["hub"])}
    except metadata.PackageNotFoundError as error:
        pytest.skip(f"not all libraries are installed here: {error}")
    assert len(libraries) > 40
    odd = {
        name: said
        for name, distribution in libraries.items()
        if not COMPATIBLE.search(said := licence(distribution) or KNOWN_OTHERWISE.get(name, ""))
    }
    assert odd == {}, "licences that are not known to be compatible with GPL-3.0"
