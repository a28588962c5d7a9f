"""Sessions of any size for pages and files: hostile names, a crowd that differs from ad to ad."""

from __future__ import annotations

import numpy as np

from tests.helpers.recorded_sessions import SessionMaker

HOSTILE_NAMES = (
    "final_final_3_really_the_last_version_approved_by_marketing_and_legal_2026_11_28_v17.mp4",
    "<b>Sommer & Co</b>",
    "ชาเย็นสดชื่น โปรโมชั่นพิเศษ",
    "夏季新品咖啡 アイスコーヒー 커피",
    "عرض القهوة الصيفي",
    "🔥👩‍🍳 Hot deal ❤️ 🇩🇪",
    "=cmd|'/c calc'!A1",
    "שלום קפה",
    "\u202egnp.elif evil",
    "चाय का समय",
    "Кафе «Лето»",
    "a\tb\nc\x07",
    "W" * 120,
)
LONG_SITE = "Filiale Ümläut-Straße 12, Erdgeschoss_links_neben_dem_Eingang"

_FACES = np.array(
    [
        (0.03, 0.01, 0.01, 0.85, 0.03, 0.02, 0.05),
        (0.03, 0.01, 0.06, 0.05, 0.03, 0.75, 0.07),
        (0.45, 0.03, 0.05, 0.02, 0.35, 0.02, 0.08),
        (0.06, 0.01, 0.02, 0.03, 0.08, 0.02, 0.78),
    ]
)
"""Probabilities of a happy, a surprised, a negative and a neutral face."""


def crowd(ads: int, viewers: int, *, days: int = 1, seed: int = 1) -> SessionMaker:
    """Return a session of some ads, each shown three times a day, before at most so many viewers.

    Each play is seen by at most twelve of the viewers, who are others every day.
    """
    rng = np.random.default_rng(seed)
    made = SessionMaker(length=days * 86400.0, site=LONG_SITE)
    rows = [
        made.ad(
            f"ad-{k:02d}",
            float(rng.choice([5.0, 6.0, 8.2])),
            name=HOSTILE_NAMES[k] if k < len(HOSTILE_NAMES) else f"Campaign spot number {k + 1}",
            brand=(2.5,),
        )
        for k in range(ads)
    ]
    happy = np.clip(0.12 + rng.normal(0, 0.12, ads), 0.01, 0.7)
    for day in range(days):
        for show in range(3):
            for k, row in enumerate(rows):
                # Three hours between the rounds, so that they lie in different hours.
                start = day * 86400.0 + show * 10800.0 + k * 7.0
                play = made.play(row, start, 6.0)
                mix = [happy[k], 0.04, 0.08, 0.88 - happy[k]]
                seen_by = rng.choice(viewers, min(viewers, 12), replace=False) if viewers else ()
                for viewer in seen_by:
                    for step in np.arange(rng.uniform(0, 2), 6.0, 0.18):
                        face = _FACES[rng.choice(4, p=mix)]
                        made.reading(
                            play,
                            int(viewer) + 1 + 1000 * day,
                            start + float(step),
                            float(step),
                            tuple(face.tolist()),
                            attentive=bool(rng.random() < 0.4 + happy[k]),
                        )
    made.gap(days * 43200.0, days * 43200.0 + 1.5, "camera_lost", "cable <pulled> " + "x" * 200)
    return made
