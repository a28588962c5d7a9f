"""One script per revision, named after it."""
