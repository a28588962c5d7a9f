"""Tables that the commands print."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rich.logging import RichHandler
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from detector.names import printable
from monitor.logs import LogFormatter
from monitor.reports.terminal.printable_console import PrintableConsole, wide_console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from monitor.kiosk.doctor import Finding
    from training.evaluation.comparison import Comparison
    from training.fit.schedule import RunProgress

logger = logging.getLogger(__name__)

STATE_MARKS = {"ok": "[green]✓[/]", "warn": "[yellow]![/]", "fail": "[bold red]✗[/]"}


def table_of(rows: Iterable[Sequence[str]], *columns: str, right: Sequence[str] = ()) -> Table:
    """Return a table; the columns in `right` are aligned to the right."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left")
    for row in rows:
        table.add_row(*row)
    return table


def print_faces(images: Sequence[dict[str, Any]]) -> None:
    """Print the faces of each picture with a bar of the confidence."""
    console = wide_console()
    for image in images:
        count = len(image["faces"])
        found = f"{count} face{'' if count == 1 else 's'}"
        if "error" in image:
            found = f"not read: {image['error']}"
        name = escape(printable(image["image"]))
        console.print(f"[bold]{name}[/bold]: {escape(found)}", highlight=False)
        table = Table(box=None, show_header=False, pad_edge=True)
        for face in image["faces"]:
            bar = "█" * round(20 * face["confidence"])
            doubt = "uncertain" if face["uncertain"] else ""
            x, y, width, height = face["box"]
            place = f"{width} x {height} at {x},{y}"
            if face.get("whole_picture"):
                place = "the whole picture, taken for the crop of a face"
            table.add_row(face["label"], f"{face['confidence']:.0%}", bar, place, doubt)
        if image["faces"]:
            console.print(table)


def print_bench(figures: dict[str, Any]) -> None:
    """Print the figures of a benchmark with a bar for each stage."""
    console = wide_console()
    console.print(
        f"[bold]{figures['fps']:.1f} frames per second[/bold], decoding left out "
        f"({figures['frames']} frames, {figures['faces_per_frame']:.2f} faces a frame, "
        f"{figures['runtime']})",
        highlight=False,
    )
    table = Table(box=None, show_header=False)
    longest = max(figures["stages_ms"].values())
    for stage, spent in figures["stages_ms"].items():
        table.add_row(stage, f"{spent:.2f} ms", "█" * round(30 * spent / longest))
    console.print(table)
    latency = figures["latency_ms"]
    console.print(
        f"latency p50 {latency['p50']:.1f} ms, p95 {latency['p95']:.1f} ms; "
        f"CPU {figures['cpu_ms_per_frame']:.1f} ms a frame; "
        f"memory {figures['peak_rss_mb']:.0f} MB; start {figures['startup_s']:.1f} s",
        highlight=False,
    )


def print_evaluation(figures: dict[str, Any]) -> None:
    """Print the scores of a model by class."""
    console = wide_console()
    console.print(
        f"[bold]accuracy {figures['accuracy']:.2%}[/bold], macro F1 {figures['macro_f1']:.3f}, "
        f"loss {figures['loss']:.3f}, ECE {figures['ece']:.3f} on {figures['n']} faces against the "
        f"{figures['against']} labels",
        highlight=False,
    )
    shown = f"With as many faces of each label: {figures['balanced_accuracy']:.2%}."
    if figures["taken_for_neutral"] is not None:
        shown += f" Of the faces with another label, {figures['taken_for_neutral']:.1%} are taken "
        shown += "for neutral."
    console.print(shown, highlight=False)
    rows = (
        (emotion, *(f"{scores[key]:.3f}" for key in ("precision", "recall", "f1")))
        + (str(scores["support"]),)
        for emotion, scores in figures["per_class"].items()
    )
    numbers = ("precision", "recall", "F1", "faces")
    console.print(table_of(rows, "emotion", *numbers, right=numbers))


def print_conditions(conditions: dict[str, list[dict[str, Any]]]) -> None:
    """Print the accuracy under each disturbance."""
    rows = (
        (name, ", ".join(f"{row['value']}: {row['accuracy']:.1%}" for row in found))
        for name, found in conditions.items()
    )
    wide_console().print(table_of(rows, "condition", "accuracy"))


def print_models(models: Sequence[dict[str, Any]]) -> None:
    """Print the models; an arrow marks the one in use."""
    from detector.emotion.labels import EMOTIONS

    columns = ("", "model", "origin", "MB", "labels", "accuracy")
    table = table_of((), *columns, right=("MB",))
    for model in models:
        best = next(iter(model["scores"].items()), None)
        table.add_row(
            "→" if model["in_use"] else "",
            escape(model["name"]),
            model["origin"],
            f"{model['size_mb']:.1f}",
            "the seven emotions"
            if tuple(model["labels"]) == EMOTIONS
            else ", ".join(map(escape, model["labels"])),
            f"{best[1]:.1%} ({best[0]})" if best else "",
        )
    wide_console().print(table)


def print_comparison(found: Comparison) -> None:
    """Print two models measured on the same faces, and how certain the difference is."""
    console = wide_console()
    rows = (
        (escape(it.model), f"{it.accuracy:.2%}", f"{it.macro_f1:.3f}", f"{it.ece:.3f}")
        for it in (found.first, found.second)
    )
    numbers = ("accuracy", "macro F1", "ECE")
    console.print(table_of(rows, "", *numbers, right=numbers))
    console.print(escape(found.sentence()), highlight=False)


def print_findings(findings: Sequence[Finding]) -> None:
    """Print one line per check, and what to do."""
    console = wide_console()
    for finding in findings:
        console.print(
            f"{STATE_MARKS[finding.state]} {finding.name:<10} {escape(finding.found)}",
            highlight=False,
        )
        if finding.advice:
            console.print(f"  {'':<10} → {escape(finding.advice)}", highlight=False)


@contextmanager
def training_bar() -> Iterator[Callable[[RunProgress, dict[str, Any]], None]]:
    """Show a progress bar of a training run on standard error; log lines appear above it.

    Without a terminal, a line is logged once a minute.

    Yields:
        A function to call after every step with the progress of the run and the figures of the
        epoch so far.
    """
    console = PrintableConsole(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("Training"),
        BarColumn(),
        TextColumn("{task.percentage:.1f}%  {task.fields[figures]}"),
    )
    if not console.is_terminal:
        yield _once_a_minute()
        return
    root = logging.getLogger()
    before = root.handlers[:]
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=1.0, figures="starting")

        def update(progress: RunProgress, figures: dict[str, Any]) -> None:
            bar.update(task, completed=progress.share, figures=_progress_text(progress, figures))

        lines = RichHandler(console=console, show_path=False, show_level=False)
        lines.setFormatter(LogFormatter("%(message)s"))
        root.handlers = [lines]
        try:
            yield update
        finally:
            root.handlers = before


def print_groups(document: dict[str, Any]) -> None:
    """Print how well the faces of each group are found and read, and the differences in words."""
    console = wide_console()
    console.print(
        f"[bold]{document['pictures']:,} pictures[/bold]; groups are those of the table, none is "
        "estimated; 95% intervals in brackets, those of differences for all pairs together; "
        f"- means fewer than {document['min_pictures']} pictures",
        highlight=False,
    )
    titles = {
        "found": "found",
        "detection_confidence": "confidence of detection",
        "withheld": "not read",
        "confidence": "confidence of expression",
        "uncertain": "uncertain",
        "accuracy": "read right",
    }
    titles = {key: title for key, title in titles.items() if key in document["overall"]}
    for column, found in document["groups"].items():
        rows = [
            (
                escape(group["group"]),
                f"{group['pictures']:,}",
                *(_estimate_text(group[key]) for key in titles),
            )
            for group in (*found["groups"], document["overall"] | {"group": "all pictures"})
        ]
        console.print()
        numbers = ("pictures", *titles.values())
        console.print(table_of(rows, escape(column), *numbers, right=numbers))
        for sentence in found["sentences"]:
            console.print(escape(sentence), highlight=False)


def _estimate_text(estimate: dict[str, Any] | None) -> str:
    """Return an estimate with its interval in percent; those withheld are a dash."""
    if estimate is None:
        return "-"
    value, low, high = (100 * estimate[key] for key in ("value", "low", "high"))
    text = f"{value:.1f}% ({low:.1f}-{high:.1f})"
    if reasons := estimate.get("reasons"):
        text += " " + ", ".join(f"{name} {count}" for name, count in reasons.items())
    return text


def _once_a_minute() -> Callable[[RunProgress, dict[str, Any]], None]:
    said = time.monotonic()

    def update(progress: RunProgress, figures: dict[str, Any]) -> None:
        nonlocal said
        if time.monotonic() - said >= 60:
            said = time.monotonic()
            logger.info("%.1f%%: %s", 100 * progress.share, _progress_text(progress, figures))

    return update


def _progress_text(progress: RunProgress, figures: dict[str, Any]) -> str:
    if progress.finished:
        return "trained; now measuring"
    epoch, step = divmod(progress.steps, progress.steps_per_epoch)
    shown = [
        f"epoch {epoch + 1}, step {step} of {progress.steps_per_epoch}",
        f"{progress.stage.side_px} px",
    ]
    if "loss" in figures:
        shown.append(f"loss {float(figures['loss']):.3f}")
    if progress.left_s is not None:
        shown.append(f"{timedelta(seconds=round(progress.left_s))} left")
    return ", ".join(shown)


def print_shadow_runs(reports: Sequence[dict[str, Any]]) -> None:
    """Print what the shadow runs found, a table of labels for each pair of models."""
    console = wide_console()
    for report in reports:
        names = report["model_in_use"], report["shadow_model"]
        console.print(f"[bold]{escape(names[1])}[/bold] beside {escape(names[0])}", highlight=False)
        console.print(escape(report["sentence"]), highlight=False)
        rows = [
            (
                entry["label"],
                f"{entry['in_use']:.1%}",
                f"{entry['shadow']:.1%}",
                _signed_interval(entry["difference"], 100, "%"),
            )
            for entry in sorted(report["labels"], key=lambda entry: -entry["in_use"])
        ]
        console.print(table_of(rows, "label", *names, "difference", right=(*names, "difference")))
        if report["valence"] is not None:
            valence = report["valence"]
            console.print(
                f"Valence {valence['in_use']:+.3f} and {valence['shadow']:+.3f}; difference "
                f"{_signed_interval(valence['difference'], 1, '', digits=3)}.",
                highlight=False,
            )
        for pair in report["disagreements"]:
            console.print(
                f"{pair['label']} became {pair['shadow_label']}: {pair['share']:.1%} of the faces",
                highlight=False,
            )
        cost, sure = report["cpu_ms"], report["confidence"]
        console.print(
            f"Confidence {sure['in_use']:.0%} and {sure['shadow']:.0%}; {cost['in_use']:.2f} and "
            f"{cost['shadow']:.2f} ms of a processor for each face.\n",
            highlight=False,
        )


def _signed_interval(
    ratio: dict[str, float | None], scale: float, unit: str, *, digits: int = 1
) -> str:
    value, low, high = (
        None if ratio[name] is None else scale * float(ratio[name] or 0.0)
        for name in ("value", "low", "high")
    )
    text = f"{value:+.{digits}f} {unit}".rstrip()
    return text if low is None else f"{text} ({low:+.{digits}f} to {high:+.{digits}f})"
