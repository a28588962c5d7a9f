"""`db.read.experiments` is tested with what writes it: `tests/unit/db/write/test_experiments.py`."""
