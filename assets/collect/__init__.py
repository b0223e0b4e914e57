"""Assets of the room collect: POIs, their Instagram places, and posts."""
