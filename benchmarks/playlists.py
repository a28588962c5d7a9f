"""How much longer a playlist of thousands of ads takes than one of a single ad.

    python -m benchmarks.playlists --ads 20000

Pictures of 16 x 12 pixels are made on the spot. The times are those of the processor, of this
process and those it starts, so a busy machine changes them little; the result is their ratio to the
same work for one ad. "New" files have not been read before, "known" ones have.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.table import Table


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--ads", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = measure(Path(folder), options.ads)
    if options.json:
        print(json.dumps(results))
        return
    table = Table("", "CPU s", "wall s", "CPU s beyond one ad")
    for name, (cpu_s, wall_s) in results.items():
        more_s = cpu_s - results[name.split(",")[0] + ", one ad"][0]
        table.add_row(name, f"{cpu_s:.1f}", f"{wall_s:.1f}", f"{more_s:.1f}")
    Console().print(table)


def measure(folder: Path, ads: int) -> dict[str, tuple[float, float]]:
    """Return CPU and wall-clock seconds of each command and playlist."""
    lists = make_playlists(folder, ads)
    results = {}
    for command in ("check", "run"):
        for name, playlist in lists.items():
            arguments = (
                ["playlist", "check", str(playlist)]
                if command == "check"
                else [
                    *("run", "--headless", "--no-camera", "--duration", "0.1", "--log", "none"),
                    *("--playlist", str(playlist), "--db", str(folder / f"{name}.db")),
                ]
            )
            results[f"{command}, {name}"] = time_of(arguments, folder / "cache")
    return results


def make_playlists(folder: Path, ads: int) -> dict[str, Path]:
    """Write playlists of one ad, of one file shown by many, and of many files."""
    for number in range(ads):
        colour = (number % 256, number // 256 % 256, 60)
        Image.new("RGB", (16, 12), colour).save(folder / f"{number}.png")
    files = {"one ad": [0], "one file": [0] * ads, "new files": range(ads)}
    lists = {}
    for name, numbers in files.items():
        lists[name] = folder / f"{name.replace(' ', '-')}.yaml"
        lines = [
            f"  - {{id: ad{place}, file: {number}.png, duration_s: 8}}"
            for place, number in enumerate(numbers)
        ]
        lists[name].write_text("\n".join(["ads:", *lines]), encoding="utf-8")
    return {**lists, "known files": lists["new files"]}


def time_of(arguments: list[str], cache: Path) -> tuple[float, float]:
    """Run the program; return the CPU seconds of it and its children, and wall-clock seconds."""
    before, began_s = os.times(), time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "monitor", *arguments],
        env={**os.environ, "XDG_CACHE_HOME": str(cache)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    after, wall_s = os.times(), time.monotonic() - began_s
    cpu_s = after.children_user + after.children_system
    return cpu_s - before.children_user - before.children_system, wall_s


if __name__ == "__main__":
    main()
