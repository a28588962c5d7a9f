"""Run the tests, and a kiosk that has to measure, under the settings of other people's machines.

    .venv/bin/python tests/portability.py                     every row, one after the other
    .venv/bin/python tests/portability.py noto turkish busy   these rows
    .venv/bin/python tests/portability.py --together ...      these rows in one run
    .venv/bin/python tests/portability.py --kiosk ...         the kiosk alone

A row of fonts shows the program one family only: from /usr/share/fonts, or from a subfolder of
`--fonts`. A locale that is not installed is compiled with `localedef` into a folder. The rows `path`, `user` and
`python3.12` clone the checkout and install it there; the others run in this one. Needs about five
minutes a row on two cores, and root for `user`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOBODY = 65534


@dataclass
class Row:
    """One setting: environment variables, and what else it takes."""

    env: dict[str, str] = field(default_factory=dict)
    fonts: str | None = None
    locale: str | None = None
    clone: str | None = None
    python: str | None = None
    nobody: bool = False
    busy: int = 0


ROWS = {
    "liberation": Row(fonts="liberation*"),
    "noto": Row(fonts="noto"),
    "roboto": Row(fonts="roboto*"),
    "inter": Row(fonts="inter"),
    "no-fonts": Row(fonts=""),
    "c": Row({"LC_ALL": "C"}),
    "german": Row(locale="de_DE.ISO-8859-1"),
    "turkish": Row(locale="tr_TR.UTF-8"),
    "kathmandu": Row({"TZ": "Asia/Kathmandu"}),
    "dead-display": Row({"QT_QPA_PLATFORM": "xcb", "DISPLAY": ":77"}),
    "scale": Row({"QT_SCALE_FACTOR": "2"}),
    "colour": Row({"FORCE_COLOR": "1"}),
    "optimize": Row({"PYTHONOPTIMIZE": "2"}),
    "user": Row(clone="project", nobody=True),
    "path": Row(clone="Jürgen's Läden und Plätze"),
    "python3.12": Row(clone="project", python="python3.12"),
    "busy": Row(busy=4),
}


def together(rows: list[Row]) -> Row:
    """Return one row with the settings of all."""
    one = Row()
    for row in rows:
        one.env |= row.env
        one.fonts = one.fonts if row.fonts is None else row.fonts
        one.locale = row.locale or one.locale
        one.clone = max(one.clone, row.clone, key=lambda name: len(name or ""))
        one.python = row.python or one.python
        one.nobody |= row.nobody
        one.busy += row.busy
    return one


def font_settings(pattern: str, fonts: Path, folder: Path) -> dict[str, str]:
    """Write fontconfig's settings for one family, or for none, and return the environment."""
    shown = (
        [path for place in (fonts, Path("/usr/share/fonts")) for path in place.rglob(pattern)]
        if pattern
        else []
    )
    folders = [path for path in shown if path.is_dir()]
    if pattern and not folders:
        raise LookupError(f"no folder {pattern} of fonts")
    (folder / "fonts.conf").write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        + "".join(f"<dir>{path}</dir>" for path in folders[:1])
        + f"<cachedir>{folder}/cache</cachedir></fontconfig>"
    )
    return {"FONTCONFIG_FILE": str(folder / "fonts.conf")}


def locale_settings(name: str, folder: Path) -> dict[str, str]:
    """Compile a locale where it is not installed, and return the environment."""
    language, charset = name.split(".")
    subprocess.run(
        ["localedef", "-c", "-i", language, "-f", charset, str(folder / name)],
        check=False,
        capture_output=True,
    )
    if not (folder / name).is_dir():
        raise LookupError(f"localedef cannot make {name}: install the package locales")
    return {"LC_ALL": name, "LOCPATH": str(folder)}


def run(row: Row, folder: Path, fonts: Path, *, kiosk_only: bool) -> str:
    """Run one row and return what came of it."""
    env = os.environ | row.env
    place, before = ROOT, []
    if row.fonts is not None:
        env |= font_settings(row.fonts, fonts, folder)
    if row.locale:
        env |= locale_settings(row.locale, folder)
    if row.clone:
        place = folder / row.clone
        subprocess.run(["git", "clone", "-q", str(ROOT), str(place)], check=True)
    if row.nobody:
        env |= {"HOME": str(folder)}
        folder.chmod(0o755)
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, NOBODY, NOBODY)
        before = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    python = [f"PYTHON={row.python}"] if row.python else []
    with contextlib.ExitStack() as stack:
        for _ in range(row.busy):
            stack.callback(subprocess.Popen([sys.executable, "-c", "while True: pass"]).kill)
        goal = ".venv/.dev" if kiosk_only else "test"
        with (folder / "log").open("w") as log:
            make = subprocess.run(
                [*before, "make", *python, goal],
                cwd=place,
                env=env,
                stdout=log,
                stderr=log,
                check=False,
            )
        tail = (folder / "log").read_text(errors="replace").strip().splitlines()[-1:]
        database = folder / "kiosk.db"
        command = [
            str(place / ".venv/bin/ad-monitor"),
            "run",
            "--source",
            "demo",
            "--duration",
            "20",
        ]
        with (folder / "kiosk.log").open("w") as log:
            kiosk = subprocess.run(
                [*before, *command, "--db", f"sqlite:///{database}"],
                cwd=folder,
                env=env,
                stdout=log,
                stderr=log,
                check=False,
            )
    readings = 0
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(database)) as db:
        readings = db.execute("SELECT count(*) FROM readings").fetchone()[0]
    fine = make.returncode == 0 and kiosk.returncode == 0 and readings > 0
    return (
        f"{'ok' if fine else 'FAILED'}: make {make.returncode} ({' '.join(tail)}), "
        f"kiosk {kiosk.returncode}, {readings} readings"
    )


def main() -> int:
    """Print one line a row."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--together", action="store_true", help="all rows in one run")
    parser.add_argument("--kiosk", action="store_true", help="only the kiosk, not the tests")
    parser.add_argument(
        "--fonts", type=Path, default=Path("/usr/share/fonts"), help="folder of font families"
    )
    parser.add_argument("--keep", type=Path, help="folder in which the logs stay")
    settings = parser.parse_args()
    rows = {name: ROWS[name] for name in settings.rows or ROWS}
    if settings.together:
        rows = {"+".join(rows): together(list(rows.values()))}
    failed = False
    for name, row in rows.items():
        folder = Path(tempfile.mkdtemp(prefix=f"{name[:40]}-", dir=settings.keep))
        try:
            result = run(row, folder, settings.fonts, kiosk_only=settings.kiosk)
        except LookupError as error:
            result = f"skipped: {error}"
        failed |= result.startswith("FAILED")
        sys.stdout.write(f"{name:14} {result}\n")
        sys.stdout.flush()
        if not settings.keep:
            shutil.rmtree(folder, ignore_errors=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
