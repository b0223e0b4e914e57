"""The training loop of every network here: epochs, steps, checkpoints, and the fitted result."""
