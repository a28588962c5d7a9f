"""From the sensor's process to the database: links, workers, recording and supervision. Knows nothing of a window."""
