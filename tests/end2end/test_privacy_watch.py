"""The real program under the eyes of the kernel: which files it writes, what it writes into them,
and whom it talks to.

A recording with a real face carries a watermark, rows of random pixels beside the face that stand
still for the whole film. `strace` shows every file that any process of the program opens for
writing, every byte that is written or sent, all shared memory and all connections. The watermark is
looked for in all of it: as blue-green-red, red-green-blue and grey pixels, in full size and as the
preview, in the clear and in base64, and so are the beginnings of JPEG and PNG files.

What this cannot see: pixels that were cropped to the face, compressed without such a beginning, or
changed in brightness. So it also looks at what is kept: no value in the database is binary, and no
text in it is longer than a sentence.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

STRACE = shutil.which("strace")
WIDTH, HEIGHT, BAND = 640, 480, 64
SHOWN_BYTES = 1 << 16
"""So much of each write is looked at: more than a page of the database or a line of the log has,
and the first rows of a
picture."""

WRITES = "write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,sendmmsg"
OTHERS = (
    "open,openat,openat2,creat,connect,memfd_create,memfd_secret,mmap,shmget,io_uring_setup,sendfile,copy_file_range,"
    "splice,vmsplice,tee,process_vm_writev"
)
KNOWN_FILES = {
    "database": r"monitor\.db(-wal|-shm|-journal|\.lock)?",
    "locks of sessions": r"monitor\.db[^/]*lock[^/]*",
    "readings that wait for the database": r"monitor\.db-\w+\.spool(-journal)?",
    "log": r".*/ad-monitor/log/(run|supervisor)\.log(\.\d+)?",
    "report": r"(report|\.report\.(html|json)\.[0-9a-f]+)\.(html|json|part)",
    "settings": r".*/ad-monitor/camera\.(json|part)",
    "what is known of media": r".*/ad-monitor/(media-checks|media-digests|scenes)\.json(\.part)?",
    "caches of libraries": r".*/(fontconfig|matplotlib|mesa_shader_cache|qtpipelinecache-[^/]*)/.*",
    "devices": r"/dev/(null|tty|pts/\d+)|/dev/video\d+",
    "the process's own switches": r"/proc/(self|\d+)/(coredump_filter|task/\d+/comm|comm|oom_score_adj)",
}


@dataclass(frozen=True)
class Call:
    """One call of the kernel.

    Attributes:
        name: Of the call.
        text: Its arguments as `strace` shows them.
        content: The bytes that it hands over.
    """

    name: str
    text: str
    content: bytes

    @property
    def target(self) -> str:
        """What its first file descriptor is: a path, or something like `pipe:[1]`."""
        found = re.match(r"-?\d+<((?:[^<>]|<[^<>]*>)*)>", self.text)
        return found[1] if found else ""


class Watched:
    """Runs the program under watch, in a home of its own.

    Attributes:
        folder: Where it worked; holds the database and the report.
        calls: What all of its processes asked of the kernel.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self._environment = environment | {"PYTHONDONTWRITEBYTECODE": "1"}
        self.calls: list[Call] = []

    def run(self, *arguments: str) -> None:
        """Run a command of the program to its end."""
        self.run_python("-m", "monitor", *arguments)

    def run_python(self, *arguments: str) -> None:
        """Run Python to its end."""
        traces = self.folder.parent / f"{self.folder.name}-traces"
        traces.mkdir()
        assert STRACE is not None
        command = [
            STRACE,
            "-ff",
            "--seccomp-bpf",
            "-yy",
            "-xx",
            "-s",
            str(SHOWN_BYTES),
            "-o",
            str(traces / "trace"),
        ]
        command += [
            "-e",
            f"trace={WRITES},{OTHERS}",
            "-e",
            "signal=none",
            sys.executable,
            *arguments,
        ]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=self._environment,
            cwd=self.folder,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        for trace in traces.iterdir():
            with trace.open(encoding="latin-1") as lines:
                self.calls += [call for line in lines if (call := _parsed(line)) is not None]

    def written(self) -> Iterator[tuple[str, bytes]]:
        """Everything that left the memory of a process, by where it went; pipes between our
        processes too.
        """
        for call in self.calls:
            if call.name in WRITES.split(","):
                yield call.target, call.content

    def opened_for_writing(self) -> set[str]:
        """Paths, also of files that were deleted again."""
        found = set()
        for call in self.calls:
            if call.name in {"open", "openat", "openat2", "creat"} and not re.search(
                r"= -1 E\w+", call.text
            ):
                if call.name != "creat" and not re.search(
                    r"O_(WRONLY|RDWR|CREAT|TMPFILE)", call.text
                ):
                    continue
                path = call.content.decode()
                folder = re.match(r"AT_FDCWD<([^>]*)>|\d+<([^>]*)>", call.text)
                if not path.startswith("/") and folder is not None:
                    path = f"{folder[1] or folder[2]}/{path}"
                found.add(path.removeprefix(f"{self.folder}/"))
        return found


def _parsed(line: str) -> Call | None:
    found = re.match(r"(\w+)\((.*)", line)
    if found is None:
        return None
    strings = re.findall(r'"((?:\\x[0-9a-f]{2})*)"', found[2])
    content = b"".join(bytes.fromhex(text.replace("\\x", "")) for text in strings)
    text = re.sub(r'"(\\x[0-9a-f]{2})*"(\.\.\.)?', '""', found[2])
    # The names of open files are in hexadecimal digits too.
    return Call(
        found[1], re.sub(r"\\x([0-9a-f]{2})", lambda digits: chr(int(digits[1], 16)), text), content
    )


@pytest.fixture
def watched(program) -> Watched:
    if STRACE is None:
        pytest.skip("needs strace: install the package of that name")
    tried = subprocess.run(
        [STRACE, "-f", "--seccomp-bpf", "-o", "/dev/null", "true"], capture_output=True, check=False
    )
    if tried.returncode:
        pytest.skip(f"strace may not watch processes here: {tried.stderr.decode().strip()}")
    folder = program.folder / "work"
    folder.mkdir()
    return Watched(folder, program.environment | {"AD_MONITOR_DB": str(folder / "monitor.db")})


@pytest.fixture(scope="session")
def watermark() -> NDArray[np.uint8]:
    """Random pixels, blue-green-red, `(BAND, WIDTH, 3)`."""
    return np.random.default_rng(11).integers(0, 256, (BAND, WIDTH, 3), dtype=np.uint8)


def film(path: Path, demo_video: Path, watermark: NDArray[np.uint8], seconds: float) -> Path:
    """The demo viewer below the watermark, without loss, so that every frame of it has the
    watermark's very pixels.
    """
    with av.open(str(demo_video)) as source, av.open(str(path), "w") as made:
        stream = made.add_stream("libx264rgb", rate=25, options={"qp": "0", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "rgb24"
        for number, frame in enumerate(source.decode(video=0)):
            if number >= 25 * seconds:
                break
            picture = cv2.resize(frame.to_ndarray(format="bgr24"), (WIDTH, HEIGHT))
            picture[:BAND] = watermark
            made.mux(
                stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24").reformat(format="rgb24"))
            )
        made.mux(stream.encode(None))
    return path


def marks(watermark: NDArray[np.uint8]) -> dict[str, list[bytes]]:
    """Runs of the watermark's pixels in the forms in which a picture could be written."""
    # As the sensor reduces a picture for the window; every other row, whose neighbours do not
    # matter.
    half = cv2.resize(watermark, (480, BAND * 480 // WIDTH), interpolation=cv2.INTER_LINEAR)
    quarter = cv2.resize(watermark, (WIDTH // 2, BAND // 2), interpolation=cv2.INTER_AREA)
    forms = {}
    for size, picture in (("full", watermark), ("preview", half), ("half", quarter)):
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        pixels = {"bgr": picture, "rgb": picture[..., ::-1], "grey": grey}
        pixels |= {"blue": picture[..., 0], "green": picture[..., 1], "red": picture[..., 2]}
        for name, values in pixels.items():
            rows = [values[row, 100:].tobytes()[:24] for row in range(2, len(values) - 2, 3)]
            forms[f"{size} {name}"] = rows
            forms[f"{size} {name} in base64"] = [
                base64.b64encode(row[shift:])[4:24] for row in rows for shift in range(3)
            ]
    return forms


def found_in(content: bytes, forms: dict[str, list[bytes]]) -> set[str]:
    """The forms in which the watermark is in some bytes."""
    return {name for name, runs in forms.items() if any(run in content for run in runs)}


def assert_nothing_leaves(watched: Watched, forms: dict[str, list[bytes]]) -> None:
    kinds = re.compile("|".join(KNOWN_FILES.values()))
    unknown = {path for path in watched.opened_for_writing() if not kinds.fullmatch(path)}
    assert not unknown, f"files of no known kind were written: {sorted(unknown)}"
    names = {call.name for call in watched.calls}
    assert not names & {
        "memfd_create",
        "memfd_secret",
        "shmget",
        "io_uring_setup",
        "process_vm_writev",
        "sendfile",
    }
    # Shared memory that another process could open has a name; what the database shares with itself
    # is known.
    shared = {
        re.sub(r".*\d+<([^>]*)>.*", r"\1", call.text)
        for call in watched.calls
        if call.name == "mmap"
        and "MAP_SHARED" in call.text
        and "PROT_WRITE" in call.text
        and "MAP_ANON" not in call.text
    }
    assert {Path(path).name for path in shared} <= {"monitor.db-shm"}
    asked = [call.text for call in watched.calls if call.name == "connect"]
    assert not [text for text in asked if "AF_INET" in text], (
        "a connection to the network was opened"
    )
    for where, content in watched.written():
        if where.startswith("pipe:"):
            continue  # from memory to memory, without a name that anybody else could open
        assert not found_in(content, forms), f"the watermark was written to {where}"
        assert not content.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n", b"RIFF")), (
            f"a picture was written to {where}"
        )
    for path in watched.folder.rglob("*"):
        if path.is_file() and path.suffix not in {".mkv", ".png"}:
            assert not found_in(path.read_bytes(), forms), f"the watermark is in {path}"


def assert_only_numbers_are_kept(database: Path) -> None:
    connection = sqlite3.connect(database)
    tables = [
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    ]
    assert "readings" in tables
    [(readings,)] = connection.execute("SELECT count(*) FROM readings").fetchall()
    assert readings > 5, "nobody was measured, so nothing is proven"
    for table in tables:
        for _, column, *_ in connection.execute(f"PRAGMA table_info({table})").fetchall():
            kinds = f"SELECT count(*) FROM {table} WHERE typeof({column}) = 'blob'"
            assert connection.execute(kinds).fetchone() == (0,), (
                f"{table}.{column} holds binary values"
            )
            if table in {"readings", "viewers", "gaps"}:
                longest = (
                    f"SELECT max(length({column})) FROM {table} WHERE typeof({column}) = 'text'"
                )
                assert (connection.execute(longest).fetchone()[0] or 0) <= 200, (
                    f"{table}.{column} holds long texts"
                )
    connection.close()


def pipes_with(watched: Watched, forms: dict[str, list[bytes]]) -> set[str]:
    """The forms in which the watermark went through pipes."""
    return set().union(
        *(
            found_in(content, forms)
            for where, content in watched.written()
            if where.startswith("pipe:")
        )
    )


def test_the_watch_sees_what_is_written(watched, demo_video, watermark, tmp_path):
    # Without this, a search that cannot find anything would pass for a proof.
    video = film(tmp_path / "seen.mkv", demo_video, watermark, 0.3)
    capture = cv2.VideoCapture(str(video))
    picture = capture.read()[1]
    capture.release()
    assert np.array_equal(picture[:BAND], watermark)
    forms = marks(watermark)
    small = cv2.resize(picture, (480, 360), interpolation=cv2.INTER_LINEAR)
    assert found_in(picture.tobytes(), forms) == {"full bgr"}
    assert found_in(picture[..., ::-1].tobytes(), forms) == {"full rgb"}
    assert found_in(small[..., ::-1].tobytes(), forms) == {"preview rgb"}
    assert "full bgr in base64" in found_in(base64.b64encode(b"x" + picture.tobytes()), forms)
    assert not found_in(np.random.default_rng(12).bytes(1 << 20), forms)
    call = _parsed('pwrite64(7</x/monitor.db-wal>, "\\x61\\x62"..., 4096, 0) = 4096')
    assert call == Call("pwrite64", '7</x/monitor.db-wal>, "", 4096, 0) = 4096', b"ab")
    assert call.target == "/x/monitor.db-wal"


LEAKS = {
    "a file that is deleted again": "open('monitor.db-wal', 'wb').write(pixels); os.unlink('monitor.db-wal')",
    "another file": "open('face.bin', 'wb').write(b'x')",
    "a file in base64": "open('report.html', 'wb').write(base64.b64encode(pixels))",
    "a picture's file": "open('report.json', 'wb').write(b'\\x89PNG\\r\\n' + b'x' * 50)",
    "a socket": "a, b = socket.socketpair(); a.sendall(pixels)",
    "the network": "socket.socket().connect_ex(('127.0.0.1', 9))",
    "memory with a name": "os.memfd_create('frames')",
    "shared memory": "f = open('monitor.db', 'w+b'); f.truncate(4096); mmap.mmap(f.fileno(), 4096)",
    "System V shared memory": "ctypes.CDLL(None).shmget(0, 4096, 0o1600)",
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_would_be_seen(watched, watermark, tmp_path, leak):
    (tmp_path / "pixels").write_bytes(watermark.tobytes()[:9000])
    begin = f"import base64, ctypes, mmap, os, socket; pixels = open({str(tmp_path / 'pixels')!r}, 'rb').read(); "
    watched.run_python("-c", begin + LEAKS[leak])
    with pytest.raises(AssertionError):
        assert_nothing_leaves(watched, marks(watermark))


def test_a_replay_writes_nothing_of_a_face(watched, demo_video, watermark, tmp_path):
    video = film(tmp_path / "viewer.mkv", demo_video, watermark, 1.2)
    watched.run("replay", str(video), "--report", "report.json")
    assert_nothing_leaves(watched, marks(watermark))
    assert_only_numbers_are_kept(watched.folder / "monitor.db")
    assert json.loads((watched.folder / "report.json").read_text())["session"]["viewers"] == 1


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", ["window", "headless", "supervised"])
def test_the_kiosk_writes_nothing_of_a_face(
    watched, make_playlist, demo_video, watermark, tmp_path, mode
):
    # It ends with the recording, however long the sensor takes before that: a supervised kiosk does
    # not wait for it.
    video = film(tmp_path / "viewer.mkv", demo_video, watermark, 18)
    playlist = make_playlist([3.0, 3.0])
    arguments = [
        "--source",
        str(video),
        "--playlist",
        str(playlist),
        "--report",
        "report.html",
        # A machine that is watched and busy makes no kiosk hang.
        "--stuck-after",
        "300",
    ]
    watched.run("run", *arguments, *([] if mode == "window" else [f"--{mode}"]))
    forms = marks(watermark)
    assert_nothing_leaves(watched, forms)
    assert_only_numbers_are_kept(watched.folder / "monitor.db")
    # The window's preview goes through the pipe between its two processes: the watch does see
    # pictures where there are some.
    assert pipes_with(watched, forms) == (set() if mode == "headless" else {"preview rgb"})
    page = (watched.folder / "report.html").read_text()
    for kind, text in re.findall(r"data:image/(jpeg|png|webp);base64,([A-Za-z0-9+/=]+)", page):
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR)
        assert picture.reshape(-1, 3).std(axis=0).max() < 3, (
            f"a {kind} in the report shows more than the ads' one colour"
        )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_kiosk_with_its_demo_viewer_asks_nobody(watched, make_playlist, watermark):
    watched.run("run", "--source", "demo", "--playlist", str(make_playlist([3.0])), "--loops", "1")
    assert_nothing_leaves(watched, marks(watermark))
    assert_only_numbers_are_kept(watched.folder / "monitor.db")


@pytest.mark.slow
def test_a_crash_leaves_no_picture_of_the_memory(program, wait_for):
    process = program.start("run", "--headless", "--source", "demo", "--duration", "60")
    wait_for(lambda: program.rows("SELECT 1 FROM readings LIMIT 1"), what="a reading")
    processes = [process.pid]
    for pid in processes:  # grows while it is walked through
        tasks = Path(f"/proc/{pid}/task").glob("*/children")
        processes += [int(number) for task in tasks for number in task.read_text().split()]
    assert len(processes) >= 2
    for pid in processes:
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"^Max core file size\s+0\s+0\s", limits, re.MULTILINE), limits
        assert int(Path(f"/proc/{pid}/coredump_filter").read_text(), 16) == 0
    # Between the two there are pipes without a name, and nothing in shared memory.
    for pid in processes:
        maps = Path(f"/proc/{pid}/maps").read_text()
        assert "/shm/" not in maps
        assert "memfd:" not in maps
