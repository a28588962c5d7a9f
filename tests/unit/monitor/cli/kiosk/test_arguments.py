"""Arguments with passwords: hidden in the command line, whole in the child."""

import io
import json
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from monitor.cli.kiosk.arguments import with_passwords, without_passwords
from monitor.kiosk.supervision.supervisor import PASSWORDS_VARIABLE


def test_a_command_without_passwords_is_whole():
    assert without_passwords(["run", "--source", "demo"]) == (["run", "--source", "demo"], b"")
    assert with_passwords(["--source", "demo"], {}) == ["--source", "demo"]


def test_passwords_are_passed_in_the_input():
    shown, secret = without_passwords(["run", "--source", "rtsp://a:S3@h/x", "--db=http://a:S4@h"])
    assert shown == ["run", "--source", "rtsp://a:***@h/x", "--db=http://a:***@h"]
    assert json.loads(secret) == ["rtsp://a:S3@h/x", "--db=http://a:S4@h"]


@given(
    st.lists(
        st.text(max_size=8)
        | st.sampled_from(["rtsp://a:b@h", "rtsp://a:c@h", "--db=postgresql://h/d?password=x"])
    ),
    st.lists(st.text(max_size=8), max_size=2),
)
def test_the_child_has_every_argument(given_arguments, added):
    shown, secret = without_passwords(given_arguments)
    environ = {PASSWORDS_VARIABLE: "1"} if secret else {}
    stream = io.StringIO(secret.decode())
    assert with_passwords([*shown, *added], environ, stream) == [*given_arguments, *added]
    assert environ == {}


BECOMING = """
import sys
from monitor.cli.kiosk import arguments

READ = "import sys; from monitor.cli.kiosk.arguments import with_passwords as whole; "
READ += "print(sys.argv[1:], whole(sys.argv[1:]))"
arguments.kiosk_command = lambda command: [sys.executable, "-c", READ, *command]
arguments.become(sys.argv[1:])
"""


def test_a_process_that_becomes_another_passes_its_passwords_on():
    command = ["run", "--source", "rtsp://a:S3@h/x", "--db=http://a:S4@h"]
    shown, _ = without_passwords(command)
    for given_command, seen in ((command, shown), (["run"], ["run"])):
        done = subprocess.run(
            [sys.executable, "-c", BECOMING, *given_command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == f"{seen} {given_command}\n"
