"""Posts from an archive: Instaloader's folder, its media and saved pages, and the fields that may leave them."""
