"""One script per measured claim: `make bench NAME=x` runs bench/x.py.

Each prints a table and, as its last line, one JSON object {"name", "ours", "peer", "ratio", "unit"}. A ratio above
1 always means better than the peer, measured in the same run, interleaved.
"""
