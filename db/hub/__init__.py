"""What only a hub stores: its screens and their keys, how they are, alerts, people."""
