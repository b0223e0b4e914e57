"""The study: every table and figure of MRLF's paper on a city of ours, cell by cell."""
