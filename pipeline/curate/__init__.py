"""Curation: which of the collected posts a model learns from, and by which rule each other one is dropped."""
