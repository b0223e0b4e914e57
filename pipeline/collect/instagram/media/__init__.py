"""Pictures of posts: downloaded, judged, kept or put off, with a pace for every host."""
