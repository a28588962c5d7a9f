"""Every setting: default, bounds and help."""
