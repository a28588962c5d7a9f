"""Write the list of all parts of the program (an SBOM) as CycloneDX, and validate it.

The libraries are those of this environment that the program needs with the extras that are named;
the fonts, scripts, models and media that come with it are those of `THIRD_PARTY.md`.

    python -m tools.sbom dist/sbom.json [EXTRA ...]
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.requirements import SECOND_OPENCV

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[1]
PROGRAM = "ad-reaction-monitor"
SPECIFICATION = "1.6"


class Work(NamedTuple):
    """A row of `THIRD_PARTY.md`: files with one origin and one licence.

    Attributes:
        files: As a pattern below the root of the project.
        about: What they are, in Markdown.
        version: Empty for the project's own.
        licence: As an SPDX expression.
        text: File with the text of the licence.
    """

    files: str
    about: str
    version: str
    licence: str
    text: str

    def paths(self) -> list[Path]:
        """Return the files themselves, without code."""
        return [path for path in sorted(ROOT.glob(self.files)) if path.suffix not in {".py", ""}]


def bundled() -> list[Work]:
    """Return the rows of the table in `THIRD_PARTY.md`."""
    lines = (ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8").splitlines()
    rows = [line.strip("|").split("|") for line in lines if line.startswith("| `")]
    return [Work(*(cell.strip().strip("`") for cell in row)) for row in rows]


def bundled_components() -> list[dict[str, Any]]:
    """Return a component for each file that comes with the program and is not its code."""
    components = []
    for work in bundled():
        about = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", work.about)
        for path in work.paths():
            name = path.relative_to(ROOT).as_posix()
            kind = "machine-learning-model" if path.suffix in {".keras", ".tflite"} else "file"
            component = {
                "type": "library" if path.suffix == ".js" else kind,
                "bom-ref": name,
                "name": name,
                "description": about,
                "hashes": [
                    {"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}
                ],
                "licenses": [{"expression": work.licence}],
            }
            components.append(component | ({"version": work.version} if work.version else {}))
    return components


def needed(extras: Iterable[str]) -> set[str]:
    """Return the canonical names of the program and all that it needs here, with some extras."""
    waiting = [Requirement(f"{PROGRAM}[{','.join(extras)}]")]
    seen: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        # The same library may be needed once more, with other extras of its own.
        if str(requirement) in seen or requirement.name == SECOND_OPENCV:
            continue
        seen.add(str(requirement))
        wanted = ("", *requirement.extras)
        if requirement.name == "mediapipe":
            continue  # those of its libraries that the program uses are its own requirements
        try:
            texts = metadata.requires(requirement.name) or ()
        except metadata.PackageNotFoundError:
            continue  # of an extra that is not installed; `document` tells
        for further in map(Requirement, texts):
            marker = further.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in wanted):
                further.marker = None
                waiting.append(further)
    return {canonicalize_name(Requirement(text).name) for text in seen}


def with_licence(component: dict[str, Any]) -> dict[str, Any]:
    """Return a component with the licence that its package gives in words, if the list has none."""
    said = metadata.metadata(component["name"]).get("License", "")
    if component.get("licenses") or not said:
        return component
    name = said.strip().split("\n")[0]
    return component | {"licenses": [{"license": {"acknowledgement": "declared", "name": name}}]}


def document(environment: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """Return the list of parts: of an environment's list, only what the program needs.

    Args:
        environment: What `cyclonedx-py environment` writes.
        names: What `needed` gives.

    Raises:
        ValueError: The environment lacks some of them.
    """
    listed = {
        one["bom-ref"]: one
        for one in environment["components"]
        if canonicalize_name(one["name"]) in names
    }
    if lacking := names - {canonicalize_name(one["name"]) for one in listed.values()}:
        raise ValueError(f"Not installed here, so not listed: {', '.join(sorted(lacking))}")
    (program,) = (one for one in listed.values() if one["name"] == PROGRAM)
    about = {
        "type": "application",
        "externalReferences": [
            one for one in program.get("externalReferences", []) if "file:" not in one["url"]
        ],
        "components": bundled_components(),
    }
    # Those of extras that are not wanted are among what each one depends on.
    edges = {
        one["ref"]: [ref for ref in one.get("dependsOn", []) if ref in listed]
        for one in environment["dependencies"]
        if one["ref"] in listed
    }
    return environment | {
        "metadata": environment["metadata"] | {"component": program | about},
        "components": [with_licence(one) for one in listed.values() if one is not program],
        "dependencies": [
            {"ref": ref} | ({"dependsOn": found} if found else {}) for ref, found in edges.items()
        ],
    }


def check(text: str) -> None:
    """Raise `ValueError` if a list of parts does not follow its specification."""
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415 (an extra)
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    error = JsonStrictValidator(SchemaVersion.from_version(SPECIFICATION)).validate_str(text)
    if error is not None:
        raise ValueError(f"The list of parts does not follow CycloneDX {SPECIFICATION}: {error}")


def main() -> None:
    """Write the file that is named on the command line."""
    target, *extras = sys.argv[1:]
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible"]
    command += ["--sv", SPECIFICATION, "--of", "JSON", "-o", "-", sys.executable]
    listed = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    made = document(json.loads(listed.stdout), needed(extras))
    text = json.dumps(made, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    check(text)
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    Path(target).write_text(text, encoding="utf-8")
    parts = len(made["components"]), len(made["metadata"]["component"]["components"])
    sys.stdout.write(f"Written: {target} ({parts[0]} libraries, {parts[1]} bundled files)\n")


if __name__ == "__main__":
    main()
