"""The plan of teachers and their student, what is skipped, and how they share a machine."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from tools import shipped_model as tool
from training.datasets.splits import SPLIT_SEED
from training.fit import devices
from training.fit.schedule import Stage
from training.fit.trainer import TrainingSettings
from training.run import TrainingPlan


class HerePool:
    """Stands for processes: does the work at once, and writes down how many there would be."""

    sizes: ClassVar[list[int]] = []

    def __init__(self, size: int, **_options: Any) -> None:
        self.sizes.append(size)

    def __enter__(self) -> HerePool:
        return self

    def __exit__(self, *_raised: object) -> None:
        pass

    def submit(self, work: Callable[..., Any], *args: Any, **options: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(work(*args, **options))
        return done


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    """What is trained, in order; it leaves only the file that is written last."""
    runs: list[SimpleNamespace] = []

    def train(
        plan: TrainingPlan, out: Path, *, name: str, settings: TrainingSettings, conditions: bool
    ) -> Path:
        runs.append(SimpleNamespace(plan=plan, name=name, settings=settings, conditions=conditions))
        out.mkdir(parents=True)
        (out / "scores.json").write_text("{}")
        return out / f"{name}.keras"

    monkeypatch.setattr(tool, "train", train)
    monkeypatch.setattr(tool, "ProcessPoolExecutor", HerePool)
    monkeypatch.setattr(HerePool, "sizes", [])
    for name in ("XLA_PYTHON_CLIENT_PREALLOCATE", "TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "")
    return runs


def test_teachers_differ_in_their_seed_and_teach_the_student(
    trained: list[SimpleNamespace], tmp_path: Path
) -> None:
    command = ["--data", "fer2013.csv", "--out", str(tmp_path), "--teachers", "3", "--at-once", "9"]
    options = ["--teacher-minutes", "4.5", "--student-minutes", "4", "--name", "wide-2"]
    options += ["--start", "wide-1"]
    tool.main([*command, *options])
    *teachers, student = trained
    assert HerePool.sizes == [3]
    assert [one.name for one in teachers] == ["teacher-1", "teacher-2", "teacher-3"]
    assert len({one.settings.seed for one in teachers}) == 3
    assert {one.plan.split_seed for one in trained} == {SPLIT_SEED}, "the same rows choose"
    assert {(one.plan.architecture, one.settings.minutes) for one in teachers} == {("wide", 4.5)}
    assert (student.plan.architecture, student.settings.minutes) == ("wide", 4)
    assert student.settings.peak_learning_rate < teachers[0].settings.peak_learning_rate
    shares = [one.settings.augmentation.cover_share for one in trained]
    assert shares[:3] == [0, 0, 0]
    assert 0 < shares[3] < 0.5
    assert student.plan.teachers == tuple(
        str(tmp_path / one.name / f"{one.name}.keras") for one in teachers
    )
    assert [one.conditions for one in trained] == [False, False, False, True]

    # The same command does only what is missing.
    (tmp_path / "teacher-2" / "scores.json").unlink()
    (tmp_path / "teacher-2").rmdir()
    trained.clear()
    tool.main([*command, *options])
    assert [one.name for one in trained] == ["teacher-2"]


@pytest.mark.parametrize(
    ("accelerators", "epochs", "expected"),
    [
        ((), None, None),
        (("gpu:0",), None, (Stage(48, 48),)),
        ((), 2, (Stage(48, 2),)),
    ],
)
def test_an_accelerator_compiles_for_one_size(
    trained: list[SimpleNamespace],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    accelerators: tuple[str, ...],
    epochs: int | None,
    expected: tuple[Stage, ...] | None,
) -> None:
    report = devices.DeviceReport("jax", accelerators, False, "float32")
    monkeypatch.setattr(devices, "prepare", lambda _precision: report)
    plan = TrainingPlan(Path("fer2013.csv"), architecture="wide")
    tool.train_once(plan, tmp_path / "one", "one", seed=5, epochs=epochs)
    [run] = trained
    recipe = tool.find_architecture("wide").recipe()
    assert run.settings.stages == (expected or recipe.stages)
    assert run.settings.seed == 5
