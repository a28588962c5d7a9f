"""What the commands print for people: tables on standard output, progress on standard error."""

from monitor.reports.terminal.comparisons import print_comparisons
from monitor.reports.terminal.console import progress_bar, training_bar
from monitor.reports.terminal.report import print_report
from monitor.reports.terminal.sessions import print_sessions
from monitor.reports.terminal.tables import (
    print_bench,
    print_comparison,
    print_conditions,
    print_evaluation,
    print_faces,
    print_findings,
    print_lift,
    print_markdown,
    print_models,
    print_proof,
    print_regret,
)

__all__ = [
    "print_bench",
    "print_comparison",
    "print_comparisons",
    "print_conditions",
    "print_evaluation",
    "print_faces",
    "print_findings",
    "print_lift",
    "print_markdown",
    "print_models",
    "print_proof",
    "print_regret",
    "print_report",
    "print_sessions",
    "progress_bar",
    "training_bar",
]
