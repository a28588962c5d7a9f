"""What commands share: options, errors, printing."""
