"""What is chosen on which machine, and what is said of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from training.errors import TrainingError
from training.fit import devices
from training.fit.devices import (
    DeviceReport,
    backend_environment,
    multiplies_bfloat16,
    predict,
    prepare,
    replicas,
    step_times_ms,
    use_policy,
)


@pytest.fixture(autouse=True)
def policy_restored() -> Iterator[None]:
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


def pretend(
    monkeypatch: pytest.MonkeyPatch,
    visible: list[str],
    capability: float | None = None,
    backend: str = "tensorflow",
) -> list[object]:
    """Another machine; returns the list that receives what is distributed."""
    distributed: list[object] = []
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: visible)
    monkeypatch.setattr(
        keras.distribution, "DataParallel", lambda devices, auto_shard_dataset: tuple(devices)
    )
    monkeypatch.setattr(keras.distribution, "set_distribution", distributed.append)
    monkeypatch.setattr(keras.config, "backend", lambda: backend)
    monkeypatch.setattr(devices, "_compute_capability", lambda: capability)
    return distributed


def test_importing_it_does_not_import_keras() -> None:
    code = "import sys, training.fit.devices; sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    root = Path(devices.__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_the_environment_is_set_and_the_users_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    backend_environment()
    assert (os.environ["TF_ENABLE_ONEDNN_OPTS"], os.environ["TF_CPP_MIN_LOG_LEVEL"]) == ("1", "0")
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    backend_environment()
    assert (os.environ["TF_ENABLE_ONEDNN_OPTS"], os.environ["TF_CPP_MIN_LOG_LEVEL"]) == ("0", "2")


@pytest.mark.parametrize(
    ("visible", "capability", "wish", "policy"),
    [
        (["cpu:0"], None, "auto", "float32"),
        (["cpu:0"], None, "on", "mixed_bfloat16"),
        (["gpu:0"], 9.0, "auto", "mixed_bfloat16"),
        (["gpu:0"], 8.0, "auto", "mixed_bfloat16"),
        (["gpu:0"], 7.5, "auto", "mixed_float16"),
        (["gpu:0"], 6.1, "auto", "float32"),
        (["gpu:0"], 6.1, "on", "mixed_float16"),
        (["gpu:0"], None, "auto", "float32"),
        (["gpu:0"], None, "on", "mixed_bfloat16"),
        (["gpu:0"], 9.0, "off", "float32"),
        (["tpu:0"], None, "auto", "mixed_bfloat16"),
    ],
)
def test_precision_by_machine_and_wish(
    monkeypatch: pytest.MonkeyPatch,
    visible: list[str],
    capability: float | None,
    wish: str,
    policy: str,
) -> None:
    pretend(monkeypatch, visible, capability)
    report = prepare(wish)  # type: ignore[arg-type]
    assert report.policy == policy
    assert keras.config.dtype_policy().name == policy


def test_networks_built_afterwards_compute_in_half_precision_and_answer_in_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from training.architectures import compact

    pretend(monkeypatch, ["gpu:0"], 8.6)
    prepare()
    network = compact.build({"emotions": 7}, side_px=16, widths=(8, 8, 8))
    assert network.get_layer("stem").compute_dtype == "bfloat16"
    assert network.get_layer("stem").variable_dtype == "float32"
    assert np.asarray(network(np.zeros((1, 16, 16, 1)))["emotions"]).dtype == np.float32


def test_several_devices_share_a_batch_where_the_backend_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    distributed = pretend(monkeypatch, ["gpu:0", "gpu:1"], 9.0, "jax")
    assert str(prepare()) == "JAX on 2 devices in parallel (gpu:0, gpu:1), mixed_bfloat16"
    assert distributed == [("gpu:0", "gpu:1")]


def test_where_it_cannot_the_report_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pretend(monkeypatch, ["gpu:0", "gpu:1"], 9.0)
    report = prepare("off")
    assert (report.parallel, distributed) == (False, [])
    expected = (
        "TensorFlow on gpu:0, one of 2: only KERAS_BACKEND=jax shares a batch among all, float32"
    )
    assert str(report) == expected


def test_a_backend_that_cannot_tell_is_left_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, [], None, "torch")
    monkeypatch.delattr(keras.distribution, "list_devices")
    assert str(prepare()) == "PyTorch on the CPU, float32"


def test_this_machine() -> None:
    report = prepare("off")
    assert report == DeviceReport(
        keras.config.backend(), report.accelerators, report.parallel, "float32"
    )
    assert str(report).endswith(", float32")


def test_other_wishes_are_refused() -> None:
    with pytest.raises(
        TrainingError, match="Invalid mixed precision 'half': expected auto, on or off"
    ):
        prepare("half")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("script", "capability"),
    [("echo 9.0; echo 8.6", 8.6), ("exit 9", None), ("echo '[N/A]'", None), ("true", None)],
)
def test_the_weakest_gpu_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, capability: float | None
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setattr(devices.shutil, "which", lambda _name: str(tool))
    assert devices._compute_capability() == capability


def test_without_the_driver_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices.shutil, "which", lambda _name: None)
    assert devices._compute_capability() is None


class Doubler:
    """Stands for a network on devices that must get equal shares."""

    def __init__(self, shares: int) -> None:
        self._shares = shares

    def predict(self, faces: np.ndarray, batch_size: int, verbose: int) -> dict[str, np.ndarray]:
        assert len(faces) % self._shares == 0
        assert batch_size % self._shares == 0
        assert verbose == 0
        return {"emotions": 2 * faces[:, 0, 0], "original": 3 * faces[:, 0, 0]}


@pytest.mark.parametrize(("shares", "count"), [(1, 5), (2, 5), (3, 5), (4, 8), (4, 1)])
def test_any_number_of_faces_on_any_number_of_devices(
    monkeypatch: pytest.MonkeyPatch, shares: int, count: int
) -> None:
    monkeypatch.setattr(devices, "replicas", lambda: shares)
    faces = np.random.default_rng(0).random((count, 4, 4, 1)).astype(np.float32)
    outputs = predict(Doubler(shares), faces, batch_size=6)
    np.testing.assert_array_equal(outputs["emotions"], 2 * faces[:, 0, 0])
    np.testing.assert_array_equal(outputs["original"], 3 * faces[:, 0, 0])


def test_under_jax_all_batches_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    class Sized(Doubler):
        def predict(self, faces: np.ndarray, batch_size: int, verbose: int) -> Any:
            sizes.append(len(faces))
            return super().predict(faces, batch_size, verbose)

    faces = np.random.default_rng(0).random((8, 4, 4, 1)).astype(np.float32)
    for backend in ("jax", "torch"):
        monkeypatch.setattr(keras.config, "backend", lambda name=backend: name)
        np.testing.assert_array_equal(
            predict(Sized(1), faces, batch_size=6)["emotions"], 2 * faces[:, 0, 0]
        )
    assert sizes == [12, 8]


def test_one_device_has_a_batch_for_itself() -> None:
    assert replicas() == 1


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fma avx512_bf16 amx_tile", True), ("amx_bf16", True), ("avx2 avx512f", False)],
)
def test_processors_that_multiply_bfloat16(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, expected: bool
) -> None:
    monkeypatch.setattr(
        devices,
        "Path",
        lambda path: tmp_path / "cpuinfo" if path == "/proc/cpuinfo" else Path(path),
    )
    assert not multiplies_bfloat16(), "another system"
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags : fpu {flags} sse2\n")
    assert multiplies_bfloat16() is expected


def test_policies_are_timed_in_turn_and_none_is_left_behind() -> None:
    made: list[str] = []
    trained: list[str] = []

    class Network:
        def __init__(self) -> None:
            self._policy = keras.config.dtype_policy().name
            made.append(self._policy)

        def train_on_batch(self, *batch: object) -> None:
            assert batch == (1, 2, 3)
            trained.append(self._policy)

    before = keras.config.dtype_policy().name
    policies = ("float32", "mixed_bfloat16")
    times = step_times_ms(Network, (1, 2, 3), policies)  # type: ignore[arg-type]
    assert made == list(policies)
    assert trained[:4] == [*policies, *policies]
    assert all(0 <= times[policy] < 1000 for policy in policies)
    assert keras.config.dtype_policy().name == before
    assert use_policy(prepare("off"), "mixed_bfloat16").policy == "mixed_bfloat16"
    assert keras.config.dtype_policy().name == "mixed_bfloat16"
