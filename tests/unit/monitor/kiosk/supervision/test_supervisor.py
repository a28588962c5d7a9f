"""The supervisor as a process, above small programs that behave as a kiosk may."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.kiosk.supervision.heartbeat import Phase
from monitor.kiosk.supervision.supervisor import DONE, FAILED, WRONG, Ending, Limits, kiosk_command
from tests.helpers.waiting import Stopwatch, wait_until

ROOT = Path(__file__).resolve().parents[5]

BARE = [sys.executable, "-S", "-c"]
"""Python without installed packages: the supervisor must not need any."""

KIOSK = """
import os, signal, sys, time
from pathlib import Path
from monitor.kiosk.supervision.heartbeat import Heartbeat, Phase
heartbeat = Heartbeat.from_environment()
log, signs = Path(sys.argv[1]), Path(sys.argv[1] + ".signs")
stop = []
signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
signal.signal(signal.SIGINT, lambda *_: stop.append(1))
with log.open("a") as file:
    file.write(f"{os.getpid()} {sys.argv[3:]}\\n")
starts = log.read_text().count("\\n")
def sign():
    with signs.open("a") as file:
        file.write("x")
def show(seconds=600.0, on_stop=0):
    sign()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        heartbeat.beat(Phase.SHOWING)
        if stop:
            heartbeat.beat(Phase.CLOSING)
            sys.exit(on_stop)
        time.sleep(0.02)
exec(sys.argv[2])
"""
"""Notes its process id and arguments once signals do not end it, and then does what a test wants."""

SUPERVISOR = """
import logging, sys
from monitor.kiosk.supervision.supervisor import Restarts
from monitor.kiosk.supervision.supervisor import Limits, Supervisor
logging.basicConfig(level=logging.INFO, format="%(message)s")
limits, restarts, command = eval(sys.argv[1]), eval(sys.argv[2]), sys.argv[3:]
sys.exit(Supervisor(command, ["--ads-only"], limits=limits, restarts=restarts).run())
"""


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be noted as dead does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Supervised:
    """Starts the supervisor above a program, and reads what that has noted."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "starts.txt"
        self.processes: list[subprocess.Popen[str]] = []
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def start(self, what: str, limits: str = "Limits()", restarts: str = "Restarts(first_s=0.05)"):
        process = subprocess.Popen(
            [*BARE, SUPERVISOR, limits, restarts, *BARE, KIOSK, str(self.log), what],
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            # The tests may themselves run under nohup.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # noqa: PLW1509
        )
        self.processes.append(process)
        return process

    def run(self, what: str, *more: str) -> tuple[int, str]:
        process = self.start(what, *more)
        _, said = process.communicate(timeout=300)
        return process.returncode, said

    @property
    def starts(self) -> list[tuple[int, str]]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [
            (int(pid), arguments) for pid, _, arguments in (line.partition(" ") for line in lines)
        ]

    def wait_for_starts(self, count: int) -> None:
        wait_until(lambda: len(self.starts) >= count)

    def wait_for_signs(self, count: int) -> None:
        """Wait until the programs have called `show` or `sign` so often."""
        signs = Path(f"{self.log}.signs")
        wait_until(lambda: signs.exists() and signs.stat().st_size >= count)

    @property
    def left(self) -> list[int]:
        return [pid for pid, _ in self.starts if is_alive(pid)]


def said_until(process: subprocess.Popen[str], words: str) -> str:
    """Read what a supervisor says until it says this; return that line."""
    return next((line for line in iter(process.stderr.readline, "") if words in line), "")


@pytest.fixture
def supervised(tmp_path):
    made = Supervised(tmp_path)
    yield made
    for process in made.processes:
        process.kill()
        process.communicate()
    for pid in made.left:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("what", "status"), [("sys.exit(0)", DONE), ("show(0.1)", DONE), ("sys.exit(2)", WRONG)]
)
def test_who_ends_as_asked_or_refuses_its_command_line_is_not_started_again(
    supervised, what, status
):
    assert supervised.run(what)[0] == status
    assert len(supervised.starts) == 1


def test_who_fails_or_dies_is_started_again(supervised):
    what = "show(0.1) if starts == 4 else sys.exit(1) if starts == 1 else os.kill(os.getpid(), 11 if starts == 2 else 9)"
    status, said = supervised.run(what)
    assert status == DONE
    assert len(supervised.starts) == 4
    for words in ("ended with status 1", "was ended by SIGSEGV", "was ended by SIGKILL"):
        assert f"The kiosk {words} and is started again in" in said


def test_once_the_show_ran_a_wrong_file_is_no_reason_to_give_up(supervised):
    assert supervised.run("show(0.1) or sys.exit(2 if starts < 3 else 0)")[0] == DONE
    assert len(supervised.starts) == 3


def test_too_many_deaths_end_the_measuring_and_not_the_show(supervised):
    process = supervised.start(
        "show() if '--ads-only' in sys.argv else sys.exit(1)",
        "Limits()",
        "Restarts(3, first_s=0.05)",
    )
    supervised.wait_for_starts(4)
    process.terminate()
    _, said = process.communicate(timeout=300)
    assert process.returncode == DONE
    reason = "The kiosk died 3 times within 10 minutes; at last it ended with status 1"
    assert [arguments for _, arguments in supervised.starts] == [
        "[]",
        "[]",
        "[]",
        f"['--ads-only', '{reason}']",
    ]
    assert f"{reason}: only the ads are shown from now on" in said


def test_who_asks_for_it_is_started_again_at_once_and_has_not_died(supervised):
    what = "show(0.05) or starts < 4 and heartbeat.beat(Phase.RESTARTING) or sys.exit(0)"
    status, said = supervised.run(what, "Limits()", "Restarts(2, first_s=5)")
    assert status == DONE
    assert [arguments for _, arguments in supervised.starts] == ["[]"] * 4
    assert "is started again" not in said


EXPLAIN = "heartbeat.beat(Phase.EXPLAINING) or time.sleep(0.5)"


def test_who_closes_the_window_that_explains_a_failure_is_obeyed(supervised):
    # Also if the show ran before; without the window that is a death.
    what = f"show(0.1) or sys.exit(1) if starts == 1 else {EXPLAIN} or sys.exit(2)"
    status, said = supervised.run(what)
    assert status == WRONG
    assert len(supervised.starts) == 2
    assert said.count("is started again") == 1


def test_what_was_mended_meanwhile_is_tried_again(supervised):
    what = f"{EXPLAIN} or heartbeat.beat(Phase.RESTARTING) if starts < 3 else show(0.1)"
    status, said = supervised.run(what)
    assert status == DONE
    assert len(supervised.starts) == 3
    assert "is started again" not in said


def test_measuring_is_tried_again_later(supervised):
    process = supervised.start(
        "show() if '--ads-only' in sys.argv or starts > 2 else sys.exit(1)",
        "Limits()",
        "Restarts(1, first_s=0.05, measure_again_s=0.5)",
    )
    supervised.wait_for_starts(3)
    process.terminate()
    _, said = process.communicate(timeout=300)
    assert process.returncode == DONE
    assert "Measuring is tried again" in said
    assert [bool(arguments != "[]") for _, arguments in supervised.starts] == [False, True, False]


@pytest.mark.parametrize(
    ("what", "phase"),
    [
        ("show(0.1) or time.sleep(60)", "showing"),
        ("time.sleep(60)", "starting"),
        ("heartbeat.beat(Phase.CLOSING) or time.sleep(60)", "closing"),
        ("heartbeat.beat(Phase.REPORTING) or time.sleep(60)", "reporting"),
        ("show(0.1) or os.kill(os.getpid(), signal.SIGSTOP)", "showing"),
    ],
)
def test_who_gives_no_sign_of_life_is_killed_and_started_again(supervised, what, phase):
    # What takes its time before the first beat is not what is measured here.
    limits = "Limits(300, 0.7, 0.7, 0.7)" if phase != "starting" else "Limits(2, 60, 60, 60)"
    status, said = supervised.run(f"sys.exit(0) if starts > 1 else ({what})", limits)
    assert status == DONE
    assert len(supervised.starts) >= 2
    assert f"({phase}): it is killed" in said
    assert supervised.left == []


def test_who_lives_is_left_alone(supervised):
    assert supervised.run("show(3.0)", "Limits(300, 2.0, 300, 300)")[0] == DONE
    assert len(supervised.starts) == 1


def test_a_stuck_kiosk_takes_its_children_with_it(supervised):
    child = "import subprocess; c = subprocess.Popen(['sleep', '60']); log.open('a').write(f'{c.pid} child\\n'); "
    status, _ = supervised.run(
        f"starts == 1 or sys.exit(0); {child} heartbeat.beat(Phase.SHOWING); time.sleep(60)",
        "Limits(300, 0.7, 300, 300)",
    )
    assert status == DONE
    assert len(supervised.starts) == 3
    assert supervised.left == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_both(supervised, number):
    process = supervised.start("show()")
    supervised.wait_for_starts(1)
    process.send_signal(number)
    process.communicate(timeout=300)
    assert process.returncode == DONE
    assert supervised.left == []


def test_a_terminal_that_closes_ends_neither(supervised):
    heard = "signal.signal(signal.SIGHUP, lambda *_: log.open('a').write('0 hung up\\n'))"
    process = supervised.start(f"{heard}; show()")
    supervised.wait_for_signs(1)
    process.send_signal(signal.SIGHUP)
    supervised.wait_for_starts(2)
    assert supervised.starts[1:] == [(0, "hung up")]
    assert process.poll() is None
    process.terminate()
    process.communicate(timeout=300)
    assert process.returncode == DONE


@pytest.mark.parametrize(
    ("what", "status"),
    [
        ("show(on_stop=1)", FAILED),
        ("signal.signal(signal.SIGTERM, signal.SIG_DFL); show()", DONE),
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN); show()", FAILED),
        ("signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), 11)); show()", 128 + 11),
    ],
)
def test_the_end_that_was_asked_for_has_the_status_of_the_kiosk(supervised, what, status):
    never_ends = "SIG_IGN" in what
    process = supervised.start(what, f"Limits(closing_s={1.0 if never_ends else 300.0})")
    supervised.wait_for_signs(1)
    process.terminate()
    process.communicate(timeout=300)
    assert process.returncode == status
    assert len(supervised.starts) == 1
    assert supervised.left == []


def test_a_report_may_take_longer_than_closing(supervised):
    what = "signal.signal(15, lambda *_: (heartbeat.beat(Phase.REPORTING), time.sleep(2.5), sys.exit(0))); show()"
    process = supervised.start(what, "Limits(closing_s=2.0)")
    supervised.wait_for_signs(1)
    process.terminate()
    process.communicate(timeout=300)
    assert process.returncode == DONE


def test_the_second_signal_reaches_the_kiosk_too(supervised):
    handler = "lambda *_: stop and os._exit(143) or (stop.append(1), sign())"
    what = f"signal.signal(15, {handler}); sign(); [time.sleep(0.05) for _ in range(6000)]"
    process = supervised.start(what)
    supervised.wait_for_signs(1)
    process.terminate()
    supervised.wait_for_signs(2)
    assert process.poll() is None
    process.terminate()
    process.communicate(timeout=300)
    assert process.returncode == 143


def test_a_signal_during_a_pause_ends_it(supervised):
    process = supervised.start("sys.exit(1)", "Limits()", "Restarts(first_s=60, longest_s=60)")
    assert "is started again" in said_until(process, "is started again")
    watch = Stopwatch()
    process.terminate()
    process.communicate(timeout=300)
    assert watch.seconds < 50, "the pause would have had 60 s"
    assert process.returncode == DONE


def test_a_program_that_is_not_there_is_tried_again(supervised):
    process = subprocess.Popen(
        [
            *BARE,
            SUPERVISOR,
            "Limits()",
            "Restarts(first_s=0.05)",
            str(supervised.log.parent / "none"),
        ],
        stderr=subprocess.PIPE,
        text=True,
        env=supervised.environment,
    )
    supervised.processes.append(process)
    for _ in range(2):
        assert "cannot be started" in said_until(process, "cannot be started")
    process.terminate()
    process.communicate(timeout=300)
    assert process.returncode == DONE


def test_systemd_hears_of_the_show_and_its_watchdog_is_fed(supervised, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        supervised.environment["NOTIFY_SOCKET"] = str(tmp_path / "notify")
        process = supervised.start("assert 'NOTIFY_SOCKET' not in os.environ; show()")
        manager.settimeout(300)
        heard: list[str] = []
        while heard.count("WATCHDOG=1") < 2 or "STATUS=The show runs" not in heard:
            heard.append(manager.recv(4096).decode())
        process.terminate()
        process.communicate(timeout=300)
    assert heard.count("READY=1") == 1
    assert heard.index("STATUS=The show runs") > heard.index("READY=1")


def test_the_supervisor_is_light(supervised):
    """Nothing native is loaded that could take it down."""
    process = supervised.start("show()")
    supervised.wait_for_starts(1)
    mapped = Path(f"/proc/{process.pid}/maps").read_text()
    assert not [
        name for name in ("numpy", "Qt5", "cv2", "tensorflow", "sqlalchemy") if name in mapped
    ]
    process.terminate()
    process.communicate(timeout=300)


def test_the_words_for_an_ending():
    assert Ending(3).words == "ended with status 3"
    assert Ending(-6).words == "was ended by SIGABRT"
    assert Ending(-64 - 1).words == "was ended by signal 65"
    assert Ending(-9, stuck=True).words == "was stuck and was killed"


def test_every_phase_has_a_limit():
    assert all(Limits().of(phase) > 0 for phase in Phase)


def test_the_command_starts_this_program():
    done = subprocess.run(
        [*kiosk_command(["--version"])],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert "ad-monitor" in done.stdout
