"""What Dagster shows and runs: one asset per file, thin; the work and its rules are in `pipeline`."""
