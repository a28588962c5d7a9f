"""Fuzzes one parser for a time: `python -m tests.fuzz playlist --minutes 10`.

`python -m tests.fuzz media --count 40` shows 40 damaged files of each format instead.

Guided by coverage where `atheris` is installed (`pip install atheris`, Python 3.11 or 3.12 on
Linux), else blind mutations of the seeds. An input that fails is kept beside the corpus, and its
traceback is shown; the exit status is 1 then.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import sys
import time
import traceback
from pathlib import Path

FOLDER = Path(".fuzz")
MAX_INPUT = 20_000
REPORT_EVERY_S = 30.0


def mutate(content: bytes, words: list[bytes], draw: random.Random) -> bytes:
    """One to eight small changes of an input."""
    changed = bytearray(content)
    for _ in range(draw.randint(1, 8)):
        at = draw.randint(0, len(changed))
        kind = draw.randrange(6)
        if kind == 0:
            changed[at:at] = draw.choice(words)
        elif kind == 1:
            changed[at : at + draw.randint(1, 40)] = b""
        elif kind == 2:
            changed[at : at + 1] = bytes([draw.randrange(256)])
        elif kind == 3:
            start = draw.randint(0, len(changed))
            changed[at:at] = changed[start : start + draw.randint(1, 60)]
        elif kind == 4:
            changed[at : at + draw.randint(1, 12)] = draw.choice(words)
        else:
            changed[at:at] = bytes(draw.randrange(256) for _ in range(draw.randint(1, 8)))
    return bytes(changed[:MAX_INPUT])


def _blind(name: str, minutes: float, seed: int) -> int:
    from tests.fuzz.targets import SEEDS, TARGETS, WORDS

    draw = random.Random(seed)  # noqa: S311 (to be repeated, not to be guessed)
    corpus = list(SEEDS[name])
    began = reported = time.monotonic()
    tried = failed = 0
    known: set[str] = set()
    with TARGETS[name]() as run:
        while time.monotonic() - began < minutes * 60:
            content = mutate(draw.choice(corpus), WORDS[name], draw)
            tried += 1
            try:
                run(content)
            except Exception as error:  # noqa: BLE001 (that is what is looked for)
                place = traceback.extract_tb(error.__traceback__)[-1]
                signature = f"{type(error).__name__} at {place.filename}:{place.lineno}"
                if signature not in known:
                    known.add(signature)
                    failed += 1
                    kept = FOLDER / name / f"crash-{hashlib.sha256(content).hexdigest()[:16]}"
                    kept.write_bytes(content)
                    traceback.print_exc()
                    print(f"{signature}: the input is in {kept}", file=sys.stderr)
            else:
                # A walk, so that changes add up; short enough to stay near what is right.
                if draw.random() < 0.05:
                    corpus = [*SEEDS[name], *corpus[len(SEEDS[name]) :][-200:], content]
            if time.monotonic() - reported > REPORT_EVERY_S:
                reported = time.monotonic()
                print(f"{name}: {tried} inputs, {failed} findings", file=sys.stderr)
    print(f"{name}: {tried} inputs in {time.monotonic() - began:.0f} s, {failed} findings")
    return 1 if failed else 0


def _guided(name: str, minutes: float, seed: int) -> int:
    import atheris

    with atheris.instrument_imports(
        include=["ads", "detector", "monitor", "training", "ads.playlists.yaml_file", "yaml"]
    ):
        from tests.fuzz.targets import SEEDS, TARGETS, WORDS

    corpus = FOLDER / name / "corpus"
    corpus.mkdir(exist_ok=True)
    for seeded in SEEDS[name]:
        (corpus / hashlib.sha256(seeded).hexdigest()[:16]).write_bytes(seeded)
    words = FOLDER / name / "words"
    words.write_text(
        "".join('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in WORDS[name])
    )
    options = [
        f"-max_total_time={round(minutes * 60)}",
        f"-max_len={MAX_INPUT}",
        f"-artifact_prefix={FOLDER / name}/",
        f"-dict={words}",
        f"-seed={seed}",
        "-timeout=20",
        "-rss_limit_mb=4096",
        "-print_final_stats=1",
    ]
    with TARGETS[name]() as run:
        atheris.Setup([sys.argv[0], *options, str(corpus)], run)
        atheris.Fuzz()  # ends the process
    return 0


def _media(endings: list[str] | None, count: int, seed: int) -> int:
    from tests.fuzz.media import FORMATS, findings

    failed = 0
    for ending in endings or FORMATS:
        began = time.monotonic()
        found = findings([ending], (FOLDER / "media" / ending).absolute(), count, seed)
        failed += len(found)
        took_s = time.monotonic() - began
        print(f"{ending}: {count} files in {took_s:.0f} s, {len(found)} findings", flush=True)
        for finding in found:
            print(f"  {finding.file}: {finding.what}", flush=True)
    return 1 if failed else 0


def main() -> int:
    """Read the command line and fuzz; returns the exit status."""
    # As in the program's own processes; TensorFlow's chatter would hide the findings.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("GLOG_minloglevel", "2")
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "name", help="playlist, zones, audience, dataset, web, messages, card or media"
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--count", type=int, default=40, help="files of each format, for media")
    parser.add_argument("--format", action="append", help="of media; by default all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--blind", action="store_true", help="without coverage, also where atheris is installed"
    )
    parser.add_argument("--again", type=Path, help="run one input that was kept, and nothing else")
    given = parser.parse_args()
    (FOLDER / given.name).mkdir(parents=True, exist_ok=True)
    if given.name == "media":
        return _media(given.format, given.count, given.seed)
    if given.again is not None:
        from tests.fuzz.targets import TARGETS

        with TARGETS[given.name]() as run:
            run(given.again.read_bytes())
        return 0
    if not given.blind:
        try:
            import atheris  # noqa: F401 (whether it is there)
        except ImportError:
            print("atheris is not installed: blind mutations instead", file=sys.stderr)
        else:
            return _guided(given.name, given.minutes, given.seed)
    return _blind(given.name, given.minutes, given.seed)


if __name__ == "__main__":
    sys.exit(main())
