"""Export, document and promote a trained model."""
