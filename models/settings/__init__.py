"""Choices that can be checked before torch is loaded, and what this machine has."""
