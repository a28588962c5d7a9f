"""The kiosk's side of the sensor: start it, listen to it, and restart it when it dies or hangs."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Literal, cast

from detector.emotion.labels import EMOTIONS, LabelSet
from detector.sources.passwords import hide_passwords
from detector.texts import lazy
from monitor.backoff import RestartBackoff
from monitor.sensor import messages
from monitor.sensor.child_process import child_environment
from monitor.sensor.hang_detector import TICK_S, HangDetector, activity
from monitor.sensor.live import SensorHealth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from monitor.sensor.process import SensorSettings

logger = logging.getLogger(__name__)

DEATHS_PER_MINUTE = 6
FIRST_RESTART_S = 0.2
UNAVAILABLE_RETRY_S = 60.0
"""A sensor that dies so often within a minute is retried once a minute."""

KILLED_LIMIT_S = 10.0
"""A killed process is gone at once; only a busy machine takes longer to say so."""


@dataclass(frozen=True, slots=True)
class SensorDied:
    """The sensor's process ended unasked, or was killed because it hung, as noticed `at_ns`."""

    at_ns: int
    detail: str
    cause: Literal["sensor_died", "sensor_stuck"] = "sensor_died"


class SensorProcess:
    """One run of the sensor's process.

    Attributes:
        waiting_since_s: When the reader began to wait for a message; `None` while it does not.
        talked: Whether the process has said anything yet.
        talking: Whether it has begun to talk, and has more to say.
        stuck: Whether it was killed because it hung.
    """

    def __init__(self, settings: SensorSettings) -> None:
        quiet = {
            "GLOG_minloglevel": "2",
            "TF_CPP_MIN_LOG_LEVEL": "2",
            # Seconds without a picture after which OpenCV gives up, so that the camera is reopened.
            "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT": "3",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "monitor.sensor.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=quiet | _without_passwords(child_environment()),
        )
        pipes = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._stdin, self._stdout, self._stderr = cast("tuple[IO[bytes], ...]", pipes)
        self._last_words: deque[str] = deque(maxlen=20)
        self._stderr_thread = threading.Thread(
            target=self._read_stderr, name="sensor-stderr", daemon=True
        )
        self._stderr_thread.start()
        self.waiting_since_s: float | None = None
        self.talked = self.talking = False
        self.stuck = False
        self._labels: LabelSet = EMOTIONS
        self.hang_detector = HangDetector()
        self._ending: str | None = None
        try:
            self._stdin.write(settings.model_dump_json().encode() + b"\n")
            self._stdin.flush()
        except OSError:
            logger.debug("The sensor died before it had its settings")

    @property
    def pid(self) -> int:
        """Process id of the sensor."""
        return self._process.pid

    def read(self) -> messages.Message | None:
        """Return the next message; `None` at its end, `ProtocolError` if that cut a message off."""
        if self._stdout.closed:
            return None
        self.waiting_since_s = time.monotonic()
        try:
            message = messages.read_message(self._stdout, self._labels)
        finally:
            self.waiting_since_s = None
        if isinstance(message, messages.Ready):
            self._labels = message.labels
        self.talked = self.talked or message is not None
        # After its last message it may take its time to end.
        self.talking = not isinstance(message, messages.Ended | messages.Failed | None)
        return message

    def check(self) -> bool:
        """Kill the process if it hangs; return whether it just did. Call it every `TICK_S`."""
        stuck = self.hang_detector.is_stuck(
            self.waiting_since_s, time.monotonic(), activity(self.pid), started=self.talking
        )
        if not stuck or self.stuck:
            return False
        self.stuck = True
        self.kill()
        return True

    def request_stop(self) -> None:
        """Ask the process to end, by closing its input; harmless when repeated."""
        try:
            self._stdin.close()
        except OSError:
            logger.debug("The sensor was gone before it was asked to stop")

    def end(self) -> None:
        """Ask the process to end, or kill it while it loads: it hears nothing and loses nothing."""
        self.request_stop()
        if not self.talked:
            self.kill()

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()

    def close(self, timeout_s: float = 8.0) -> str:
        """Wait for the end of the process, killing it after the timeout; return how it ended."""
        if self._ending is not None:
            return self._ending
        self.request_stop()
        try:
            status = self._drained(timeout_s)
        except subprocess.TimeoutExpired:
            logger.warning("The sensor did not stop within %.0f s and was killed", timeout_s)
            self._process.kill()
            status = self._drained(max(timeout_s, KILLED_LIMIT_S))
        self._stderr_thread.join(2.0)
        self._stdout.close()
        self._stderr.close()
        how = (
            lazy("was ended by signal %(status)s", status=-status)
            if status < 0
            else lazy("ended with status %(status)s", status=status)
        )
        # The logs of native libraries explain nothing.
        chatter = re.compile(r"[IWE]\d{4} |INFO:|WARNING:")
        said = [line for line in self._last_words if line.strip() and not chatter.match(line)]
        self._ending = f"{how}: {said[-1]}" if said and status != 0 else how
        return self._ending

    def _drained(self, timeout_s: float) -> int:
        """Wait for the end, reading the output so that the process never waits for a reader."""
        discard: deque[bytes] = deque(maxlen=0)
        drain = threading.Thread(target=discard.extend, args=(self._stdout,), daemon=True)
        drain.start()
        status = self._process.wait(timeout_s)
        drain.join(2.0)
        return status

    def _read_stderr(self) -> None:
        for line in self._stderr:
            text = hide_passwords(line.decode(errors="replace").rstrip())
            self._last_words.append(text)
            logger.debug("sensor: %s", text)


def _without_passwords(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without this program's settings that hold a password."""
    return {
        name: value
        for name, value in environ.items()
        if not (name.startswith("AD_MONITOR_") and hide_passwords(value) != value)
    }


class SupervisedSensor:
    """A live sensor that is kept running.

    `on_message` is called in the `sensor` thread, and so is `on_died`, before a restart, unless the
    sensor hung: then it is called in `sensor-watch`. A sensor that cannot work at all, for a wrong
    source or model, is not restarted; `failure` says why.
    """

    def __init__(
        self,
        settings: SensorSettings,
        on_message: Callable[[messages.Message], None],
        on_died: Callable[[SensorDied], None],
    ) -> None:
        self._settings = settings
        self._on_message = on_message
        self._on_died = on_died
        self._stop = threading.Event()
        self._settled = threading.Event()
        self._lock = threading.Lock()
        self._process: SensorProcess | None = None
        self._worked = False
        self._highest_viewer = settings.first_viewer - 1
        first_s, retry_s = FIRST_RESTART_S, UNAVAILABLE_RETRY_S
        self._restarts = RestartBackoff(
            DEATHS_PER_MINUTE, 60.0, first_s=first_s, longest_s=5.0, exhausted_s=retry_s
        )
        self._thread = threading.Thread(target=self._run, name="sensor", daemon=True)
        self._watch = threading.Thread(target=self._watch_hangs, name="sensor-watch", daemon=True)
        self.failure: messages.Failed | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the running sensor, `None` between two."""
        with self._lock:
            return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the sensor; returns at once."""
        self._thread.start()
        self._watch.start()

    def wait_settled(self, timeout_s: float) -> bool:
        """Wait until the sensor is ready, waits for its source, or has failed."""
        return self._settled.wait(timeout_s)

    def stop(self, timeout_s: float = 10.0) -> bool:
        """Stop the sensor, killing it after the timeout; return whether it has ended."""
        self._stop.set()
        with self._lock:
            if self._process is not None:
                self._process.end()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        with self._lock:
            stuck = self._process
        if stuck is not None:
            logger.warning("The sensor did not stop within %.0f s and is killed", timeout_s)
            stuck.kill()
            self._thread.join(KILLED_LIMIT_S)
        if self._watch.is_alive():
            self._watch.join(KILLED_LIMIT_S)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    if self._run_once() or self.failure is not None:
                        return
                    pause_s = self._pause_before_restart()
                except Exception:
                    # Such as no memory for a process: it passes, and measuring goes on.
                    logger.exception("The sensor's thread failed; restarting the sensor")
                    pause_s = self._pause_after_error()
                self._stop.wait(pause_s)
        finally:
            self._settled.set()

    def _run_once(self) -> bool:
        """Run the process to its end; return whether no other is wanted."""
        # Its viewers are new, so their numbers continue; a source that once worked may be away.
        wait = self._settings.wait_for_source or self._worked
        changed = {"first_viewer": self._highest_viewer + 1, "wait_for_source": wait}
        process = SensorProcess(self._settings.model_copy(update=changed))
        with self._lock:
            self._process = process
        if self._stop.is_set():
            process.end()
        finished = False
        try:
            while (message := process.read()) is not None:
                if not process.stuck:
                    finished = self._handle(message) or finished
        except messages.ProtocolError as error:
            logger.warning("%s", error)
            process.kill()
        finally:
            with self._lock:
                self._process = None
            how = process.close()
        if finished or self._stop.is_set() or self.failure is not None:
            return True
        logger.warning("The sensor %s; restarting it", how)
        if not process.stuck:
            self._on_died(SensorDied(time.monotonic_ns(), f"the sensor {how}"))
        return False

    def _handle(self, message: messages.Message) -> bool:
        """Pass a message on; return whether it was the last one."""
        if isinstance(message, messages.Failed) and not self._worked:
            self.failure = message
            self._settled.set()
            return True
        if isinstance(message, messages.Failed):
            logger.warning("The sensor cannot work at present: %s", message.message)
            self._on_message(messages.HealthReport(SensorHealth("restarting", message.message)))
            return False
        self._worked = self._worked or isinstance(message, messages.Ready)
        if isinstance(message, messages.FrameRead) and message.frame.readings:
            # Sorted by viewer, so the last one has the highest number.
            self._highest_viewer = max(self._highest_viewer, message.frame.readings[-1].viewer)
        self._on_message(message)
        if isinstance(message, messages.Ready | messages.SourceLost):
            # A sensor that waits for its source has done what it can.
            self._settled.set()
        return isinstance(message, messages.Ended)

    def _pause_before_restart(self) -> float:
        pause_s = self._restarts.pause_s(time.monotonic())
        health = SensorHealth("restarting", lazy("the sensor is being started again"))
        if self._restarts.exhausted:
            detail = lazy(
                "the sensor died %(count)s times in a minute", count=self._restarts.deaths
            )
            health = SensorHealth("unavailable", detail)
        self._on_message(messages.HealthReport(health))
        return pause_s

    def _pause_after_error(self) -> float:
        try:
            self._on_died(SensorDied(time.monotonic_ns(), lazy("internal error, see the log")))
            return self._pause_before_restart()
        except Exception:
            logger.exception("Nobody handles what the sensor says")
            return UNAVAILABLE_RETRY_S

    def _watch_hangs(self) -> None:
        while not self._stop.wait(TICK_S) and self._thread.is_alive():
            with self._lock:
                process = self._process
            if process is not None and process.check():
                silent_s = process.hang_detector.silent_s
                detail = lazy(
                    "the sensor was stuck: it said nothing for %(seconds)s s",
                    seconds=f"{silent_s:.1f}",
                )
                logger.warning("%s; killing it", detail.capitalize())
                self._on_died(SensorDied(time.monotonic_ns(), detail, "sensor_stuck"))
