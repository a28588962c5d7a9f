"""`report`, as typed."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from monitor.cli.main import cli


@pytest.mark.parametrize(
    "typed",
    [
        ("-o", "reactions.htm"),
        ("-o", "reactions"),
        ("-o", "reactions.html", "--format", "pdf"),
        ("-o", "reactions.html", "--json"),
    ],
)
def test_a_file_is_what_its_name_says(typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused = CliRunner().invoke(cli, ["report", "--db", "none.db", *typed])
    assert refused.exit_code == 2
    assert "expected a file that ends in ." in refused.output
    assert not list(tmp_path.iterdir())
