from __future__ import annotations

import os

from monitor.kiosk.doctor import _log
from monitor.logs import default_log


def test_it_says_where_the_log_is_and_how_large():
    finding = _log()
    assert (finding.state, finding.found) == (
        "ok",
        f"{default_log()} will be made by the first run",
    )
    default_log().parent.mkdir(parents=True)
    default_log().write_bytes(1_500_000 * b"x")
    default_log().with_name("run.log.1").write_bytes(2_000_000 * b"x")
    finding = _log()
    assert (finding.state, finding.found) == ("ok", f"{default_log()}, 3.5 MB with its old files")


def test_a_log_that_cannot_be_written(monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    finding = _log()
    assert finding.state == "warn"
    assert "--log" in finding.advice
