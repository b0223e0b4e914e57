"""Foursquare: its Places API, its open extract, its categories, and which of them are sensitive."""
