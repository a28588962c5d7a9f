"""The devices of a run; does not import Keras, so `backend_environment` can come first."""

from __future__ import annotations

import importlib
import logging
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from training.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import keras
    import numpy as np
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

MixedPrecision = Literal["auto", "on", "off"]


@dataclass(frozen=True)
class DeviceReport:
    """Keras' backend, visible accelerators, whether all share a batch, and the dtype policy."""

    backend: str
    accelerators: tuple[str, ...]
    parallel: bool
    policy: str

    def __str__(self) -> str:
        count = len(self.accelerators)
        where = self.accelerators[0] if self.accelerators else "the CPU"
        if self.parallel:
            where = f"{count} devices in parallel ({', '.join(self.accelerators)})"
        elif count > 1:
            where += f", one of {count}: only KERAS_BACKEND=jax shares a batch among all"
        names = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
        return f"{names.get(self.backend, self.backend)} on {where}, {self.policy}"


def backend_environment() -> None:
    """Set what the backends read when they are imported; call it before importing Keras.

    TensorFlow leaves its fast convolutions (oneDNN) off on processors without AVX-512; with them a
    training step took 708 ms instead of 942 at 48 px, and 289 instead of 534 at 32 px.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def multiplies_bfloat16() -> bool:
    """Return whether the processor has instructions for bfloat16; without them it is slower."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(text.split())


def step_times_ms(
    make: Callable[[], keras.Model], batch: tuple[Any, Any, Any], policies: Sequence[str]
) -> dict[str, float]:
    """Return the milliseconds of a training step with each policy.

    `make` builds and compiles the network with the current policy; `batch` are its faces, targets
    and weights. The policies take turns, so other load slows all alike.
    """
    import keras  # noqa: PLC0415 (after `backend_environment`)
    import numpy as np  # noqa: PLC0415 (not needed for --help)

    before = keras.config.dtype_policy()
    networks = {}
    try:
        for policy in policies:
            keras.config.set_dtype_policy(policy)
            networks[policy] = make()
    finally:
        keras.config.set_dtype_policy(before)
    times = np.zeros((5, len(policies)))
    for row in range(-2, len(times)):  # two more, to compile and to warm up
        for column, policy in enumerate(policies):
            started = time.perf_counter()
            networks[policy].train_on_batch(*batch)
            if row >= 0:
                times[row, column] = 1000 * (time.perf_counter() - started)
    medians = np.median(times, axis=0)
    return {policy: round(float(ms), 1) for policy, ms in zip(policies, medians, strict=True)}


def use_policy(device: DeviceReport, policy: str) -> DeviceReport:
    """Compute with this policy in the networks built from now on in this process."""
    import keras  # noqa: PLC0415 (after `backend_environment`)

    keras.config.set_dtype_policy(policy)
    return replace(device, policy=policy)


def prepare(mixed_precision: MixedPrecision = "auto") -> DeviceReport:
    """Choose devices and precision for the networks built from now on in this process.

    `auto` halves the precision of arithmetic if a GPU or TPU gains from it; weights and outputs
    stay float32. On a processor it leaves float32; `step_times_ms` tells whether that is best.
    """
    if mixed_precision not in ("auto", "on", "off"):
        raise TrainingError(
            f"Invalid mixed precision {mixed_precision!r}: expected auto, on or off."
        )
    import keras  # noqa: PLC0415 (after `backend_environment`)

    # A run predicts with several networks, and TensorFlow warns that it compiles each of them.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    backend = keras.config.backend()
    accelerators = _accelerators()
    # Keras' distribution is a prototype on TensorFlow and missing on PyTorch.
    parallel = len(accelerators) > 1 and backend == "jax"
    if parallel:
        keras.distribution.set_distribution(
            keras.distribution.DataParallel(devices=list(accelerators), auto_shard_dataset=False)
        )
    policy = _policy(accelerators, mixed_precision)
    keras.config.set_dtype_policy(policy)
    return DeviceReport(backend, accelerators, parallel, policy)


def loading_threads() -> int:
    """Return the number of threads that make batches: one would keep a GPU waiting."""
    return max(2, min(4, (os.cpu_count() or 1) // 4)) if _accelerators() else 1


def _accelerators() -> tuple[str, ...]:
    import keras  # noqa: PLC0415 (after `backend_environment`)

    if keras.config.backend() == "torch":
        try:  # Keras cannot list them
            torch: Any = importlib.import_module("torch")
        except ImportError:
            return ()
        return tuple(f"cuda:{number}" for number in range(torch.cuda.device_count()))
    try:
        devices = keras.distribution.list_devices()
    except (AttributeError, NotImplementedError):
        return ()  # this backend cannot list them, and uses its default device
    return tuple(device for device in devices if not device.startswith("cpu"))


def replicas() -> int:
    """Return the number of devices that share every batch, 1 unless `prepare` found more."""
    import keras  # noqa: PLC0415 (after `backend_environment`)

    return int(getattr(keras.distribution.distribution(), "num_model_replicas", 1))


def predict(network: keras.Model, faces: NDArray[np.float32], batch_size: int = 256) -> Any:
    """Return the outputs of `keras.Model.predict`, for any number of faces and devices."""
    import keras  # noqa: PLC0415 (after `backend_environment`)
    import numpy as np  # noqa: PLC0415 (not needed for --help)

    devices = replicas()
    batch_size = -(-batch_size // devices) * devices
    # JAX compiles again for each number of faces.
    missing = -len(faces) % (batch_size if keras.config.backend() == "jax" else devices)
    whole = np.concatenate([faces, np.repeat(faces[-1:], missing, axis=0)]) if missing else faces
    outputs = network.predict(whole, batch_size=batch_size, verbose=0)
    return keras.tree.map_structure(lambda values: values[: len(faces)], outputs)


def _policy(accelerators: tuple[str, ...], mixed_precision: MixedPrecision) -> str:
    if mixed_precision == "off" or (mixed_precision == "auto" and not accelerators):
        return "float32"
    if not any(device.startswith(("gpu", "cuda")) for device in accelerators):
        return "mixed_bfloat16"
    capability = _compute_capability()
    if capability is None:
        return "mixed_bfloat16" if mixed_precision == "on" else "float32"
    if capability >= 8.0:  # Ampere multiplies bfloat16, which needs no loss scaling
        return "mixed_bfloat16"
    # Volta is the first whose tensor cores multiply float16.
    return "mixed_float16" if capability >= 7.0 or mixed_precision == "on" else "float32"


def _compute_capability() -> float | None:
    """Return that of the weakest NVIDIA GPU; `None` if unknown."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    command = [tool, "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=10.0, check=True
        ).stdout
        return min(float(line) for line in answer.split())
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        logger.info("The GPU's compute capability is unknown: %s", error)
        return None
