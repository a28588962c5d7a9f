"""The smaller tables: models, training, faces, checks, policies, proof of play."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rich.markdown import Markdown
from rich.markup import escape
from rich.table import Table

from monitor.reports.terminal.console import wide_console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.analytics.lift import Lift
    from monitor.analytics.logged_plays import Interval
    from monitor.analytics.off_policy import PolicyValue
    from monitor.kiosk.doctor import Finding
    from training.evaluation.comparison import Comparison

STATE_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}
STATE_MARKS = {"ok": "✓", "warn": "!", "fail": "✗"}


def print_faces(images: Sequence[dict[str, Any]]) -> None:
    """A table of the faces of each picture, with a bar of the confidence."""
    console = wide_console()
    for image in images:
        found = (
            f"not read: {image['error']}" if "error" in image else f"{len(image['faces'])} face(s)"
        )
        console.print(f"[bold]{escape(image['image'])}[/bold]: {escape(found)}", highlight=False)
        table = Table(box=None, show_header=False, pad_edge=True)
        for face in image["faces"]:
            bar = "█" * round(20 * face["confidence"])
            doubt = "uncertain" if face["uncertain"] else ""
            x, y, width, height = face["box"]
            table.add_row(
                face["label"],
                f"{face['confidence']:.0%}",
                bar,
                f"{width}×{height} at {x},{y}",
                doubt,
            )
        if image["faces"]:
            console.print(table)


def print_bench(figures: dict[str, Any]) -> None:
    """The figures of a benchmark, with a bar for each stage."""
    console = wide_console()
    console.print(
        f"[bold]{figures['fps']:.1f} frames per second[/bold], decoding left out "
        f"({figures['frames']} frames, {figures['faces_per_frame']:.2f} faces a frame, {figures['runtime']})",
        highlight=False,
    )
    table = Table(box=None, show_header=False)
    longest = max(figures["stages_ms"].values())
    for stage, spent in figures["stages_ms"].items():
        table.add_row(stage, f"{spent:.2f} ms", "█" * round(30 * spent / longest))
    console.print(table)
    latency = figures["latency_ms"]
    console.print(
        f"latency p50 {latency['p50']:.1f} ms, p95 {latency['p95']:.1f} ms; CPU {figures['cpu_ms_per_frame']:.1f} ms a "
        f"frame; memory {figures['peak_rss_mb']:.0f} MB; start {figures['startup_s']:.1f} s",
        highlight=False,
    )


def print_evaluation(figures: dict[str, Any]) -> None:
    """Scores of a model, by class."""
    console = wide_console()
    console.print(
        f"[bold]accuracy {figures['accuracy']:.2%}[/bold], macro F1 {figures['macro_f1']:.3f}, ECE {figures['ece']:.3f} "
        f"on {figures['n']} faces against the {figures['against']} labels",
        highlight=False,
    )
    table = Table(box=None, header_style="bold")
    for column in ("emotion", "precision", "recall", "F1", "faces"):
        table.add_column(column, justify="left" if column == "emotion" else "right")
    for emotion, scores in figures["per_class"].items():
        shown = (f"{scores[key]:.3f}" for key in ("precision", "recall", "f1"))
        table.add_row(emotion, *shown, str(scores["support"]))
    console.print(table)


def print_conditions(conditions: dict[str, list[dict[str, Any]]]) -> None:
    """Accuracy under one disturbance after another."""
    table = Table(box=None, header_style="bold")
    table.add_column("condition")
    table.add_column("accuracy")
    for name, rows in conditions.items():
        table.add_row(name, ", ".join(f"{row['value']}: {row['accuracy']:.1%}" for row in rows))
    wide_console().print(table)


def print_models(models: Sequence[dict[str, Any]]) -> None:
    """A table of models; the one in use is marked."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("", "model", "origin", "MB", "labels", "accuracy"):
        table.add_column(column, justify="right" if column == "MB" else "left")
    for model in models:
        best = next(iter(model["scores"].items()), None)
        table.add_row(
            "→" if model["in_use"] else "",
            escape(model["name"]),
            model["origin"],
            f"{model['size_mb']:.1f}",
            str(len(model["labels"])) if len(model["labels"]) > 4 else ", ".join(model["labels"]),
            f"{best[1]:.1%} ({best[0]})" if best else "",
        )
    wide_console().print(table)


def print_markdown(text: str) -> None:
    """A page of Markdown, laid out for the terminal."""
    wide_console().print(Markdown(text))


def print_comparison(found: Comparison) -> None:
    """Two models on the same faces, and how sure the difference is."""
    console = wide_console()
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("", "accuracy", "macro F1", "ECE"):
        table.add_column(column, justify="left" if column == "" else "right")
    for scores in (found.first, found.second):
        table.add_row(
            escape(scores.model),
            f"{scores.accuracy:.2%}",
            f"{scores.macro_f1:.3f}",
            f"{scores.ece:.3f}",
        )
    console.print(table)
    console.print(escape(found.sentence()), highlight=False)


def print_findings(findings: Sequence[Finding]) -> None:
    """What the doctor found, one line a check, and what to do."""
    console = wide_console()
    for finding in findings:
        mark = STATE_MARKS[finding.state]
        console.print(
            f"[{STATE_STYLES[finding.state]}]{mark}[/] {finding.name:<10} {escape(finding.found)}",
            highlight=False,
        )
        if finding.advice:
            console.print(f"  {'':<10} → {escape(finding.advice)}", highlight=False)


def print_regret(document: dict[str, Any]) -> None:
    """The regret of simulated policies, and how their guard rails were kept."""
    console = wide_console()
    console.print(
        f"{document['runs']} runs of {document['plays']} plays; regret: mean reward lost to the best choices, lowest and "
        "highest run",
        highlight=False,
    )
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("policy")
    for column in (
        "regret",
        "range",
        f"to {document['against']}",
        "mean reward",
        "held out",
        "least probability",
    ):
        table.add_column(column, justify="right")
    for found in document["policies"]:
        regret, held = found["regret"], found["held_out"]
        table.add_row(
            found["policy"],
            f"{regret['mean']:.1f}",
            f"{regret['low']:.1f} to {regret['high']:.1f}",
            "–" if found["ratio"] is None else f"{found['ratio']:.0%}",
            "–" if found["mean_reward"] is None else f"{found['mean_reward']:+.3f}",
            f"{held['plays']} of {held['of']}" if held["of"] else "–",
            "–" if found["least_probability"] is None else f"{found['least_probability']:.3f}",
        )
    console.print(table)


def print_lift(found: Lift, values: Sequence[PolicyValue]) -> None:
    """What adaptation brought, and what other policies would have."""
    console = wide_console()
    console.print(
        found.sentence(), highlight=False, style=None if found.withheld is None else "yellow"
    )
    plays = f"{found.adaptive_plays} adaptive and {found.held_out_plays} held-out plays with a reward, {found.hours} hours"
    console.print(
        f"{plays} with both kinds; {found.left_out_plays} plays in other hours left out",
        highlight=False,
    )
    if not values:
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("policy")
    for column in ("doubly robust", "self-normalised", "inverse propensity", "plays", "worth"):
        table.add_column(column, justify="right")
    for value in values:
        shown = (_interval(each) for each in (value.doubly_robust, value.snips, value.ips))
        worth = f"{value.effective_plays:.0f}" if math.isfinite(value.effective_plays) else "–"
        table.add_row(escape(value.policy), *shown, str(value.plays), worth)
    console.print(table)
    for value in values:
        if value.withheld is not None:
            console.print(
                f"{escape(value.policy)}: {value.withheld}", highlight=False, style="yellow"
            )


def _interval(estimate: Interval) -> str:
    if not math.isfinite(estimate.value):
        return "–"
    if not math.isfinite(estimate.low):
        return f"{estimate.value:+.3f}"
    return f"{estimate.value:+.3f} ({estimate.low:+.3f} to {estimate.high:+.3f})"


def print_proof(document: dict[str, Any]) -> None:
    """Rows of a proof of play, with their total."""
    console = wide_console()
    priced = any(row["cost"] is not None for row in (*document["rows"], document["total"]))
    figures = {
        "plays": "plays",
        "verified": "verified",
        "not_shown": "not shown",
        "skipped": "skipped",
        "failed": "failed",
        "cut_short": "cut short",
        "opportunities": "in view",
        "watchers": "watchers",
        "attentive_s": "attentive s",
    }
    if priced:
        figures |= {"cost": "cost", "cost_per_thousand_attentive_s": "per 1000 s"}
    names = ["ad_id" if group == "ad" else group for group in document["by"]]
    table = Table(box=None, header_style="bold", pad_edge=False)
    for group in document["by"]:
        table.add_column(group)
    for title in figures.values():
        table.add_column(title, justify="right")
    for row in document["rows"]:
        table.add_row(
            *(escape(row[name]) for name in names), *(_figure(row[key], key) for key in figures)
        )
    total = ("total", *[""] * (len(names) - 1))
    table.add_row(*total, *(_figure(document["total"][key], key) for key in figures), style="bold")
    console.print(table)
    if document["withheld"]:
        console.print(
            f"Withheld (–) in {len(document['withheld'])} rows: fewer than {document['min_viewers']} viewers were in view.",
            highlight=False,
        )


def _figure(value: float | None, key: str) -> str:
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.1f}" if key == "attentive_s" else f"{value:,.2f}"
