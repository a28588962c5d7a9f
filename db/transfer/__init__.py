"""From database to database: what a kiosk queues for its hub, how it travels, how it is stored."""
