"""One training, end to end: read, select, fit, export."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from detector.emotion.labels import EMOTIONS
from detector.emotion.model_card import read_card
from detector.emotion.model_store import find_model
from detector.emotion.preprocessing import CropGeometry
from training.architectures import find_architecture
from training.datasets.faces import soft_labels
from training.datasets.folders import opened_face_finder
from training.datasets.labels import label_set, select_rows, with_unlabelled
from training.datasets.reading import read_dataset, read_unlabelled
from training.datasets.report import counted
from training.datasets.splits import divide, near_duplicates
from training.errors import DatasetError, TrainingError
from training.fit.augmentation import Augmentation, plain
from training.fit.batches import Rows
from training.fit.callbacks import Progress
from training.fit.devices import multiplies_bfloat16, prepare, step_times_ms, use_policy
from training.fit.distillation import find_teachers, taught_once
from training.fit.expressions import expressions_of
from training.fit.kept import landmarks_once
from training.fit.trainer import TrainingSettings, compile_network, fit
from training.fit.transfer import start_from
from training.release.export import TrainedNetwork, export

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from training.architectures import Architecture
    from training.datasets.faces import FaceDataset
    from training.datasets.labels import Head, Targets
    from training.datasets.splits import DividedFaces
    from training.fit.devices import MixedPrecision
    from training.fit.schedule import RunProgress

    Tell = Callable[[RunProgress, dict[str, Any]], None]

logger = logging.getLogger(__name__)

PLAN = "run.json"
LANDMARKS = "landmarks.npz"


@dataclass(frozen=True)
class TrainingPlan:
    """What to train on which data.

    Attributes:
        data: FER2013's CSV, or a folder of pictures; see `read_dataset`.
        votes: FER+'s vote file, for FER2013's CSV.
        labels: See `label_set`; `None` takes those of the data.
        targets: See `select_rows`; `None` takes votes and original labels, or only the latter.
        start: A model whose weights the run starts from (fine-tuning).
        teachers: Models whose probabilities are mixed into the targets (distillation); of a model
            with two heads, naming the main one suffices.
        unlabelled: Further faces for the teachers to label; see `read_unlabelled`.
        weights: Those of a pretrained part: `imagenet`, a file, or `none`.
        hold_out: Share of the training rows that choose epoch and calibration; see `divide`.
        split_seed: Seed of splits that are not published; `None` takes that of the run. Teachers
            and students need the same.
        limit: Maximum number of training rows, classes in proportion; `None` takes all.
        find_faces: Cut the faces out of a folder's pictures first, as the camera's pipeline does.
        mixed_precision: `auto` (where it is faster), `on` or `off`.
        overlay: Reviewed labels, which replace the published ones.
    """

    data: Path
    votes: Path | None = None
    architecture: str = "compact"
    labels: str | None = None
    targets: Targets | None = None
    start: str | None = None
    teachers: tuple[str, ...] = ()
    unlabelled: Path | None = None
    weights: str | None = None
    hold_out: float | None = None
    split_seed: int | None = None
    limit: int | None = None
    find_faces: bool = False
    mixed_precision: MixedPrecision = "auto"
    overlay: Path | None = None

    @property
    def data_name(self) -> str:
        """The data as the card names them."""
        return self.data.name + (f" with {self.votes.name}" if self.votes else "")


def train(
    plan: TrainingPlan,
    out: Path,
    *,
    name: str = "model",
    settings: TrainingSettings | None = None,
    h5: bool = False,
    tensorboard: bool = False,
    conditions: bool = True,
    tell: Tell | None = None,
) -> Path:
    """Train a network; write the model, its card and figures into the run's folder.

    A run that was cut off resumes when called again with the same plan and settings, by default the
    architecture's recipe. `tell` is called after every step with the progress and the epoch's
    figures; `conditions` are measured at the end, see `export`. Returns the `.keras` file. Raises
    `DatasetError`, `TrainingError` or `ModelLoadError`.
    """
    if plan.unlabelled is not None and not plan.teachers:
        raise TrainingError(
            "Unlabelled faces are learnt from teachers: name at least one with --teacher."
        )
    architecture = find_architecture(plan.architecture)
    settings = settings or architecture.recipe(plan.weights)
    _refuse_missing(plan, out)
    run = _refuse_another_plan(plan, settings, out)
    device = prepare(plan.mixed_precision)
    split_seed = settings.seed if plan.split_seed is None else plan.split_seed
    faces = read_faces(plan, architecture.input_side_px, split_seed)
    _refuse_too_few(faces.roles.get("training", 0), settings.batch_size, plan)
    divided = divide(faces, hold_out=plan.hold_out, limit=plan.limit, seed=split_seed)
    labels = label_set(plan.labels, faces.present) if plan.labels else faces.present
    targets: Targets = plan.targets or ("original" if faces.votes is None else "votes+original")
    images, heads = select_rows(divided.training, labels, targets)
    _refuse_too_few(len(images), settings.batch_size, plan)
    teachers = find_teachers(plan.teachers, heads)
    origins = [*([find_model(plan.start)] if plan.start else []), *teachers]
    knowing = _divided_otherwise(origins, plan.data_name, divided.validation)
    unlabelled = _unlabelled(plan, divided, targets, labels, images.shape[1])
    images = np.concatenate([images, unlabelled])
    heads = with_unlabelled(heads, len(unlabelled))
    validation = Rows(*select_rows(divided.validation, labels, targets, complete=False))
    logger.info("%d faces to train on, %d to validate with", len(images), len(validation))
    build = _builder(plan, architecture, heads)
    build(settings.stages[-1].side_px)  # may refuse
    if not (out / PLAN).exists() and plan.mixed_precision == "auto" and not device.accelerators:
        run |= _measured_precision(build, Rows(images, heads), settings)
    device = use_policy(device, run.get("policy", device.policy))
    logger.info("Training with %s", device)
    # Only now: a refused plan must not block a corrected command.
    out.mkdir(parents=True, exist_ok=True)
    (out / PLAN).write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
    heads = taught_once(heads, images, teachers, out)
    rows = _with_landmarks(Rows(images, heads), settings.augmentation, out)
    callbacks = _callbacks(out, tell, tensorboard=tensorboard)
    network, history = fit(build, rows, validation, out, settings, callbacks=callbacks)
    facts = {
        "architecture": plan.architecture,
        "data": plan.data_name,
        "rows": divided.counts
        | ({"unlabelled": len(unlabelled)} if len(unlabelled) else {})
        | {"used": len(images)},
        "reading": faces.reading.sentences(),
        "targets": targets,
        "started_from": find_model(plan.start).stem if plan.start else None,
        "teachers": [teacher.stem for teacher in teachers],
        "may_know_validation": knowing,
        "settings": asdict(settings),
        "device": str(device),
    }
    return export(
        TrainedNetwork(network, heads, labels, facts, history),
        out,
        name,
        divided.validation,
        test=divided.test,
        h5=h5,
        conditions=conditions,
    )


def _with_landmarks(rows: Rows, varied: Augmentation, out: Path) -> Rows:
    """Return the rows with what the augmentation needs to know of their faces."""
    if varied.expression > 0 or varied.cover_share > 0:
        rows = replace(rows, landmarks=landmarks_once(rows.images, out / LANDMARKS))
    if rows.landmarks is not None and varied.expression > 0:
        rows = replace(rows, expressions=expressions_of(rows.landmarks, rows.heads[0]))
    return rows


def _callbacks(
    out: Path, tell: Tell | None, *, tensorboard: bool
) -> list[Callable[[RunProgress], keras.callbacks.Callback]]:
    callbacks: list[Callable[[RunProgress], keras.callbacks.Callback]] = []
    if tensorboard:
        board = keras.callbacks.TensorBoard(out / "tensorboard", write_graph=False)
        callbacks.append(lambda _: board)
    if tell is not None:
        callbacks.append(lambda progress: Progress(progress, tell))
    return callbacks


def _unlabelled(
    plan: TrainingPlan,
    divided: DividedFaces,
    targets: Targets,
    labels: tuple[str, ...],
    side_px: int,
) -> NDArray[np.uint8]:
    """Return the faces that only teachers label, without near-duplicates of measured ones.

    Among them are rows without usable votes, unless their original labels are learnt anyway.
    """
    found = [np.zeros((0, side_px, side_px), dtype=np.uint8)]
    votes = divided.training.votes
    if plan.teachers and votes is not None and targets == "votes" and labels == EMOTIONS:
        found.append(divided.training.images[~soft_labels(votes)[1]])
    if plan.unlabelled is not None:
        with opened_face_finder(CropGeometry(side_px), wanted=plan.find_faces) as finder:
            faces, report = read_unlabelled(plan.unlabelled, side_px=side_px, face_finder=finder)
        for sentence in report.sentences():
            logger.info("%s: %s", plan.unlabelled, sentence)
        for measured in (divided.validation, divided.test):
            if measured is not None:
                faces = faces[~near_duplicates(faces, measured.images)]
        found.append(faces)
    return np.concatenate(found)


def read_faces(plan: TrainingPlan, side_px: int, seed: int) -> FaceDataset:
    """Read the data of a plan, and log what was read and skipped."""
    read = partial(
        read_dataset,
        plan.data,
        plan.votes,
        side_px=side_px,
        seed=seed,
        to_train=True,
        overlay=plan.overlay,
    )
    with opened_face_finder(CropGeometry(side_px), wanted=plan.find_faces) as finder:
        faces = read(face_finder=finder)
    for sentence in faces.reading.sentences():
        logger.info("%s", sentence)
    return faces


def _divided_otherwise(models: Sequence[Path], data: str, validation: FaceDataset) -> list[str]:
    """Return, and warn of, models that learnt from the same data while other rows chose.

    They may know the validation rows, which then make the new model seem surer than it may be.
    """
    split = ", ".join(validation.splits())
    found = []
    for model in models:
        training = read_card(model).training
        chose = str(training.get("calibrated_on", "")).rpartition(", ")[0]
        unlike = chose != split or training.get("may_know_validation")
        if training.get("data") == data and unlike:
            found.append(model.stem)
    if found:
        logger.warning(
            "%s learnt from %s while other rows chose: it may know the rows that now choose the "
            "epoch and the calibration, and make both look too good. Start from a model trained "
            "with the same --hold-out.",
            ", ".join(found),
            data,
        )
    return found


def _refuse_too_few(faces: int, batch_size: int, plan: TrainingPlan) -> None:
    if faces < batch_size:
        raise DatasetError(
            f"{plan.data} has too few faces to train on: expected at least a batch of "
            f"{batch_size}, received {faces}. Add pictures, some hundred of each class for a "
            "useful model, or lower --batch-size."
        )


def _refuse_missing(plan: TrainingPlan, out: Path) -> None:
    """Refuse what is not there before the faces are read, which may take an hour."""
    for model in filter(None, (plan.start, *plan.teachers)):
        find_model(model)
    for option, path in (("unlabelled", plan.unlabelled), ("weights", plan.weights)):
        if path not in {None, "imagenet", "none"} and not Path(str(path)).exists():
            raise TrainingError(
                f"There is no file or folder {path}, which --{option} names: check the path, or "
                "leave it out."
            )
    if next(one for one in (out, *out.absolute().parents) if one.exists()).is_file():
        raise TrainingError(f"The run cannot be kept in {out}: expected a folder, found a file.")


def _refuse_another_plan(
    plan: TrainingPlan, settings: TrainingSettings, out: Path
) -> dict[str, Any]:
    """Return the plan as stored with a run, and what was measured at its start.

    Refuse to continue a run with another plan.
    """
    wanted: dict[str, Any] = json.loads(
        json.dumps({"plan": asdict(plan), "settings": asdict(settings)}, default=str)
    )
    path = out / PLAN
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else wanted
    # A run may be older than these settings.
    kept["plan"].setdefault("hold_out", 0.0)
    kept["settings"]["augmentation"] = asdict(Augmentation()) | kept["settings"]["augmentation"]
    for part in ("plan", "settings"):
        for key, value in wanted[part].items():
            if kept[part].get(key) != value:
                was, now = _in_words(key, kept[part].get(key)), _in_words(key, value)
                raise TrainingError(
                    f"The folder {out} holds a run with other settings: {key.replace('_', ' ')} "
                    f"was {was}, now it is {now}. Resume with the same ones, or name another "
                    "folder with --out."
                )
    return kept | wanted


def _in_words(key: str, value: Any) -> str:
    """Return a stored setting as a user reads it, who may have typed `--epochs` for a stage."""
    if key == "stages" and value:
        return ", ".join(
            f"{stage['side_px']} px for {counted(stage['epochs'], 'epoch')}" for stage in value
        )
    return repr(value)


def _measured_precision(
    build: Callable[[int], keras.Model], rows: Rows, settings: TrainingSettings
) -> dict[str, Any]:
    """Return the faster policy of a processor and the milliseconds of a step.

    Empty for a short run, because measuring takes half a minute, and without bfloat16.
    """
    epochs = sum(stage.epochs for stage in settings.stages)
    is_short = (
        epochs * len(rows) < 300 * settings.batch_size
        if settings.minutes is None
        else settings.minutes < 5
    )
    if is_short or not multiplies_bfloat16():
        return {}
    side_px = settings.stages[-1].side_px

    def compiled() -> keras.Model:
        network = build(side_px)
        compile_network(network, rows.heads, settings)
        return network

    first = slice(settings.batch_size)
    faces = plain(rows.images[first], side_px)
    targets = {head.name: head.targets[first] for head in rows.heads}
    weights = {head.name: head.known[first].astype(np.float32) for head in rows.heads}
    logger.info("Measuring steps in float32 and in bfloat16, to train in the faster")
    times = step_times_ms(compiled, (faces, targets, weights), ("float32", "mixed_bfloat16"))
    said = ", ".join(f"{ms:.0f} ms in {policy}" for policy, ms in times.items())
    logger.info("A step of %d faces takes %s", len(faces), said)
    return {"policy": min(times, key=lambda policy: times[policy]), "step_ms": times}


def _builder(
    plan: TrainingPlan, architecture: Architecture, heads: Sequence[Head]
) -> Callable[[int], keras.Model]:
    sizes = {head.name: len(head.labels) for head in heads}
    options: dict[str, Any] = {}
    if architecture.pretrained:
        options["weights"] = None if plan.weights == "none" else plan.weights or "imagenet"
    elif plan.weights is not None:
        raise TrainingError(
            f"The architecture {architecture.name} has no pretrained part: leave --weights out."
        )

    is_said = False

    def build(side_px: int) -> keras.Model:
        nonlocal is_said
        network = architecture.build(sizes, side_px=side_px, **options)
        if plan.start is not None:
            model = find_model(plan.start)
            transfer = start_from(network, model, heads[0], heads[1:])
            if not is_said:  # it is built again for each stage
                logger.info("Starting from %s: %s", model.stem, transfer)
            is_said = True
        return network

    return build
