"""Frozen networks for pictures: portrait masks, filling, backbones, and what runs them."""
