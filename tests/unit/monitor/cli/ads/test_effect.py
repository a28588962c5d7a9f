"""`ad-monitor simulate`, `lift` and `proof`, on a database of a simulated kiosk."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import pytest
from click.testing import CliRunner

from ads.policies import make_policy
from ads.policies.settings import PolicySettings
from ads.simulation.audience import default_audience
from ads.simulation.simulator import simulate
from db.engine import open_database
from db.write.records import AdRecord, PlayEnded, PlayRewarded, PlayStarted, SessionRecord
from db.write.session_writer import SessionWriter
from monitor.cli.main import cli

PLAYLIST = """
ads:
{ads}
"""


@pytest.fixture(scope="module")
def kiosk(tmp_path_factory):
    """A database in which the policy `learn` ran for a day before the built-in audience."""
    path = tmp_path_factory.mktemp("kiosk") / "kiosk.db"
    described = default_audience()
    log = simulate(
        make_policy("learn", PolicySettings(holdout=0.3)),
        [a.ad() for a in described.ads],
        described,
        1300,
        1,
    )
    engine = open_database(str(path))
    session = SessionRecord(
        "run", "Foyer", "0", log[0].local, "1", {"policy": "learn", "headless": False}
    )
    with SessionWriter(engine, session, full_wait_s=60.0) as writer:
        for liked in described.ads:
            writer.submit(
                AdRecord(liked.id, liked.id.title(), liked.id, "ab" * 32, "image", 30_000)
            )
        for number, play in enumerate(log):
            writer.submit(
                PlayStarted(
                    number,
                    play.ad_id,
                    play.local,
                    "",
                    play.probability,
                    play.held_out,
                    play.context,
                )
            )
            writer.submit(
                PlayEnded(number, play.local + timedelta(seconds=30), "finished", 30_000.0)
            )
            if play.reward is not None:
                writer.submit(PlayRewarded(number, play.reward, play.viewer_s))
        writer.close(timeout=60.0)
    engine.dispose()
    return path


@pytest.fixture(scope="module")
def playlist(tmp_path_factory):
    """The ads of the built-in audience as a playlist, with a price for one of them."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("ads")
    entries = []
    for liked in default_audience().ads:
        Image.new("RGB", (32, 18)).save(folder / f"{liked.id}.png")
        moods = f", moods: [{', '.join(liked.moods)}]" if liked.moods else ""
        price = ", price_per_thousand_s: 20" if liked.id == "joke" else ""
        entries.append(f"  - {{file: {liked.id}.png, duration_s: 30{moods}{price}}}")
    path = folder / "ads.yaml"
    path.write_text(PLAYLIST.format(ads="\n".join(entries)), encoding="utf-8")
    return path


def run(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def run_json(*arguments):
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_simulate_prints_regret_and_draws_it(tmp_path):
    out = tmp_path / "curves.html"
    result = run("simulate", "--plays", 150, "--runs", 2, "--policy", "mood", "-o", out)
    assert result.exit_code == 0, result.output
    assert "2 runs of 150 plays" in result.stdout
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == [
        "policy",
        "mood",
        "shuffle",
    ]
    assert "100%" in result.stdout
    assert f"Curves: {out}" in result.stderr
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_simulate_json(tmp_path):
    people = tmp_path / "people.yaml"
    people.write_text(
        'parts: [{hours: "00:00-24:00", moods: {happy: 1, sad: 1}, groups: {one: 1}}]\n'
        "ads:\n  - {id: a, taste: {happy: 0.5, other: 0}, moods: [happy]}\n"
        "  - {id: b, taste: {sad: 0.5, other: 0}, moods: [sad]}\n",
        encoding="utf-8",
    )
    document = run_json(
        "simulate", people, "--policy", "mood", "--plays", 100, "--runs", 3, "--holdout", 0.2
    )
    assert (document["plays"], document["runs"], document["against"]) == (100, 3, "shuffle")
    mood, shuffle = document["policies"]
    assert mood["held_out"] == {"plays": 60, "of": 300}
    assert mood["plays_with_viewers"] == 300
    assert 0 < mood["regret"]["low"] <= mood["regret"]["mean"] <= mood["regret"]["high"]
    assert mood["ratio"] == pytest.approx(mood["regret"]["mean"] / shuffle["regret"]["mean"])
    assert mood["ratio"] < 0.6
    assert [point["play"] for point in mood["curve"]] == list(range(1, 101))
    assert mood["curve"][-1]["mean"] == mood["regret"]["mean"]
    assert mood["least_probability"] == pytest.approx(0.025)
    assert (shuffle["ratio"], shuffle["held_out"], shuffle["least_probability"]) == (
        1.0,
        {"plays": 0, "of": 0},
        None,
    )
    assert (
        run_json(
            "simulate", people, "--policy", "mood", "--plays", 100, "--runs", 3, "--holdout", 0.2
        )
        == document
    )
    alone = run_json("simulate", people, "--policy", "shuffle", "--plays", 1, "--runs", 1)
    assert [entry["policy"] for entry in alone["policies"]] == ["shuffle"]


def test_simulate_a_playlist(playlist, tmp_path):
    document = run_json(
        "simulate", "--playlist", playlist, "--policy", "weighted", "--plays", 60, "--runs", 2
    )
    assert document["policies"][0]["regret"]["mean"] > 0
    people = tmp_path / "people.yaml"
    people.write_text(
        'parts: [{hours: "00:00-24:00", moods: {sad: 1}, groups: {one: 1}}]\nads: [{id: joke, taste: {other: 0}}]\n',
        encoding="utf-8",
    )
    result = run("simulate", people, "--playlist", playlist, "--plays", 5)
    assert "lacks a taste for comfort, offer, calm, brand" in str(result.exception)


def test_lift(kiosk):
    result = run("lift", "--db", kiosk)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Adapting to the audience pays: +0.0")
    document = run_json("lift", "--db", kiosk)
    assert document["lift"]["difference"]["low"] > 0
    assert document["lift"]["withheld"] is None
    assert document["policies"] == []
    assert document["lift"]["other_reward_plays"] == 0
    assert document["log"]["plays"] == 1300
    assert document["log"]["p_value"] > 0.001
    assert sum(ad["shown"] for ad in document["log"]["ads"]) == 1300
    later = run_json("lift", "--db", kiosk, "--since", "2026-03-05")["lift"]
    assert later["withheld"].startswith("Withheld: no play was chosen by an adaptive policy")
    assert run_json("lift", "--db", kiosk, "--site", "elsewhere")["lift"]["adaptive_plays"] == 0


def test_lift_judges_other_policies(kiosk, playlist):
    names = ("uniform", "weighted", "mood", "learned", "always:joke")
    options = [part for name in names for part in ("--policy-to-judge", name)]
    policies = run_json("lift", "--db", kiosk, "--playlist", playlist, *options)["policies"]
    assert [entry["policy"] for entry in policies] == ["as it ran", *names]
    worth = {entry["policy"]: entry["doubly_robust"] for entry in policies}
    assert worth["uniform"]["value"] == pytest.approx(worth["weighted"]["value"])
    assert worth["uniform"]["low"] < 0.347 < worth["uniform"]["high"]
    assert worth["uniform"]["high"] < worth["learned"]["low"]
    assert worth["mood"]["value"] > worth["as it ran"]["value"] > worth["uniform"]["value"]
    table = run("lift", "--db", kiosk, *options[:2], *options[-2:]).stdout
    assert [line.split("  ")[0] for line in table.splitlines()[-3:]] == [
        "as it ran",
        "uniform",
        "always:joke",
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["--policy-to-judge", "best"],
            "expected uniform, weighted, mood, learned or always:AD, received 'best'",
        ),
        (
            ["--policy-to-judge", "always:tea"],
            "names no ad 'tea'; expected one of brand, calm, comfort, joke, offer",
        ),
        (
            ["--policy-to-judge", "mood"],
            "To judge the policy mood, name the playlist with --playlist",
        ),
        (["--since", "yesterday"], "expected a date such as 2026-03-01 or"),
    ],
)
def test_lift_wrongly_asked(kiosk, options, words):
    result = run("lift", "--db", kiosk, *options)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())


def test_a_playlist_that_is_not_there_is_told_of_at_once(kiosk):
    result = run("lift", "--db", kiosk, "--playlist", "none.yaml")
    assert "There is no playlist at" in str(result.exception)


def test_a_playlist_of_other_ads_cannot_be_judged(kiosk, tmp_path, playlist):
    other = tmp_path / "other.yaml"
    lines = playlist.read_text(encoding="utf-8").splitlines()
    other.write_text("\n".join(line for line in lines if "joke" not in line), encoding="utf-8")
    for liked in default_audience().ads:
        (tmp_path / f"{liked.id}.png").write_bytes(
            (playlist.parent / f"{liked.id}.png").read_bytes()
        )
    result = run("lift", "--db", kiosk, "--playlist", other, "--policy-to-judge", "weighted")
    assert result.exit_code == 2
    assert "The playlist lacks joke, which the log names" in result.stderr


def test_proof(kiosk, playlist, tmp_path):
    out = tmp_path / "march.csv"
    options = ("proof", "--db", kiosk, "--timezone", "UTC")
    document = run_json(
        *options, "--by", "ad, day", "--playlist", playlist, "--price", "0.1", "--csv", out
    )
    rows = {row["ad_id"]: row for row in document["rows"]}
    assert document["by"] == ["ad", "day"]
    assert sum(row["verified"] for row in rows.values()) == document["total"]["verified"] == 1300
    assert rows["calm"]["cost"] == pytest.approx(0.1 * rows["calm"]["verified"])
    # Nobody was seen, so what is paid for attention costs nothing.
    assert (rows["joke"]["watchers"], rows["joke"]["cost"]) == (0, 0.0)
    text = out.read_text(encoding="utf-8-sig")
    assert [row["ad_id"] for row in csv.DictReader(io.StringIO(text))] == list(rows)
    printed = run(*options, "--by", "site", "--csv", "-")
    assert printed.stdout.splitlines()[1].startswith(
        "Foyer,1300,1300,0,0,0,0,39000.0,39000.0,0,0,0.0,,"
    )
    table = run(*options, "--by", "site").stdout
    assert table.splitlines()[-1].split() == [
        "total",
        "1,300",
        "1,300",
        "0",
        "0",
        "0",
        "0",
        "0",
        "0",
        "0.0",
    ]
    some = run_json(
        *options, "--since", "2026-03-02 08:00", "--until", "2026-03-02 09:00", "--by", "hour"
    )
    assert [row["hour"] for row in some["rows"]] == ["2026-03-02 08:00"]
    assert some["total"]["plays"] == 120


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["--by", "ad,minute"],
            "expected some of ad, hour, day, site, each once, received 'ad,minute'",
        ),
        (["--by", ""], "expected some of ad, hour, day, site"),
        (
            ["--price", "joke=cheap"],
            "expected AD=AMOUNT or AMOUNT, with an amount of at least 0, received 'joke=cheap'",
        ),
        (["--price", "-1"], "received '-1'"),
        (
            ["--timezone", "Mars/Base"],
            "expected the name of a time zone such as Europe/Berlin, received 'Mars/Base'",
        ),
    ],
)
def test_proof_wrongly_asked(kiosk, options, words):
    result = run("proof", "--db", kiosk, *options)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())


def test_a_report_with_a_price_agrees_with_the_proof(kiosk):
    proof = run_json("proof", "--db", kiosk, "--by", "ad", "--price", "0.1", "--price", "joke=2")
    report = run_json(
        *("report", "--all", "--db", kiosk, "--price", "0.1", "--price", "joke=2"),
        *("--timezone", "Europe/Berlin"),
    )
    costs = {ad["ad_id"]: (ad["cost"], ad["cost_per_1000_attentive_s"]) for ad in report["ads"]}
    assert costs == {
        row["ad_id"]: (pytest.approx(row["cost"]), row["cost_per_thousand_attentive_s"])
        for row in proof["rows"]
    }
    assert report["report"]["timezone"] == "Europe/Berlin"
    assert sum(hour["plays"] for hour in report["multipliers"]) == 1300


@pytest.mark.parametrize("command", ["simulate", "lift", "proof"])
def test_help_has_an_example(command):
    assert f"Example: ad-monitor {command} " in run(command, "--help").stdout
