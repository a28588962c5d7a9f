"""One request: who sends it, what it asks for, in which language, and how it is refused."""
