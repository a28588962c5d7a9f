"""Train one network on one dataset."""
