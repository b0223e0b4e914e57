"""Assets of the room report: what the models can do."""
