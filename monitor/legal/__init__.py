"""What operators need for the law, filled from the settings: printed notice and papers."""
