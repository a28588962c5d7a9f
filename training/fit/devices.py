"""What a run computes on: accelerators, their precision, and what makes an epoch slow without them.

Importing this module imports no Keras, so that `backend_environment` can come first.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from training.errors import TrainingError

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

MixedPrecision = Literal["auto", "on", "off"]

BFLOAT16_SINCE = 8.0
"""Compute capability of the first NVIDIA GPUs that multiply bfloat16 (Ampere)."""
FLOAT16_SINCE = 7.0
"""Compute capability of the first NVIDIA GPUs whose tensor cores multiply float16 (Volta)."""
QUERY_TIMEOUT_S = 10.0
BACKEND_NAMES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}


@dataclass(frozen=True)
class DeviceReport:
    """What a run computes on.

    Attributes:
        backend: Keras' backend: `tensorflow`, `jax` or `torch`.
        accelerators: The visible ones, such as `gpu:0`; none where the processor does it.
        parallel: Whether every batch is shared out among all of them.
        policy: Keras' dtype policy: `float32`, `mixed_bfloat16` or `mixed_float16`.
    """

    backend: str
    accelerators: tuple[str, ...]
    parallel: bool
    policy: str

    @property
    def text(self) -> str:
        """One line for the log and the model card."""
        count = len(self.accelerators)
        if count == 0:
            where = "the CPU"
        elif count == 1:
            where = self.accelerators[0]
        elif self.parallel:
            where = f"{count} devices in parallel ({', '.join(self.accelerators)})"
        else:
            where = f"{self.accelerators[0]}, one of {count}: only KERAS_BACKEND=jax shares a batch among all"
        return f"{BACKEND_NAMES.get(self.backend, self.backend)} on {where}, {self.policy}"

    def __str__(self) -> str:
        return self.text


def backend_environment() -> None:
    """Set what the backends read once, when they are imported; call it before Keras is.

    TensorFlow leaves its fast convolutions (oneDNN) off on processors without AVX-512; there, a
    training step took 708 ms with them instead of 942 at 48 px, and 289 instead of 534 at 32 px.
    What the user has set is left alone.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def prepare(mixed_precision: MixedPrecision = "auto") -> DeviceReport:
    """Choose devices and precision for the networks built from now on in this process.

    Args:
        mixed_precision: `auto` halves the precision of the arithmetic where a GPU or TPU gains from
            it, and keeps it on a CPU; `on` and `off` insist. Weights and outputs stay float32.
            Defaults to `auto`.

    Returns:
        What was chosen.

    Raises:
        TrainingError: `mixed_precision` is none of the three.
    """
    if mixed_precision not in ("auto", "on", "off"):
        raise TrainingError(
            f"Invalid mixed precision {mixed_precision!r}: expected auto, on or off."
        )
    import keras  # noqa: PLC0415 (after `backend_environment`)

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
    report = DeviceReport(backend, accelerators, parallel, policy)
    logger.info("Training with %s", report.text)
    return report


def replicas() -> int:
    """Devices that share every batch; its rows must be a multiple of them. 1 unless `prepare` found more."""
    import keras  # noqa: PLC0415 (after `backend_environment`)

    return int(getattr(keras.distribution.distribution(), "num_model_replicas", 1))


def predict(network: keras.Model, faces: NDArray[np.float32], batch_size: int = 256) -> Any:
    """The network's outputs, for any number of faces and of devices.

    Args:
        network: Any Keras model.
        faces: `(n, h, h, 1)` grey levels, n at least 1.
        batch_size: Faces at once. Defaults to 256.

    Returns:
        What `keras.Model.predict` gives: arrays of n rows.
    """
    import keras  # noqa: PLC0415 (after `backend_environment`)
    import numpy as np  # noqa: PLC0415 (whoever only asks for help, or supervises, needs none)

    devices = replicas()
    missing = -len(faces) % devices
    whole = np.concatenate([faces, np.repeat(faces[-1:], missing, axis=0)]) if missing else faces
    outputs = network.predict(whole, batch_size=-(-batch_size // devices) * devices, verbose=0)
    return keras.tree.map_structure(lambda values: values[: len(faces)], outputs)


def _accelerators() -> tuple[str, ...]:
    import keras  # noqa: PLC0415 (after `backend_environment`)

    try:
        devices = keras.distribution.list_devices()
    except (AttributeError, NotImplementedError):
        # This backend cannot tell; it takes its default device.
        return ()
    return tuple(device for device in devices if not device.startswith("cpu"))


def _policy(accelerators: tuple[str, ...], mixed_precision: MixedPrecision) -> str:
    if mixed_precision == "off" or (mixed_precision == "auto" and not accelerators):
        return "float32"
    if not any(device.startswith(("gpu", "cuda")) for device in accelerators):
        return "mixed_bfloat16"
    capability = _compute_capability()
    if capability is None:
        # A GPU of another maker: nothing is known of it.
        return "mixed_bfloat16" if mixed_precision == "on" else "float32"
    if capability >= BFLOAT16_SINCE:
        # The range of float32, so that no gradient vanishes and no loss has to be scaled.
        return "mixed_bfloat16"
    return "mixed_float16" if capability >= FLOAT16_SINCE or mixed_precision == "on" else "float32"


def _compute_capability() -> float | None:
    """Of the weakest NVIDIA GPU; `None` where the driver's tool does not tell."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    command = [tool, "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=QUERY_TIMEOUT_S, check=True
        ).stdout
        return min(float(line) for line in answer.split())
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        logger.info("The GPU's compute capability is unknown: %s", error)
        return None
