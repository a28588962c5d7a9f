"""`monitor.reports.terminal.experiments` is tested in `tests/unit/monitor/reports/test_experiments.py`."""
