"""What commands print for people: tables on standard output, progress on standard error."""

from monitor.reports.terminal.experiments import (
    print_experiments,
    print_import,
    print_plan,
    print_result,
    print_status,
)
from monitor.reports.terminal.lake import print_lake_report
from monitor.reports.terminal.printable_console import progress_bar
from monitor.reports.terminal.printing import (
    print_comparisons,
    print_lift,
    print_proof,
    print_regret,
    print_report,
    print_sessions,
)

__all__ = [
    "print_comparisons",
    "print_experiments",
    "print_import",
    "print_lake_report",
    "print_lift",
    "print_plan",
    "print_proof",
    "print_regret",
    "print_report",
    "print_result",
    "print_sessions",
    "print_status",
    "progress_bar",
]
