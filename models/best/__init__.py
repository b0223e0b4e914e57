"""The preset "best": linear experts and networks, pooled into one distribution."""
