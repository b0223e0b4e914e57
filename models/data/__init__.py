"""What every model reads: samples, their text as numbers, batches, and the interface of a network."""
