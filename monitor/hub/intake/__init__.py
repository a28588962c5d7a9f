"""What kiosks send: envelopes of records, pictures and logs."""
