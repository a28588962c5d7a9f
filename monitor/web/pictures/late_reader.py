"""Starts the process that reads pictures with the first picture: most hubs never get one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.web.pictures.process import PictureProcess

if TYPE_CHECKING:
    from detector.settings import Device
    from monitor.web.pictures.reader import SeenPicture


class LateReader:
    """A reader as `monitor.web.pictures.worker` needs it.

    Args:
        model: Name or path; `None` for the default.
        device: Which runtime classifies.
    """

    def __init__(self, model: str | None, device: Device) -> None:
        self._model = model
        self._device = device
        self._process: PictureProcess | None = None

    def read(self, content: bytes) -> SeenPicture:
        """Decode a picture and classify its faces.

        Raises:
            PictureDecodeError: It cannot be decoded.
            DetectorError: The model cannot be loaded.
        """
        if self._process is None:
            self._process = PictureProcess(self._model, self._device)
        return self._process.read(content)

    def interrupt(self) -> None:
        """Abort the picture that is being read; any thread may call this."""
        if self._process is not None:
            self._process.interrupt()

    def close(self) -> None:
        """End the process, if it was started."""
        if self._process is not None:
            self._process.close()
