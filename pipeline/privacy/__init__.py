"""Protecting people: pseudonyms, the opt-out list, what was deleted, and the sweep of what nothing names any more."""
