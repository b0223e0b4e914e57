"""Curating: which of the collected posts are good for learning where a post was made."""
