"""Durable writes: records, the outbox on disk and the one write thread."""
