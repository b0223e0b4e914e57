"""Assets of the room images: pictures without people."""
