"""Where models live, which one is in use, and the way back.

Shipped models lie in the package; own models in the store, a folder of the user's data (or the one
that the environment variable `AD_MONITOR_MODELS` names). A model is a set of files with one stem:
`NAME.keras`, its card `NAME.json`, and, where they were made, `NAME.tflite` (the converted twin)
and `NAME.md` (the card for people).

The store keeps a log, `promotions.jsonl`: one JSON document a line, only ever appended to, each a
`Promotion`. The model in use follows from it: a promotion puts a model on top of the ones before
it, a way back takes the topmost off; below all of them lies the shipped default. Lines that cannot
be read (a line cut off by a power failure, say) are passed over.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

import platformdirs

from detector.errors import DetectorError, ModelLoadError

logger = logging.getLogger(__name__)

MODELS_FOLDER = Path(__file__).parent / "models"
DEFAULT_MODEL = "compact-3"
STORE_VARIABLE = "AD_MONITOR_MODELS"
LOG = "promotions.jsonl"
COMPANIONS = (".tflite", ".md", ".json")
"""Files beside a `.keras` file; they are put in place before it, so that a model which is seen is complete."""

Origin = Literal["shipped", "own"]
Event = Literal["promoted", "rolled back", "refused"]


class ModelStoreError(DetectorError):
    """A model cannot be taken into the store, or there is nothing to go back to."""


@dataclass(frozen=True)
class StoredModel:
    """A model that can be named.

    Attributes:
        name: Stem of its files.
        path: Its `.keras` file.
        origin: Whether it came with the program or is the user's own.
        current: Whether it is the model in use.
    """

    name: str
    path: Path
    origin: Origin
    current: bool


@dataclass(frozen=True)
class Promotion:
    """One line of the log.

    Attributes:
        time: When, UTC, ISO 8601.
        event: `promoted` and `rolled back` change the model in use, `refused` only tells of the
            attempt.
        model: Name of the model that is in use from now on; of the one that was not taken, if it
            was refused.
        origin: Where that model lies.
        sha256: Checksum of its `.keras` file.
        replaced: Name of the model in use before.
        forced: Whether it was taken although something spoke against it.
        reasons: What speaks against it, in sentences.
        figures: What was measured: dataset, rows, scores of both models, p-value, times.
    """

    time: str
    event: Event
    model: str
    origin: Origin
    sha256: str
    replaced: str
    forced: bool = False
    reasons: tuple[str, ...] = ()
    figures: dict[str, Any] = field(default_factory=dict)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def store_folder() -> Path:
    """The folder of the own models; it need not exist."""
    named = os.environ.get(STORE_VARIABLE)
    return Path(named) if named else platformdirs.user_data_path("ad-monitor") / "models"


def shipped_default() -> Path:
    """The `.keras` file of the model that is used where nothing else was chosen."""
    return MODELS_FOLDER / f"{DEFAULT_MODEL}.keras"


def available() -> list[StoredModel]:
    """All models that can be named: the shipped ones, then the own ones, each sorted by name."""
    current = current_model()
    folders: tuple[tuple[Origin, Path], ...] = (("shipped", MODELS_FOLDER), ("own", store_folder()))
    return [
        StoredModel(path.stem, path, origin, path == current)
        for origin, folder in folders
        for path in sorted(folder.glob("*.keras"))
    ]


def current_model() -> Path:
    """The `.keras` file of the model in use.

    A promoted model that is gone, or is not what was promoted, is passed over with a warning: a
    kiosk with the shipped default is better than none.
    """
    promoted = _standing(promotions())
    if not promoted:
        return shipped_default()
    latest = promoted[-1]
    path = _path_of(latest.model, latest.origin)
    if not path.is_file():
        reason = "it is not there any more"
    # A shipped model belongs to the program, which may have brought a newer one under the same
    # name.
    elif latest.origin == "own" and sha256_of(path) != latest.sha256:
        reason = "its file was changed since"
    else:
        return path
    logger.warning(
        "The promoted model %s cannot be used: %s (%s). The shipped %s is used instead; promote another model or roll "
        "back.",
        latest.model,
        reason,
        path,
        DEFAULT_MODEL,
    )
    return shipped_default()


def find_stored(name: str) -> Path | None:
    """The `.keras` file of a shipped or own model by its name; `None` if there is none of that name."""
    if not name or Path(name).name != name:
        return None
    for folder in (MODELS_FOLDER, store_folder()):
        path = folder / f"{name}.keras"
        if path.is_file():
            return path
    return None


def install(model: Path) -> Path:
    """Take a model into the store, unless it is there already.

    Args:
        model: The `.keras` file, its card beside it.

    Returns:
        The `.keras` file in the store; a shipped model stays where it is.

    Raises:
        ModelStoreError: Another model of this name is shipped or in the store, or the store cannot
            be written.
        ModelLoadError: The model or its card is missing, or they do not belong together.
    """
    checksum = _checked(model)
    stored = find_stored(model.stem)
    if stored is not None:
        if sha256_of(stored) == checksum:
            return stored
        raise ModelStoreError(
            f"There is another model named {model.stem} already ({stored}): train or export this one under another "
            "--name."
        )
    folder = store_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for ending in (*COMPANIONS, ".keras"):
            companion = model.with_suffix(ending)
            if companion.is_file():
                _copy(companion, folder / companion.name)
        _sync_folder(folder)
    except OSError as error:
        raise ModelStoreError(
            f"The model {model.name} cannot be kept in {folder} ({error}): make that folder writable, or name another "
            f"one in {STORE_VARIABLE}."
        ) from error
    return folder / model.name


def record(entry: Promotion) -> None:
    """Append to the log, so that it survives a power failure.

    Raises:
        ModelStoreError: The log cannot be written.
    """
    folder = store_folder()
    line = json.dumps(asdict(entry), allow_nan=False) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / LOG
        with log.open("ab+") as file:
            if file.tell() > 0:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a line that was cut off must not swallow this one
                    line = "\n" + line
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(folder)
    except OSError as error:
        raise ModelStoreError(
            f"The log of promotions {folder / LOG} cannot be written ({error}): make it writable, or name another folder "
            f"in {STORE_VARIABLE}."
        ) from error


def promotions() -> list[Promotion]:
    """The log, oldest first."""
    log = store_folder() / LOG
    try:
        lines = log.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        logger.warning(
            "The log of promotions %s cannot be read (%s); the shipped model is used", log, error
        )
        return []
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found.append(_parsed(line))
        except (ValueError, TypeError) as error:
            logger.warning(
                "Line %d of %s is passed over, it is no promotion: %s", number, log, error
            )
    return found


def roll_back(now: datetime | None = None) -> Promotion:
    """Put the model back in use that was used before the last promotion that still stands.

    Args:
        now: The time, with its zone. Defaults to the clock.

    Returns:
        The new entry of the log.

    Raises:
        ModelStoreError: No promotion stands, so that the shipped default is in use already; or the
            model to go back to is gone.
    """
    standing = _standing(promotions())
    if not standing:
        raise ModelStoreError(
            f"There is nothing to roll back: the shipped {DEFAULT_MODEL} is in use and no promotion stands."
        )
    left = standing[-1]
    before = standing[-2] if len(standing) > 1 else None
    path = _path_of(before.model, before.origin) if before else shipped_default()
    if not path.is_file():
        raise ModelStoreError(
            f"The model before {left.model} is gone: expected {path}; put it back, or promote another model."
        )
    entry = Promotion(
        time=timestamp(now),
        event="rolled back",
        model=path.stem,
        origin=before.origin if before else "shipped",
        sha256=sha256_of(path),
        replaced=left.model,
    )
    record(entry)
    return entry


def timestamp(now: datetime | None = None) -> str:
    """A time as the log keeps it: UTC, ISO 8601, to the second."""
    return (
        (now or datetime.now(timezone.utc)).astimezone(timezone.utc).isoformat(timespec="seconds")
    )


def _standing(log: list[Promotion]) -> list[Promotion]:
    """The promotions that were not taken back, oldest first."""
    standing: list[Promotion] = []
    for entry in log:
        if entry.event == "promoted":
            standing.append(entry)
        elif entry.event == "rolled back" and standing:
            standing.pop()
    return standing


def _parsed(line: bytes) -> Promotion:
    values = json.loads(line)
    if not isinstance(values, dict):
        raise TypeError(f"expected an object, received {type(values).__name__}")
    known = {
        name: values[name] for name in (part.name for part in fields(Promotion)) if name in values
    }
    entry = Promotion(**(known | {"reasons": tuple(known.get("reasons", ()))}))
    if entry.event not in {"promoted", "rolled back", "refused"} or entry.origin not in {
        "shipped",
        "own",
    }:
        raise ValueError(f"unknown event {entry.event!r} or origin {entry.origin!r}")
    if not isinstance(entry.model, str) or Path(entry.model).name != entry.model:
        raise ValueError(f"{entry.model!r} is no name of a model")
    return entry


def _path_of(name: str, origin: Origin) -> Path:
    return (MODELS_FOLDER if origin == "shipped" else store_folder()) / f"{name}.keras"


def _checked(model: Path) -> str:
    """The checksum of a model, which its card must name."""
    card = model.with_suffix(".json")
    try:
        checksum = sha256_of(model)
        described = json.loads(card.read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelLoadError(
            f"The model {model} cannot be taken: expected the file and its card {card.name} beside it ({error!r})."
        ) from error
    if checksum != described:
        raise ModelLoadError(
            f"The model {model} is not the one its card describes: expected SHA-256 {str(described)[:12]}…, received "
            f"{checksum[:12]}…; restore the file or train it again."
        )
    return checksum


def _copy(source: Path, target: Path) -> None:
    """Copy in one step: the target is the old file or the whole new one, never a part."""
    with tempfile.NamedTemporaryFile(
        dir=target.parent, prefix=f".{target.name}.", delete=False
    ) as file:
        part = Path(file.name)
        try:
            with source.open("rb") as opened:
                shutil.copyfileobj(opened, file)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    part.chmod(0o644)
    part.replace(target)


def _sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power failure, where the system offers that."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
