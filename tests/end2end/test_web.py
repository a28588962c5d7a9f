"""`ad-monitor serve` as a process, used over the network like by anybody else."""

from __future__ import annotations

import json
import re
import signal
import socket

import pytest

from .serving import photo, serve

__all__ = ["photo", "serve"]

TOKEN = "a-token-of-enough-length"  # noqa: S105 (for this test only)


@pytest.mark.timeout(300)
def test_pictures_sessions_and_a_clean_end(program, serve, photo):
    served = serve("--min-viewers", "1")
    assert f"There is no database {program.database} yet" in served.text
    status, found = served.ask("POST", "/api/v1/classify", photo, {"Content-Type": "image/jpeg"})
    (image,) = json.loads(found)["images"]
    assert (status, image["image"], len(image["faces"])) == (200, "picture", 1)
    picture = program.folder / "picture.jpg"
    picture.write_bytes(photo)
    assert image["faces"] == program.json("classify", str(picture))["images"][0]["faces"]

    from detector.sources.video_source import DEMO_VIDEO

    program.run("replay", str(DEMO_VIDEO), "--site", "Foyer", "--duration", "1")
    sessions = json.loads(served.ask("GET", "/api/v1/sessions")[1])["sessions"]
    assert sessions == program.json("sessions")["sessions"]
    report = json.loads(served.ask("GET", "/api/v1/sessions/1/report")[1])
    assert report["session"] == program.json("report", "1")["session"]
    status, page = served.ask("GET", "/sessions/1")
    assert (status, b"Foyer" in page) == (200, True)

    assert served.end() == 0
    assert served.text.endswith("Stopped.\n")
    assert "Traceback" not in served.text


def test_beyond_this_machine_a_token_is_made(serve):
    served = serve("--host", "0.0.0.0")  # noqa: S104 (that is the point)
    token = re.search(r"/login#token=(\S+)", served.text)[1]
    assert len(token) >= 24
    status, answer = served.ask("GET", "/api/v1/health")
    assert (status, json.loads(answer)["code"]) == (401, "login_needed")
    assert (
        served.ask("GET", "/api/v1/health", headers={"Authorization": f"Bearer {token}"})[0] == 200
    )
    assert served.ask("GET", "/", headers={"Accept": "text/html"})[0] == 303
    assert served.ask("GET", "/", headers={"Host": "evil.example"})[0] == 421
    assert served.end(signal.SIGINT) == 0


@pytest.mark.slow
def test_the_token_can_come_from_the_environment(program, serve):
    program.environment["AD_MONITOR_TOKEN"] = TOKEN
    served = serve()
    assert served.ask("GET", "/api/v1/health")[0] == 401
    known = {"Authorization": f"Bearer {TOKEN}"}
    assert served.ask("GET", "/api/v1/health", headers=known)[0] == 200


@pytest.mark.slow
def test_what_cannot_be_served_is_said_in_one_sentence(program):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"Port {port} of 127.0.0.1 is taken" in program.complaint(
            "serve", "--port", str(port), status=2
        )
    assert "expected at least 16" in program.complaint("serve", "--token", "short", status=2)
    assert "expected a network such as" in program.complaint(
        "serve", "--allow-network", "my-lan", status=2
    )
    assert "There is no model 'nothing'" in program.complaint(
        "serve", "--model", "nothing", status=2
    )
    program.database.write_text("no database")
    assert "is not an SQLite database" in program.run("serve", status=2).stderr
