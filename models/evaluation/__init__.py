"""How good predictions are: ranks, distances, calibration."""
