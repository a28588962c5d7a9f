"""What the commands print for people: tables on standard output, progress on standard error."""

from monitor.reports.terminal.comparisons import print_comparisons
from monitor.reports.terminal.console import progress_bar
from monitor.reports.terminal.report import print_report
from monitor.reports.terminal.sessions import print_sessions
from monitor.reports.terminal.tables import (
    print_lift,
    print_proof,
    print_regret,
)

__all__ = [
    "print_comparisons",
    "print_lift",
    "print_proof",
    "print_regret",
    "print_report",
    "print_sessions",
    "progress_bar",
]
