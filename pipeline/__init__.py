"""The work, callable without Dagster: from a city's name to a released data set and a trained model."""
