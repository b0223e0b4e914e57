"""Collecting: POIs, places and posts of a city, from files, archives, services or the demo generator."""
