"""Published datasets, read as published; see `training.datasets.reading.read_dataset`."""
