"""The release: split, shards, labels and the manifest that makes them one data set."""
