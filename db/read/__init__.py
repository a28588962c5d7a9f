"""Read sessions, plays, ads and roll-ups as plain values."""
