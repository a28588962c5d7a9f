"""RTSP cameras that are killed, frozen and restarted while the kiosk runs."""

from __future__ import annotations

import signal
import statistics
import sys

import pytest

from tests.helpers import rtsp

from .test_camera_faults import LOST, STALLED, Observer

RESUMED_WITHIN_S = 5.0


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """The demo viewer for each payload."""
    from detector.sources.recording import Recording
    from detector.sources.video_source import DEMO_VIDEO

    if why_not := rtsp.why_not():
        pytest.skip(why_not)
    folder = tmp_path_factory.mktemp("films")
    pictures = []
    with Recording(DEMO_VIDEO) as viewer:
        while len(pictures) < 100 and (frame := viewer.read()) is not None:
            pictures.append(frame.image)
    return {
        "H.264": rtsp.write_h264(folder / "h264", pictures),
        "MJPEG": rtsp.write_jpegs(folder / "jpeg", pictures),
    }


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("payload", "transport", "user"),
    [
        ("H.264", "tcp", ""),
        ("H.264", "udp", ""),
        ("MJPEG", "tcp", ""),
        ("MJPEG", "udp", ""),
        ("H.264", "udp", "viewer:word"),
    ],
)
def test_readings_resume_within_five_seconds(
    program, make_playlist, films, record_property, payload, transport, user
):
    camera = rtsp.RtspCamera(films[payload], transport, user)
    camera.start()
    address = camera.address.replace("//", f"//{user}@") if user else camera.address
    try:
        process = program.start(
            *("run", "--headless", "--source", address),
            *("--playlist", str(make_playlist([1.0, 1.0]))),
        )
        see = Observer(program.database)
        see.seconds_until(see.readings, 60, "the first reading")

        def restart():
            camera.kill()
            camera.start()

        faults = [
            (LOST, camera.kill, camera.start, 2.0),
            (LOST, camera.kill, camera.start, 9.0),
            (LOST, restart, lambda: None, 0.0),
            *[
                (STALLED, lambda: camera.signal(signal.SIGSTOP), end, hold_s)
                for end in (lambda: camera.signal(signal.SIGCONT), restart)
                for hold_s in (3.0, 9.0)
            ],
        ]
        measured = [see.fault(cause, begin, end, hold_s) for cause, begin, end, hold_s in faults]
        process.send_signal(signal.SIGTERM)
        _, complaints = process.communicate(timeout=300)
    finally:
        camera.kill()
    assert process.returncode == 0, complaints
    assert "word" not in complaints
    resumed = [resumed_s for _, resumed_s in measured]
    figures = {
        "noticed_s": max(noticed_s for noticed_s, _ in measured),
        "resumed_s": (statistics.median(resumed), max(resumed)),
        "faults": len(measured),
    }
    record_property("figures", figures)
    sys.stdout.write(f"{payload} {transport}: {figures}\n")
    assert max(resumed) < RESUMED_WITHIN_S
