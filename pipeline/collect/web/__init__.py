"""What all live sources share: the classes of error, the clock, retries, and reading an answer that may be hostile."""
