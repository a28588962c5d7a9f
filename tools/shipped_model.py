"""Train the model that is shipped: teachers from scratch, then a network that they teach.

If it is stopped, the same command resumes it. It needs Keras with any backend, and no TensorFlow:
`ad-monitor models convert` makes the LiteRT form later. On one large GPU, five teachers side by
side and their student should take about twelve minutes:

    KERAS_BACKEND=jax python -m tools.shipped_model --data fer2013.csv.xz --votes fer2013new.csv \\
        --out runs/shipped --teachers 5 --at-once 5 --teacher-minutes 4.5 --student-minutes 4.5
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

from training.architectures import find_architecture
from training.datasets.splits import SPLIT_SEED
from training.fit.schedule import Stage
from training.run import TrainingPlan, train

logger = logging.getLogger(__name__)

RESTARTED_RATE = 0.07
"""Peak learning rate of a student that starts from trained weights."""


def main(arguments: list[str] | None = None) -> None:
    """Train what is missing."""
    options = _parser().parse_args(arguments)
    at_once = min(options.at_once, options.teachers)
    if at_once > 1:
        # Side by side they must share the memory of a GPU, and the cores.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        threads = str(max(1, (os.cpu_count() or 1) // at_once))
        for name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"):
            os.environ.setdefault(name, threads)
    _log_to_console("student")
    plan = TrainingPlan(
        options.data,
        options.votes,
        hold_out=options.hold_out,
        split_seed=SPLIT_SEED,
        limit=options.limit,
    )
    teaching = replace(plan, architecture=options.teacher_architecture)
    names = [f"teacher-{number}" for number in range(1, options.teachers + 1)]
    # A process for each, also one by one: a backend gives memory back when its process ends.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(at_once, mp_context=spawn, max_tasks_per_child=1) as pool:
        running = [
            pool.submit(
                train_once,
                teaching,
                options.out / name,
                name,
                seed=number,
                minutes=options.teacher_minutes,
                epochs=options.epochs,
            )
            for number, name in enumerate(names, 1)
        ]
        teachers = tuple(str(one.result()) for one in running)
    taught = replace(
        plan,
        architecture=options.architecture,
        start=options.start,
        teachers=teachers,
        unlabelled=options.unlabelled,
    )
    model = train_once(
        taught,
        options.out / options.name,
        options.name,
        minutes=options.student_minutes,
        epochs=options.epochs,
        is_student=True,
    )
    logger.info("Model: %s", model)


def train_once(
    plan: TrainingPlan,
    out: Path,
    name: str,
    *,
    seed: int | None = None,
    minutes: float | None = None,
    epochs: int | None = None,
    is_student: bool = False,
) -> Path:
    """Train a network with its recipe, unless that is done, and return its `.keras` file.

    On an accelerator all epochs have the last stage's size: compiling for another one would take
    longer than small pictures save. A student also learns from varied expressions and covered
    faces, and is measured under all conditions.
    """
    if multiprocessing.parent_process() is not None:
        _log_to_console(name)
    model = out / f"{name}.keras"
    if (out / "scores.json").exists():  # written last
        logger.info("%s is done", name)
        return model
    from training.fit.devices import prepare  # noqa: PLC0415 (loads the backend)

    settings = find_architecture(plan.architecture).recipe()
    last, planned = settings.stages[-1], sum(stage.epochs for stage in settings.stages)
    if epochs is not None or prepare(plan.mixed_precision).accelerators:
        settings = replace(settings, stages=(Stage(last.side_px, epochs or planned),))
    settings = replace(settings, minutes=minutes, seed=settings.seed if seed is None else seed)
    if is_student:
        varied = replace(settings.augmentation, expression=0.8, cover_share=0.1)
        settings = replace(settings, augmentation=varied)
        if plan.start is not None:
            settings = replace(settings, peak_learning_rate=RESTARTED_RATE)
    return train(plan, out, name=name, settings=settings, conditions=is_student)


def _log_to_console(name: str) -> None:
    logging.basicConfig(level=logging.WARNING, format=f"%(asctime)s {name}: %(message)s")
    for ours in ("training", __name__):
        logging.getLogger(ours).setLevel(logging.INFO)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.shipped_model", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--data", type=Path, required=True, help="fer2013.csv, plain or packed")
    parser.add_argument("--votes", type=Path, help="FER+'s fer2013new.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--name", default="student", help="name of the model")
    parser.add_argument("--teachers", type=int, default=5, help="number of teachers [5]")
    parser.add_argument("--teacher-architecture", default="wide", help="[wide]")
    parser.add_argument("--architecture", default="wide", help="of the student [wide]")
    parser.add_argument("--at-once", type=int, default=1, help="teachers side by side [1]")
    parser.add_argument("--teacher-minutes", type=float, help="for each [its recipe's epochs]")
    parser.add_argument("--student-minutes", type=float, help="[its recipe's epochs]")
    parser.add_argument("--epochs", type=int, help="of each network [its recipe's]")
    parser.add_argument("--start", help="model from which the student starts")
    parser.add_argument("--unlabelled", type=Path, help="further faces for the teachers to label")
    parser.add_argument("--hold-out", type=float, help="as for ad-monitor train")
    parser.add_argument("--limit", type=int, help="as for ad-monitor train")
    return parser


if __name__ == "__main__":
    main()
