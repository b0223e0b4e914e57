"""Where POIs come from: files, extracts of OS Places, Foursquare's Places API; which of them a city takes."""
