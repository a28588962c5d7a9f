"""From a face crop to calibrated emotion probabilities: labels, network, model cards and models."""
