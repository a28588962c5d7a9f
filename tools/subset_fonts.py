"""Make the fonts of `monitor/fonts` from Inter's static OpenType files.

Run it with the folder that holds `Inter-Regular.otf` and `Inter-Bold.otf`, for example from
Debian's package `fonts-inter`:

    python tools/subset_fonts.py /usr/share/fonts/opentype/inter

The subset keeps Latin, Greek and Cyrillic, punctuation, arrows and signs; other scripts come from
the system's fonts. It carries a unique family name, so an installed Inter of another
version never takes its place. The WOFF2 files for HTML reports keep Latin only, to stay small.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

FAMILY = "Ad Monitor Sans"
FOLDER = Path(__file__).parent.parent / "monitor" / "fonts"
STYLES = ("Regular", "Bold")
LATIN = [(0x20, 0x17F), (0x2010, 0x2027), (0x2030, 0x203A), (0x20AC, 0x20AC)]
LATIN += [(0x2060, 0x2060), (0x2190, 0x2193), (0x2212, 0x2212), (0x2248, 0x2265)]
ALL = [(0x20, 0x52F), (0x1E00, 0x1EFF), (0x2000, 0x209F), (0x20A0, 0x20CF)]
ALL += [(0x2100, 0x214F), (0x2190, 0x21FF), (0x2200, 0x22FF), (0x25A0, 0x25FF), (0x2713, 0x2717)]
# Without contextual alternates, which would turn "2x3" into another text.
FEATURES = ["kern", "mark", "mkmk", "ccmp", "locl", "tnum"]


def make_subset(source: Path, target: Path, style: str, ranges: list[tuple[int, int]]) -> None:
    """Write the subset of a font under the family name `FAMILY`."""
    font = TTFont(source)
    options = subset.Options(layout_features=FEATURES, hinting=False, desubroutinize=True)
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
    for table in font["cmap"].tables:
        # Inter lacks the word joiner, which would bring in another font for the words beside it.
        table.cmap.setdefault(0x2060, "uni200B")
    worker = subset.Subsetter(options)
    worker.populate(unicodes=[code for first, last in ranges for code in range(first, last + 1)])
    worker.subset(font)
    full, short = f"{FAMILY} {style}", f"{FAMILY.replace(' ', '')}-{style}"
    for number, text in ((1, FAMILY), (2, style), (3, short), (4, full), (6, short)):
        font["name"].setName(text, number, 3, 1, 0x409)
    names = font["CFF "].cff
    names.fontNames[0] = short
    names.topDictIndex[0].FullName = full
    names.topDictIndex[0].FamilyName = FAMILY
    if target.suffix == ".woff2":
        font.flavor = "woff2"
    font.save(target)


def main() -> None:
    folder = Path(sys.argv[1])
    for style in STYLES:
        name = f"{FAMILY.replace(' ', '')}-{style}"
        source = folder / f"Inter-{style}.otf"
        make_subset(source, FOLDER / f"{name}.otf", style, ALL)
        make_subset(source, FOLDER / f"{name}.woff2", style, LATIN)


if __name__ == "__main__":
    main()
