"""Training: frozen picture features and the models trained on a release."""
