"""What may play, what is planned and what was shown."""
