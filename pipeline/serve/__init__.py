"""Serving a predictor over HTTP: an answer per request, nothing stored, nothing asked of anyone else."""
