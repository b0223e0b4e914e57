"""Assets of the room training: picture features and models."""
