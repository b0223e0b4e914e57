"""Assets of the room release: the data set of a city."""
