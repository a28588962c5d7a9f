"""Everything that the program, or a hub, needs to run may be used by a program under GPL-3.0."""

from __future__ import annotations

import re
from configparser import ConfigParser
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

SETUP = Path(__file__).parents[2] / "setup.cfg"

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


def needed() -> dict[str, metadata.Distribution]:
    """The distributions that the program needs, and those that they need in turn, on this machine."""
    setup = ConfigParser()
    setup.read(SETUP)
    named = setup["options"]["install_requires"] + setup["options.extras_require"]["hub"]
    waiting = [Requirement(line) for line in named.split("\n") if line.strip()]
    found: dict[str, metadata.Distribution] = {}
    while waiting:
        requirement = waiting.pop()
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name in found or (
            requirement.marker is not None and not requirement.marker.evaluate({"extra": ""})
        ):
            continue
        found[name] = metadata.distribution(requirement.name)
        waiting += [Requirement(line) for line in found[name].requires or ()]
    return found


def test_every_library_may_be_used():
    try:
        libraries = needed()
    except metadata.PackageNotFoundError as error:
        pytest.skip(f"not all libraries are installed here: {error}")
    assert len(libraries) > 40
    odd = {
        name: said
        for name, distribution in libraries.items()
        if not COMPATIBLE.search(said := licence(distribution) or KNOWN_OTHERWISE.get(name, ""))
    }
    assert odd == {}, "licences that are not known to be compatible with GPL-3.0"
