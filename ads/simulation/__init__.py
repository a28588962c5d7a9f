"""Run a policy against a simulated audience."""
