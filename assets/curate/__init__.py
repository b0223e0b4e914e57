"""Assets of the room curate: which posts are kept."""
