"""Where models live, which one is in use, and how to go back.

Shipped models lie in the package, own models in the store. A model is a set of files with one stem:
`NAME.keras` (the network), its card `NAME.json`, and optionally `NAME.tflite` (its LiteRT form) and
`NAME.md` (the card for people). The store's log is append-only: one JSON document per line, each a
`Promotion`. It is a stack: a promotion pushes a model, a rollback pops one.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import platformdirs
from boltons.fileutils import atomic_save
from pydantic import TypeAdapter, ValidationError

from detector.emotion.model_card import read_card, sha256_of
from detector.errors import DetectorError, ModelLoadError

logger = logging.getLogger(__name__)

MODELS_FOLDER = Path(__file__).parent / "models"
DEFAULT_MODEL = "compact-3"
STORE_VARIABLE = "AD_MONITOR_MODELS"
LOG = "promotions.jsonl"

Origin = Literal["shipped", "own"]


class ModelStoreError(DetectorError):
    """A model cannot be added to the store, or there is nothing to roll back."""


@dataclass(frozen=True)
class StoredModel:
    """A shipped or own model: stem of its files, its `.keras` file, and whether it is in use."""

    name: str
    path: Path
    origin: Origin
    current: bool


@dataclass(frozen=True)
class Promotion:
    """One line of the log; `promoted` and `rolled back` change the model in use to `model`.

    `reasons` are sentences against it, in spite of which it may be `forced`; `figures` were
    measured.
    """

    time: str
    event: Literal["promoted", "rolled back", "refused"]
    model: str
    origin: Origin
    sha256: str
    replaced: str
    forced: bool = False
    reasons: tuple[str, ...] = ()
    figures: dict[str, Any] = field(default_factory=dict)


def store_folder() -> Path:
    """Return the folder of the own models; it need not exist."""
    named = os.environ.get(STORE_VARIABLE)
    return Path(named) if named else platformdirs.user_data_path("ad-monitor") / "models"


def shipped_default() -> Path:
    """Return the `.keras` file of the model that is used unless another one is chosen."""
    return MODELS_FOLDER / f"{DEFAULT_MODEL}.keras"


def available() -> list[StoredModel]:
    """Return all models: the shipped ones, then the own ones, each sorted by name."""
    current = current_model()
    folders: tuple[tuple[Origin, Path], ...] = (("shipped", MODELS_FOLDER), ("own", store_folder()))
    return [
        StoredModel(path.stem, path, origin, path == current)
        for origin, folder in folders
        for path in sorted(folder.glob("*.keras"))
    ]


def current_model() -> Path:
    """Return the `.keras` file of the model in use.

    If it is gone or changed, warn and use the shipped default: better than no kiosk.
    """
    promoted = _stack(promotions())
    if not promoted:
        return shipped_default()
    latest = promoted[-1]
    path = _path_of(latest.model, latest.origin)
    if not path.is_file():
        reason = "it is not there any more"
    # A new version of the program may ship a newer model under the same name.
    elif latest.origin == "own" and sha256_of(path) != latest.sha256:
        reason = "its file was changed since"
    else:
        return path
    logger.warning(
        "The promoted model %s cannot be used: %s (%s). The shipped %s is used instead; promote "
        "another model or roll back.",
        latest.model,
        reason,
        path,
        DEFAULT_MODEL,
    )
    return shipped_default()


def find_model(name_or_path: str | Path | None = None) -> Path:
    """Return the `.keras` file of a model by its name or path, or raise `ModelLoadError`.

    Defaults to the model in use; if that is damaged, to the shipped default, with a warning.
    """
    if name_or_path is None:
        model = current_model()
        try:
            if model != shipped_default():
                read_card(model)
        except ModelLoadError as error:
            logger.warning(
                "The shipped %s is used instead of the promoted model: %s", DEFAULT_MODEL, error
            )
            return shipped_default()
        return model
    stored = find_stored(str(name_or_path))
    if stored is not None:
        return stored
    path = Path(name_or_path)
    if path.is_file():
        return path
    known = ", ".join(model.name for model in available())
    raise ModelLoadError(
        f"There is no model {str(name_or_path)!r}: expected a .keras file or the name of a shipped "
        f"or own model ({known})."
    )


def find_stored(name: str) -> Path | None:
    """Return the `.keras` file of a shipped or own model by its name; `None` if there is none."""
    if not name or Path(name).name != name:
        return None
    paths = (folder / f"{name}.keras" for folder in (MODELS_FOLDER, store_folder()))
    return next((path for path in paths if path.is_file()), None)


def install(model: Path) -> Path:
    """Copy a `.keras` file with its companions into the store; return its path there.

    A shipped or installed model stays where it is. Raises `ModelStoreError` if another model has
    this name or the store cannot be written, `ModelLoadError` if the card does not match.
    """
    checksum = read_card(model).sha256
    stored = find_stored(model.stem)
    if stored is not None:
        if sha256_of(stored) == checksum:
            return stored
        raise ModelStoreError(
            f"There is another model named {model.stem} already ({stored}): train or export this "
            "one under another --name."
        )
    folder = store_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The .keras file last: a model that can be seen is complete.
        for ending in (".tflite", ".md", ".json", ".keras"):
            source = model.with_suffix(ending)
            if source.is_file():
                target = str(folder / source.name)
                whole = atomic_save(target, file_perms=0o644, overwrite_part=True)
                with source.open("rb") as opened, whole as file:
                    shutil.copyfileobj(opened, file)
    except OSError as error:
        raise ModelStoreError(
            f"The model {model.name} cannot be kept in {folder} ({error.strerror}): make that "
            f"folder writable, or name another one in {STORE_VARIABLE}."
        ) from error
    return folder / model.name


def record(entry: Promotion) -> None:
    """Append to the log, safe from a power failure, as is a model just installed."""
    folder = store_folder()
    line = json.dumps(asdict(entry), allow_nan=False) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / LOG
        with log.open("ab+") as file:
            file.seek(max(0, file.tell() - 1))
            if file.read(1) not in {b"", b"\n"}:  # start a new line after one that was cut off
                line = "\n" + line
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
        if os.name == "posix":
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
    except OSError as error:
        raise ModelStoreError(
            f"The log of promotions {folder / LOG} cannot be written ({error.strerror}): make it "
            f"writable, or name another folder in {STORE_VARIABLE}."
        ) from error


def promotions() -> list[Promotion]:
    """Return the log, oldest first."""
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
    adapter = TypeAdapter(Promotion)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = adapter.validate_json(line)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
        else:
            if Path(entry.model).name == entry.model:
                found.append(entry)
                continue
            reason = f"{entry.model!r} is not the name of a model"
        logger.warning("Line %d of %s is skipped, it is not a promotion: %s", number, log, reason)
    return found


def roll_back(now: datetime | None = None) -> Promotion:
    """Return to the model before the last promotion in force; return the new entry of the log."""
    stack = _stack(promotions())
    if not stack:
        raise ModelStoreError(
            f"There is nothing to roll back: the shipped {DEFAULT_MODEL} is in use and no "
            "promotion is in force."
        )
    left = stack.pop()
    before = stack[-1] if stack else None
    path = _path_of(before.model, before.origin) if before else shipped_default()
    if not path.is_file():
        raise ModelStoreError(
            f"The model before {left.model} is gone: expected {path}; put it back, or promote "
            "another model."
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
    """Return a time as the log records it: UTC, ISO 8601, to the second."""
    return (now or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds")


def _stack(log: list[Promotion]) -> list[Promotion]:
    stack: list[Promotion] = []
    for entry in log:
        if entry.event == "promoted":
            stack.append(entry)
        elif entry.event == "rolled back" and stack:
            stack.pop()
    return stack


def _path_of(name: str, origin: Origin) -> Path:
    return (MODELS_FOLDER if origin == "shipped" else store_folder()) / f"{name}.keras"
