"""Pictures of visitors and of the command line: read in a process of their own, one at a time."""
