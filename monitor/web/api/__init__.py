"""The API for programs: its calls, its documents, and their description."""
