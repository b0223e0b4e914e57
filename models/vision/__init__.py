"""Frozen networks that look at pictures: portrait masks, filling, backbones, and what runs them."""
